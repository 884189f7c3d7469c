"""A run of a flow from its inputs to what has become of each step, as `dagger flow run` has it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dagger.cli.conduct import conduct
from dagger.cli.exits import Exit, Refused
from dagger.cli.flow_program import load
from dagger.cli.flow_told import lines, told
from dagger.cli.log_json import saying
from dagger.flows.running.progress import by_step

if TYPE_CHECKING:
    from dagger.cli.conduct import Conducted
    from dagger.executor.live import LiveRun


def run(
    file: Path,
    steps: Sequence[str],
    given: Sequence[str],
    *,
    store: Path | None,
    accept_changes: bool,
    as_json: bool,
    log_json: bool,
    verbose: bool,
    **options: Any,
) -> Exit:
    """Carry a flow out, and print what has become of it; the exit code.

    `options` are those of `Executor.start`. Raises Refused, and others of Dagger's errors.
    """
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        program = load([file], steps, accept_changes=accept_changes)
        spec = program.start(given, saying(in_json=log_json, level=logging.WARNING))
        see = partial(_seen, as_json=as_json)
        how_far = partial(by_step, flow=program.flow)
        done = conduct(program, spec, options, store, as_json, verbose, log_json, see, how_far)
    _tell(done, as_json, log_json)
    obstacle = done.run.state.obstacle
    if not obstacle or done.code is Exit.INTERRUPTED:
        return done.code
    Refused(f"run {done.run.id} cannot go on: {obstacle}").show()
    return Exit.USAGE


def _tell(done: Conducted, as_json: bool, log_json: bool) -> None:
    """Print what there is to say of it, and where it is kept."""
    if not done.kept or done.code is not Exit.INTERRUPTED:
        open_yet = done.report.ended is None
        click.echo(done.seen if open_yet else _seen(done.run, as_json=as_json))
    if done.kept and not log_json:
        click.echo(done.kept, err=True)


def _seen(run: LiveRun, *, as_json: bool) -> str:
    """Its steps; or the report of the run, where it ended before they were known."""
    report = run.report()
    found = told(run.state, str(report.status))
    if found is None:
        return json.dumps(report.to_dict(), indent=2) if as_json else str(report)
    return json.dumps(found.data(), indent=2) if as_json else "\n".join(lines(found, here=True))
