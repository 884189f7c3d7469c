"""What an agent declares, as data and for people."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dagger.cli.shapes import shape
from dagger.views.wording import duration, one_line
from dagger.words.outcomes import OnFailure

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
        "key": _key(agent),
        "on_failure": agent.on_failure,
        "hears_itself": agent.hears_itself,
    }


def policies(agent: Agent) -> Iterator[str]:
    """What an agent wants otherwise than most, in a few words each."""
    if agent.concurrency > 1:
        yield f"{agent.concurrency} at once"
    if agent.process is not None:
        yield "in a process"
    if agent.key is not None:
        yield f"in order of {_key(agent)}"
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


def _key(agent: Agent) -> str | None:
    if agent.key is None or isinstance(agent.key, str):
        return agent.key
    return getattr(agent.key, "__qualname__", repr(agent.key))


def _place(agent: Agent) -> str:
    """Where its handler is, from the working directory if it is below that."""
    return agent.where.replace(os.getcwd() + os.sep, "")
