"""A schedule of a flow: what is said of it, and else what its file says itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from dagger.cli.exits import Refused
from dagger.cli.flow_inputs import kept_inputs
from dagger.cli.scheduling import Wanted
from dagger.flows.loading import load
from dagger.flows.running.program import Program


def flow_wanted(
    file: Path, when: str | None, given: Sequence[str], terms: dict[str, Any]
) -> Wanted:
    """The schedule of a flow, which is known by the flow's name unless it is given another one.

    Raises UsageError, Refused, FlowError, ValidationError.
    """
    try:
        flow = load(file)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
    said = {} if flow.schedule is None else asdict(flow.schedule)
    inputs, at = said.pop("inputs", {}), said.pop("when", None)
    if when is None and at is None:
        raise click.UsageError(f"when? Give WHEN or --cron: {file} has no `schedule`")
    values = kept_inputs(Program(flow, flow.name), inputs, given)
    return Wanted(flow.name, values, when or at, {"id": flow.name, **said, **terms})
