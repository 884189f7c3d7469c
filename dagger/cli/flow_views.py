"""A run of a flow as it stands in a store, and its picture."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from dagger.cli.exits import Refused
from dagger.cli.flow_told import Told, notes, told
from dagger.cli.stored import standing, stored_run
from dagger.cli.stores import in_store, opened
from dagger.flows.picture import to_dot
from dagger.flows.running.definition import flow_of
from dagger.views.render import render


def stored_flow(store: Path, run_id: str) -> Told:
    """What there is to tell of a run. Raises Refused, StoreTrouble, DatabaseError."""
    with opened(store) as reader, reader.still():
        run = stored_run(reader, run_id)
    found = told(run, standing(run))
    if found is None:
        problem = f"run {run_id!r}, which is {standing(run)}, has told of no steps of a flow"
        raise Refused(f"{problem}; see `dagger show {run_id}{in_store(store)}`")
    return found


class Picture(NamedTuple):
    """A picture that can be drawn."""

    source: str

    def to_dot(self) -> str:
        """In Graphviz's language."""
        return self.source

    def render(self, path: str | Path, format: str | None = None) -> Path:
        """Drawn to a file. Raises ExecutionError where Graphviz is not installed."""
        return render(self.source, path, format)


def flow_picture(found: Told) -> Picture:
    """The flow that a run began with, with what has become of its steps. Raises Refused."""
    if not found.report.definition:
        problem = f"the report of run {found.run.id!r} was too large for a message"
        raise Refused(f"{problem}, and has no flow to draw; a higher max_payload_bytes keeps it")
    flow = flow_of(found.report.definition)
    return Picture(to_dot(flow, found.report, notes(found, time.time())))
