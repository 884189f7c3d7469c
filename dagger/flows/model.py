"""The parts of a flow: frozen data, the same whether they were written in YAML or in Python.

Field for field they are the grammar (`flow.schema.json`). What is not said is not there, and the
defaults of a flow are not worked in. Values within (arguments, schemas) are plain JSON data, and
are not to be changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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
