"""A program: a flow that is ready to be carried out, with all of its expressions compiled.

Made once, when its agents are made, and shared by all its runs. Each step has a channel of its
own, on which whoever carries it out is asked to.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from dagger.flows.flow import Flow
from dagger.flows.graph import Graph, graph
from dagger.flows.model import Compensation, Rescue, Step
from dagger.flows.names import is_required
from dagger.flows.references import needs_of
from dagger.flows.running.arguments import Arguments
from dagger.rules.expressions import Template, compiled, condition
from dagger.rules.schema import Schema, schema

WAITING = frozenset({"ask", "sleep", "wait_for"})
"""Built-ins that do nothing but wait."""


class Undo:
    """What undoes a step."""

    __slots__ = ("arguments", "channel", "said", "uses")

    def __init__(self, said: Compensation, channel: str, secret: frozenset[str]) -> None:
        self.said = said
        self.uses = said.uses
        self.channel = channel
        self.arguments = Arguments(said.with_, secret)


class Work:
    """A step or rescue step, compiled."""

    __slots__ = (
        *("arguments", "channel", "foreach", "id", "is_flow", "key", "needs", "owner", "patience"),
        *("said", "undo", "uses", "when"),
    )

    def __init__(
        self,
        said: Step | Rescue,
        needs: tuple[str, ...],
        channel: str,
        secret: frozenset[str],
        owner: str | None = None,
        patience: float | None = None,
        *,
        is_flow: bool = False,
    ) -> None:
        foreach = said.foreach if isinstance(said, Step) else None
        self.owner = owner  # of a rescue step, the step that it rescues
        self.patience = patience  # seconds that it may take, waits and all attempts included
        self.is_flow = is_flow
        self.said = said
        self.id = said.id
        self.uses = said.uses
        self.needs = needs
        self.channel = channel
        self.arguments = Arguments(said.with_, secret)
        self.when: Template | None = None if said.when is None else condition(said.when)
        self.foreach: Template | None = None if foreach is None else compiled(foreach)
        key = said.idempotency_key
        self.key: Template | None = None if key is None else compiled(key)
        undo = said.compensate
        self.undo = None if undo is None else Undo(undo, f"{channel}:undo", secret)

    @property
    def awaited(self) -> str:
        """What there is none of when nobody waits for it any more."""
        channel = self.said.with_.get("channel")
        return f"no message on channel {channel!r}" if self.uses == "wait_for" else "no result"

    def patience_for(self, payload: Any) -> float | None:
        """Seconds after which nobody waits for it any more; of `wait_for` it may say so itself."""
        own = payload.get("timeout") if self.uses == "wait_for" else None
        return self.patience if own is None else float(own)


class Program:
    """A flow, compiled; `channel` is where its runs begin.

    Within another flow it is begun with what a step is given: `packed` where some of that comes
    late (see `arguments`).
    """

    def __init__(self, flow: Flow, channel: str, *, packed: bool = False) -> None:
        self.flow = flow
        self.channel = channel
        self.packed = packed
        self.graph: Graph = graph(flow)
        self.secret = frozenset(
            name
            for name, each in flow.inputs.items()
            if isinstance(each, Mapping) and each.get("secret") is True
        )
        self.works: dict[str, Work] = self._works()
        self.output: Template = compiled(flow.output)
        self.undoes = any(each.undo is not None for each in self.works.values())

    def _works(self) -> dict[str, Work]:
        needs = needs_of(self.flow, {each.id for each in self.flow.steps})
        wanted = dict(zip([each.id for each in self.flow.steps], needs, strict=True))
        owners = {each.id: step.id for step in self.flow.steps for each in step.rescue}
        return {
            each.id: Work(
                each,
                wanted.get(each.id, ()),
                f"{self.channel}.{each.id}",
                self.secret,
                owners.get(each.id),
                self._patience(each),
                is_flow=each.uses in self.flow.subflows,
            )
            for each in self.flow.all_steps()
        }

    def _patience(self, step: Step | Rescue) -> float | None:
        """What waits all the time has no running time: its timeout is counted by the clock."""
        waits = step.uses in WAITING or step.uses in self.flow.subflows
        found: float | None = self.flow.said(step, "timeout") if waits else None
        return found

    def subflow(self, work: Work | Undo) -> Flow | None:
        """The flow that a step uses, if it uses one."""
        return self.flow.subflows.get(work.uses)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """What inputs are that are not given."""
        found = self.flow.inputs.items()
        return {name: each["default"] for name, each in found if not is_required(each)}

    @cached_property
    def schemas(self) -> dict[str, Schema]:
        """What each input has to be."""
        name = self.flow.name
        return {each: schema(source, f"flow {name!r}") for each, source in self.flow.inputs.items()}
