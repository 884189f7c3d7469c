"""A flow: its steps, and what is said of them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict, Unpack

from dagger.flows.building import Used, step_of
from dagger.flows.model import Compensation, Defaults, Rescue, Schedule, Step
from dagger.rules.growing import Growing
from dagger.words.errors import DefinitionError


class StepFields(TypedDict, total=False):
    """What may be said of a step, as the grammar tells it."""

    description: str
    """What it is for."""
    with_: Mapping[str, Any]
    """What it gives to what it uses: `with`, which is a word of Python."""
    needs: str | Iterable[str]
    """Steps that must have ended before."""
    when: str | bool
    """Whether it runs."""
    foreach: str | list[Any]
    """The items for each of which it runs."""
    max_parallel: int
    """Items that are in work at once."""
    retry: str | Mapping[str, Any]
    """"exponential", "linear:2", {"kind": ..., "max_attempts": ...}."""
    timeout: float
    """Seconds that an attempt may take."""
    idempotency_key: str
    """What is done once under one key."""
    compensate: Compensation | Mapping[str, Any] | Used | Flow
    """What undoes it."""
    on_error: str
    """"fail", "continue" or "skip"."""
    rescue: Iterable[Rescue | Mapping[str, Any]]
    """Steps that run when it has failed."""
    cache: float
    """Seconds for which its result is used again."""
    resources: Mapping[str, Any]
    """What it has while it runs: {"gpu": 1}."""
    priority: int
    """Of steps that could begin, the highest goes first."""


class FlowFields(TypedDict, total=False):
    """What may be said of a flow besides its name, its inputs, its steps and its output."""

    description: str
    defaults: Defaults
    fail_fast: bool
    schedule: Schedule | None


@dataclass(frozen=True, slots=True)
class Flow:
    """Steps that need each other: frozen data, the same from YAML and from Python.

    `Flow("name").step(...).step(...)` makes one; each call of `step` gives another flow. Nothing
    is checked by that: see `dagger.flows.check`.
    """

    name: str
    """Its name."""
    description: str = ""
    """What it is for, in words."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schemas by name; one whose keyword `secret` is true is of a value to be kept secret."""
    defaults: Defaults = field(default_factory=Defaults)
    """What holds for steps that do not say it themselves."""
    fail_fast: bool = True
    """Whether all stops when a step has failed for good."""
    steps: Sequence[Step] = ()
    """Its steps, in the order of the document: a tuple, or what is as one."""
    output: Any = None
    """What it gives when it has succeeded: a value, with expressions perhaps."""
    schedule: Schedule | None = None
    """When it begins by itself; None for never."""
    subflows: Mapping[str, Flow] = field(default_factory=dict)
    """The flows that steps use, by what stands there: "./other.yml"."""

    def step(self, id: str, uses: Used | Flow, **options: Unpack[StepFields]) -> Flow:
        """The same with one step more: its id, what it uses, and what a step may say.

        `uses` is a name, a `@step` function, an agent or a flow; `with_` stands for `with`, which
        is a word of Python. The grammar tells the options. Raises DefinitionError for one that
        there is not, and for another flow of a name that is used already.
        """
        where = f"step {id!r} of flow {self.name!r}"
        used: dict[str, Flow] = {}

        def file_of(flow: object) -> str | None:
            """What stands in a document for a flow, which then is one of the sub-flows."""
            if not isinstance(flow, Flow):
                return None
            file = f"./{flow.name}.yml"
            known = used.setdefault(file, self.subflows.get(file, flow))
            if known is not flow and known != flow:
                raise DefinitionError(
                    f"it uses another flow named {flow.name!r}; rename one", where
                )
            return file

        made = step_of(id, uses, options, file_of, where)
        steps = self.steps if isinstance(self.steps, Growing) else Growing(self.steps)
        subflows = {**self.subflows, **used} if used else self.subflows
        return replace(self, steps=steps.then(made), subflows=subflows)

    def said(self, step: Step | Rescue, name: str) -> Any:
        """What holds for a step: what it says itself, or else what `defaults` say."""
        said = getattr(step, name, None)
        return getattr(self.defaults, name, None) if said is None else said

    def all_steps(self) -> Iterator[Step | Rescue]:
        """Its steps in order, each followed by its rescue steps."""
        for each in self.steps:
            yield each
            yield from each.rescue

    def flows(self) -> list[Flow]:
        """The flow itself, and behind it all those within it, each once."""
        found = {id(self): self}
        ahead = [self]
        for flow in ahead:
            for each in flow.subflows.values():
                if id(each) not in found:
                    found[id(each)] = each
                    ahead.append(each)
        return ahead
