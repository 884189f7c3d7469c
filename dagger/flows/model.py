"""What a flow is: frozen data, the same whether it was written in YAML or in Python.

Field for field it is the grammar (`flow.schema.json`): what is not said is not there, and
`Flow.defaults` are not worked in. Values within (arguments, schemas, outputs) are plain JSON data,
and are not to be changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagger.flows.functions import StepFunction


class OnError(StrEnum):
    """What it means for the flow that a step has failed for good."""

    FAIL = "fail"
    """The flow fails."""
    CONTINUE = "continue"
    """It goes on, and the step's output is null."""
    SKIP = "skip"
    """It goes on as if the step had been skipped."""


MAX_PARALLEL = 10
"""Items of a step that are in work at once, where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Compensation:
    """What undoes a step."""

    uses: str
    with_: Mapping[str, Any] = field(default_factory=dict)
    retry: str | Mapping[str, Any] | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Rescue:
    """A step that is run when another one has failed."""

    id: str
    uses: str
    description: str = ""
    with_: Mapping[str, Any] = field(default_factory=dict)
    when: str | bool | None = None
    retry: str | Mapping[str, Any] | None = None
    timeout: float | None = None
    idempotency_key: str | None = None
    compensate: Compensation | None = None
    cache: float | None = None
    resources: Mapping[str, Any] | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work; docs/flow-grammar.md tells what each field means."""

    id: str
    uses: str
    description: str = ""
    with_: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    when: str | bool | None = None
    foreach: str | list[Any] | None = None
    max_parallel: int | None = None
    retry: str | Mapping[str, Any] | None = None
    timeout: float | None = None
    idempotency_key: str | None = None
    compensate: Compensation | None = None
    on_error: OnError | None = None
    rescue: tuple[Rescue, ...] = ()
    cache: float | None = None
    resources: Mapping[str, Any] | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for steps that do not say it themselves."""

    retry: str | Mapping[str, Any] | None = None
    timeout: float | None = None
    on_error: OnError | None = None
    max_parallel: int | None = None
    resources: Mapping[str, Any] | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When runs of a flow begin by themselves, and with which inputs."""

    when: str
    timezone: str = "UTC"
    misfire: str = "one"
    overlap: str = "skip"
    jitter: float = 0
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flow:
    """Steps that need each other, and what is said of them all.

    `Flow("name").step(...).step(...)` makes one in Python, `flow_of` does from functions, `load`
    from a file. Each call of `step` gives another flow; this one stays as it is. Nothing is
    checked until `check`.
    """

    name: str
    description: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schemas by name; one whose keyword `secret` is true is of a value to be kept secret."""
    defaults: Defaults = field(default_factory=Defaults)
    fail_fast: bool = True
    steps: tuple[Step, ...] = ()
    output: Any = None
    schedule: Schedule | None = None
    subflows: Mapping[str, Flow] = field(default_factory=dict)
    """The flows that steps use, by what stands there: "./other.yml"."""

    def step(
        self, id: str, uses: str | StepFunction | Flow | Callable[..., Any], **options: Any
    ) -> Flow:
        """The same with one step more: its id, what it uses, and what a step may say.

        `uses` is a name, a `@step` function, an agent or a flow; `with_` stands for `with`, which
        is a word of Python. Raises DefinitionError for an option there is none of.
        """
        from dagger.flows.building import with_step

        return with_step(self, id, uses, options)

    def check(self) -> None:
        """Raise FlowError with all that is wrong with it, if anything is."""
        from dagger.flows.loading import check

        check(self)

    def said(self, step: Step | Rescue, name: str) -> Any:
        """What holds for a step: what it says itself, or else what `defaults` say."""
        said = getattr(step, name, None)
        return getattr(self.defaults, name, None) if said is None else said

    def all_steps(self) -> Iterator[Step | Rescue]:
        """Its steps in order, each followed by its rescue steps."""
        for each in self.steps:
            yield each
            yield from each.rescue

    def to_dot(self) -> str:
        """Its picture in Graphviz's language."""
        from dagger.flows.picture import to_dot

        return to_dot(self)

    def render(self, path: str | Path, format: str | None = None) -> Path:
        """Draw it to a file; its suffix or `format` says how.

        Raises ExecutionError where Graphviz is not installed.
        """
        from dagger.views.render import render

        return render(self.to_dot(), path, format)
