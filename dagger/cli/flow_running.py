"""A run of a flow from its inputs to what has become of each step, as `dagger flow run` has it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dagger.cli.conduct import conduct
from dagger.cli.exits import Exit, Refused
from dagger.cli.flow_program import load
from dagger.cli.flow_told import lines, told

if TYPE_CHECKING:
    from dagger.cli.conduct import Conducted


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
        spec = program.start(given)
        done = conduct(program, spec, options, store, as_json, verbose, log_json)
    _tell(done, as_json, log_json)
    obstacle = done.run.state.obstacle
    if not obstacle or done.code is Exit.INTERRUPTED:
        return done.code
    Refused(f"run {done.run.id} cannot go on: {obstacle}").show()
    return Exit.USAGE


def _tell(done: Conducted, as_json: bool, log_json: bool) -> None:
    """Print what there is to say of it, and where it is kept."""
    if not done.kept or done.code is not Exit.INTERRUPTED:
        _print(done, as_json)
    if done.kept and not log_json:
        click.echo(done.kept, err=True)


def _print(done: Conducted, as_json: bool) -> None:
    """Its steps; or the report of the run, where it ended before they were known."""
    found = told(done.run.state, str(done.report.status))
    if found is None:
        click.echo(json.dumps(done.report.to_dict(), indent=2) if as_json else str(done.report))
    elif as_json:
        click.echo(json.dumps(found.data(), indent=2))
    else:
        click.echo("\n".join(lines(found, here=True)))
