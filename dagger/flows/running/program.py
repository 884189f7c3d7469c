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
from dagger.flows.running.facts import kind_of
from dagger.rules.expressions import Template, compiled, condition
from dagger.rules.schema import Schema, schema
from dagger.words.errors import ExpressionError

WAITING = frozenset({"ask", "sleep", "wait_for"})
"""Built-ins that do nothing but wait."""

MOST_SECONDS = 1_000_000_000
"""As many as the grammar allows."""


class Called:
    """What is called: for a step, or to undo one."""

    __slots__ = ("arguments", "channel", "is_flow", "patience", "said", "uses")

    def __init__(
        self,
        said: Step | Rescue | Compensation,
        channel: str,
        secret: frozenset[str],
        patience: float | None,
        *,
        is_flow: bool,
    ) -> None:
        self.said = said
        self.uses = said.uses
        self.channel = channel
        self.is_flow = is_flow
        self.patience = patience  # seconds that it may take, waits and all attempts included
        self.arguments = Arguments(said.with_, secret)

    @property
    def awaited(self) -> str:
        """What there is none of when nobody waits for it any more."""
        channel = self.said.with_.get("channel")
        return f"no message on channel {channel!r}" if self.uses == "wait_for" else "no result"

    def patience_for(self, payload: Any) -> float | None:
        """Seconds after which nobody waits for it any more; of `wait_for` it may say so itself.

        Raises ExpressionError for what are no seconds.
        """
        if self.uses != "wait_for" or payload.get("timeout") is None:
            return self.patience
        found = payload["timeout"]
        if type(found) in (int, float) and 0 < found <= MOST_SECONDS:
            return float(found)
        raise self._unfit("timeout", "a number of seconds above 0", found)

    def key_for(self, payload: Any) -> str | None:
        """The key of the message that `wait_for` waits for; None if any will do.

        Raises ExpressionError for what is no key.
        """
        if self.uses != "wait_for" or "key" not in payload:
            return None
        found = payload["key"]
        if type(found) is int or (isinstance(found, str) and found):
            return str(found)
        raise self._unfit("key", "a text or a whole number", found)

    def _unfit(self, name: str, wanted: str, found: Any) -> ExpressionError:
        kind = kind_of(found)
        problem = f"the {name} of wait_for is {wanted}, and this is {kind}"
        if kind.rpartition(" ")[2] in wanted:
            problem = f"{problem} that is none"
        return ExpressionError(str(self.said.with_[name]), 0, problem, (name,))


class Work(Called):
    """A step or rescue step, compiled."""

    __slots__ = ("foreach", "id", "key", "needs", "owner", "undo", "when")

    said: Step | Rescue

    def __init__(
        self,
        said: Step | Rescue,
        channel: str,
        secret: frozenset[str],
        patience: float | None,
        *,
        is_flow: bool,
        needs: tuple[str, ...],
        owner: str | None,
        undo: Called | None,
    ) -> None:
        super().__init__(said, channel, secret, patience, is_flow=is_flow)
        foreach = said.foreach if isinstance(said, Step) else None
        self.owner = owner  # of a rescue step, the step that it rescues
        self.id = said.id
        self.needs = needs
        self.undo = undo
        self.when: Template | None = None if said.when is None else condition(said.when)
        self.foreach: Template | None = None if foreach is None else compiled(foreach)
        key = said.idempotency_key
        self.key: Template | None = None if key is None else compiled(key)


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
                f"{self.channel}.{each.id}",
                self.secret,
                self._patience(each.uses, self.flow.said(each, "timeout")),
                is_flow=each.uses in self.flow.subflows,
                needs=wanted.get(each.id, ()),
                owner=owners.get(each.id),
                undo=self._undo(each),
            )
            for each in self.flow.all_steps()
        }

    def _undo(self, step: Step | Rescue) -> Called | None:
        """What undoes a step."""
        undo = step.compensate
        if undo is None:
            return None
        channel = f"{self.channel}.{step.id}:undo"
        patience = self._patience(undo.uses, undo.timeout)
        is_flow = undo.uses in self.flow.subflows
        return Called(undo, channel, self.secret, patience, is_flow=is_flow)

    def _patience(self, uses: str, timeout: float | None) -> float | None:
        """What waits all the time has no running time: its timeout is counted by the clock."""
        return timeout if uses in WAITING or uses in self.flow.subflows else None

    def subflow(self, called: Called) -> Flow | None:
        """The flow that is called, if it is one."""
        return self.flow.subflows.get(called.uses)

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
