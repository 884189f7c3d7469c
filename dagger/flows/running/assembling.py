"""From a flow to the agents that carry it out.

- One coordinates; the flow's name is its channel, on which runs begin.
- Steps of the same function or agent, with the same policies, are carried out by one agent. Each
  has a channel of its own, `flow.step`, so that the tree and the logs name it.
- A step that uses another flow is carried out by that one's coordinator, and so on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dagger.authoring.agent import Agent
from dagger.authoring.joining import all_of
from dagger.authoring.making import make
from dagger.authoring.options import AgentOptions
from dagger.flows.flow import Flow
from dagger.flows.functions import StepFunction
from dagger.flows.model import Compensation, Rescue, Step
from dagger.flows.reading import data_of
from dagger.flows.running.arguments import Arguments
from dagger.flows.running.builtins import TIMEOUTS, built_in
from dagger.flows.running.caching import cached
from dagger.flows.running.context import WaitingContext
from dagger.flows.running.coordinator import Coordinator
from dagger.flows.running.definition import definition_of, digest_of
from dagger.flows.running.functions import agent_of
from dagger.flows.running.keeper import Keeper
from dagger.flows.running.origins import CoordinatorOrigin, FlowOrigin, StepOrigin, WaitingOrigin
from dagger.flows.running.program import Called, Program
from dagger.flows.running.uses import Uses
from dagger.flows.running.vault import Vault
from dagger.flows.running.within import REPORTS
from dagger.rules.retry import strategy
from dagger.words.errors import DefinitionError
from dagger.words.outcomes import OnFailure, Overflow
from dagger.words.policies import Resources

if TYPE_CHECKING:
    from dagger.words.config import Config

AT_ONCE = 100
"""Steps of one function that run at once, of all runs together; `max_parallel` says it of one."""


class Part:
    """A step or a compensation, as it is to be carried out."""

    __slots__ = (
        *("arguments", "cache", "channel", "keeper", "own", "said", "subflow", "uses", "usual"),
    )

    def __init__(self, keeper: Keeper, said: Step | Rescue | Compensation, work: Called) -> None:
        flow = keeper.program.flow
        self.keeper = keeper
        self.said = said
        self.uses = work.uses
        self.channel = work.channel
        self.arguments: Arguments = work.arguments
        self.subflow: Flow | None = flow.subflows.get(work.uses)
        self.cache: float | None = getattr(said, "cache", None)
        self.own = {name: getattr(said, name, None) for name in _POLICIES}
        """What is said of it itself."""
        self.usual = {name: _usual(flow, said, name) for name in _POLICIES}
        """What holds where neither that nor what it uses says anything."""


_POLICIES = ("retry", "timeout", "resources", "priority")


def _usual(flow: Flow, part: Step | Rescue | Compensation, name: str) -> Any:
    if isinstance(part, Compensation) and name != "retry":
        return None
    return getattr(flow.defaults, name)


class Assembling:
    """Makes the agents of one flow, and those of the flows within it."""

    def __init__(self, uses: Uses, vault: Vault, config: Config, *, accept_changes: bool) -> None:
        self._uses = uses
        self._vault = vault
        self._config = config
        self._accept_changes = accept_changes
        self._names: set[str] = set()
        self._bases: dict[str, Agent] = {}
        self._digests: dict[int, str] = {}
        """Of flows within others, each of which may be there many times."""

    def agents(self, flow: Flow) -> list[Agent]:
        """The agents of a flow, which has no errors. Raises DefinitionError."""
        keeper = Keeper(Program(flow, flow.name), self._vault)
        definition = definition_of(flow)
        origin = FlowOrigin(keeper, definition, accept_changes=self._accept_changes)
        coordinator = Coordinator(keeper.program, definition)
        first = self._coordinator(keeper.program, coordinator, OnFailure.FAIL, None)
        return [replace(first, origin=origin), *self._steps(keeper)]

    def _steps(self, keeper: Keeper) -> Iterator[Agent]:
        """Those that carry out the steps of a program."""
        groups: dict[str, list[Part]] = {}
        for part in _parts(keeper):
            if part.subflow is not None:
                yield from self._inner(part, part.subflow)
            elif part.uses == "wait_for":
                yield self._waiting(part)
            else:
                told = json.dumps([part.uses, part.own, part.usual], sort_keys=True)
                groups.setdefault(told, []).append(part)
        for parts in groups.values():
            yield self._group(parts)

    def _group(self, parts: list[Part]) -> Agent:
        """One agent for parts that use the same with the same policies."""
        first, base = parts[0], self._base(parts[0])
        cache = {each.channel: each.cache for each in parts if each.cache is not None}
        digest = digest_of({"steps": [data_of(each.said) for each in parts]})
        origin = StepOrigin(digest, first.keeper, {each.channel: each.arguments for each in parts})
        return replace(
            base,
            name=self._name(f"{first.keeper.program.channel}.{first.uses}", _mark(first)),
            subscribe=tuple(each.channel for each in parts),
            plan=cached(base.plan, cache),
            origin=origin,
            **_policies(base, first),
        )

    def _base(self, part: Part) -> Agent:
        """What a step uses, as an agent. Raises DefinitionError."""
        known = self._bases.get(part.uses)
        if known is not None:
            return known
        where = f"flow {part.keeper.program.flow.name!r}"
        found = built_in(part.uses, self._config, where) or self._uses.find(part.uses)
        if found is None:
            problem = f"there is no agent or step function {part.uses!r}"
            raise DefinitionError(problem, where)
        if isinstance(found, StepFunction):
            made = replace(agent_of(found), concurrency=AT_ONCE)
        elif found.join is not None or found.debounce or found.throttle or found.stream:
            problem = "a join, a stream, and what is debounced or throttled is no step of a flow"
            raise DefinitionError(problem, found.where)
        else:
            made = found
        self._bases[part.uses] = made
        return made

    def _inner(self, part: Part, flow: Flow) -> Iterator[Agent]:
        """Those of a flow within another one."""
        program = Program(flow, part.channel, packed=bool(part.arguments.late))
        keeper = Keeper(program, self._vault, (part.keeper, part.arguments))
        made = self._coordinator(
            program, Coordinator(program, None), OnFailure.CONTINUE, _holds(part, "retry", None)
        )
        origin = CoordinatorOrigin(self._digest(flow), self._vault)
        yield replace(made, origin=origin, **_priority(part))
        yield from self._steps(keeper)

    def _digest(self, flow: Flow) -> str:
        known = self._digests.get(id(flow))
        if known is None:
            known = self._digests[id(flow)] = digest_of(definition_of(flow))
        return known

    def _coordinator(
        self, program: Program, made: Coordinator, wish: OnFailure, retry: Any
    ) -> Agent:
        options: AgentOptions = {
            "name": self._name(program.channel),
            "description": program.flow.description,
            "subscribe": program.channel,
            "publish": [*_channels(program)],
            "concurrency": AT_ONCE,
            "overflow": "block",
            "cleans_up": True,
            "on_failure": str(wish),
        }
        if retry is None:
            options["max_attempts"] = 1
        else:
            options["retry"] = strategy(retry)
        return make(made.coordinate, {}, options)

    def _waiting(self, part: Part) -> Agent:
        """One that is called when a step waits for a message and there is one."""
        said = part.said.with_
        channel = said["channel"]

        async def heard(payload: dict[str, Any], ctx: WaitingContext) -> Any:
            if ctx.due:  # of a whole all parts are there at once
                await ctx.sleep(until=ctx.due)
            return payload[channel]

        options: AgentOptions = {
            "name": self._name(f"{part.channel}.wait_for"),
            "subscribe": all_of(part.channel, channel)._replace(optional=True),
            "concurrency": AT_ONCE,
            "on_failure": "continue",
        }
        if "key" in said:
            options["by"] = "key"
        digest = digest_of({"steps": [data_of(part.said)]})
        return replace(make(heard, {}, options), origin=WaitingOrigin(digest, self._vault.secrets))

    def _name(self, wanted: str, mark: str = "") -> str:
        """A name that no other agent has, the same each time that the same flow is assembled."""
        name, count = f"{wanted}{mark}", 1
        while name in self._names:
            count += 1
            name = f"{wanted}{mark}~{count}"
        self._names.add(name)
        return name


def _mark(part: Part) -> str:
    """What tells those apart who use the same with other policies: nothing, if none are said."""
    said = {name: each for name, each in part.own.items() if each is not None}
    return f"~{digest_of(said)[:4]}" if said else ""


def _parts(keeper: Keeper) -> Iterator[Part]:
    for work in keeper.program.works.values():
        yield Part(keeper, work.said, work)
        if work.undo is not None:
            yield Part(keeper, work.undo.said, work.undo)


def _channels(program: Program) -> Iterator[str]:
    """Where a coordinator publishes."""
    yield from (f"{program.channel}:output", f"{program.channel}{REPORTS}")
    for work in program.works.values():
        yield work.channel
        if work.undo is not None:
            yield work.undo.channel


def _policies(base: Agent, part: Part) -> dict[str, Any]:
    """The fields of an agent that a step says otherwise; a full queue makes others wait."""
    found: dict[str, Any] = {
        "overflow": Overflow.BLOCK,
        "on_failure": OnFailure.CONTINUE,
        **_priority(part, base.priority != 0),
    }
    retry = _holds(part, "retry", base.retry if base.max_attempts is None else base)
    if retry is not None:
        found |= {"retry": strategy(retry), "max_attempts": None}
    timeout = _holds(part, "timeout", base.timeout)
    if timeout is None and base.timeout is None:
        timeout = TIMEOUTS.get(part.uses)
    if timeout is not None:
        found["timeout"] = float(timeout)
    resources = _holds(part, "resources", base.resources)
    if resources is not None:
        found["resources"] = Resources(**resources)
    return found


def _holds(part: Part, name: str, said: object) -> Any:
    """What a step says of itself, or else what is usual in its flow, if what it uses says
    nothing (`said`).
    """
    own = part.own[name]
    return part.usual[name] if own is None and said is None else own


def _priority(part: Part, is_said: bool = False) -> dict[str, Any]:
    """That of a step, unless what it uses has one (`is_said`) and the step says nothing."""
    priority = part.own["priority"]
    if priority is None and not is_said:
        priority = part.usual["priority"]
    return {} if priority is None else {"priority": priority}
