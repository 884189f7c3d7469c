"""What an agent declares, as data and for people."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dagger.cli.shapes import shape
from dagger.views.wording import duration, one_line
from dagger.words.outcomes import OnFailure
from dagger.words.policies import PERIODS

if TYPE_CHECKING:
    from rich.table import Table

    from dagger.authoring.agent import Agent

SHAPE = 200
"""Characters of a schema that are shown."""


def described(agent: Agent) -> dict[str, Any]:
    """All that an agent declares, as plain JSON data; null where it says nothing."""
    return {
        "name": agent.name,
        "description": agent.description,
        "where": agent.where,
        "subscribe": list(agent.subscribe),
        "publish": list(agent.publish),
        "publish_any": agent.publish_any,
        "publish_each": agent.publish_each,
        "stream": agent.stream,
        "run_in": "process" if agent.process else None,
        "input_schema": agent.input.source if agent.input else None,
        "output_schemas": {
            name: declared.source for name, declared in agent.publish.items() if declared
        },
        "concurrency": agent.concurrency,
        "retry": repr(agent.retry) if agent.retry else None,
        "max_attempts": agent.max_attempts,
        "timeout": agent.timeout,
        "overflow": agent.overflow,
        "capacity": agent.capacity,
        "key": _named(agent.key),
        "idempotency_key": _named(agent.idempotency_key),
        "on_failure": agent.on_failure,
        "hears_itself": agent.hears_itself,
        "unload": agent.unload,
        "join": agent.join and agent.join._asdict(),
        "resources": agent.resources and agent.resources.amounts(),
        "priority": _named(agent.priority),
        "preemptible": agent.preemptible,
        "concurrency_key": [_plain(each) for each in agent.concurrency_key],
        "rate_limit": [_plain(each) for each in agent.rate_limit],
        "debounce": agent.debounce and _plain(agent.debounce),
        "throttle": agent.throttle and _plain(agent.throttle),
    }


def policies(agent: Agent) -> Iterator[str]:
    """What an agent wants otherwise than most, in a few words each."""
    if agent.concurrency > 1:
        yield f"{agent.concurrency} at once"
    if agent.process is not None:
        yield "in a process"
    if agent.key is not None:
        yield f"in order of {_named(agent.key)}"
    if agent.idempotency_key is not None:
        yield f"once for each {_named(agent.idempotency_key)}"
    if agent.retry is not None:
        yield f"retry {type(agent.retry).__name__.lower()}"
    attempts = agent.max_attempts or (agent.retry.max_attempts if agent.retry else None)
    if attempts is not None:
        yield "one attempt" if attempts == 1 else f"{attempts} attempts"
    if agent.timeout is not None:
        yield f"timeout {duration(agent.timeout)}"
    if agent.overflow is not None or agent.capacity is not None:
        full = f"at {agent.capacity:,}" if agent.capacity else "when full"
        yield f"{(agent.overflow or 'full').replace('_', ' ')} {full}"
    if agent.on_failure is not OnFailure.FAIL:
        yield f"on failure {agent.on_failure}"
    if agent.hears_itself:
        yield "hears itself"
    if agent.unload:
        yield "unloaded while it waits"
    yield from _turn_policies(agent)


def _turn_policies(agent: Agent) -> Iterator[str]:
    """Those that say when an invocation may begin."""
    if agent.resources is not None:
        yield ", ".join(f"{name} {amount:g}" for name, amount in agent.resources.amounts().items())
    if agent.priority != 0:
        yield f"priority {_named(agent.priority)}"
    if agent.preemptible:
        yield "gives way"
    for key in agent.concurrency_key:
        yield f"{key.limit} at once by {_named(key.key)}"
    for rate in agent.rate_limit:
        by = f" by {_named(rate.key)}" if rate.key is not None else ""
        yield f"{rate.count:g} per {_period(float(rate.per))}{by}"
    for name, policy in (("debounce", agent.debounce), ("throttle", agent.throttle)):
        if policy is not None:
            by = f" by {_named(policy.key)}" if policy.key is not None else ""
            yield f"{name} {duration(policy.seconds)}{by}"


def agents_table(agents: Sequence[Agent]) -> Table:
    """A row for each agent: what it is, what it hears and publishes, and its policies."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, header_style="dim", pad_edge=False, leading=1)
    drawn.add_column("agent", ratio=3)
    drawn.add_column("messages", ratio=5)
    drawn.add_column("policies", ratio=2)
    for agent in agents:
        name = Text(one_line(agent.name, 60), style="bold")
        about = [one_line(agent.description.partition("\n\n")[0], 200), _place(agent)]
        drawn.add_row(
            Text("\n").join([name, *(Text(each, style="dim") for each in about if each)]),
            _messages(agent),
            Text("\n").join(Text(each) for each in policies(agent)),
        )
    return drawn


def _messages(agent: Agent) -> Table:
    """A row for each channel: in or out, its name, and what its messages look like."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table.grid(padding=(0, 1))
    drawn.add_column(style="dim", no_wrap=True)
    drawn.add_column(style="cyan")
    drawn.add_column()
    for way, channel, form in _channels(agent):
        drawn.add_row(way, Text(one_line(channel, 60)), Text(one_line(form, SHAPE)))
    return drawn


def _channels(agent: Agent) -> Iterator[tuple[str, str, str]]:
    """Way, channel and shape, of what it hears and then of what it publishes."""
    heard = shape(agent.input.source if agent.input else None)
    for name in agent.subscribe:
        yield "in", name, heard
    for name, declared in agent.publish.items():
        yield "out", name, shape(declared.source if declared else None)
    if agent.publish_any:
        yield "out", "*", "on any channel"


def _named(rule: Any) -> Any:
    """A rule as it is said, or the name of the function that it is."""
    return getattr(rule, "__qualname__", repr(rule)) if callable(rule) else rule


def _period(seconds: float) -> str:
    """A time as it may have been said."""
    return next((word for word, each in PERIODS.items() if each == seconds), duration(seconds))


def _plain(policy: Any) -> dict[str, Any]:
    """What a policy is set to."""
    return {each.name: _named(getattr(policy, each.name)) for each in dataclasses.fields(policy)}


def _place(agent: Agent) -> str:
    """Where its handler is, from the working directory if it is below that."""
    return agent.where.replace(os.getcwd() + os.sep, "")
