"""`--agents`: runs that a store holds go on in this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from dagger.cli.conduct import followed
from dagger.cli.exits import Exit, Refused, exit_of
from dagger.cli.interrupts import Interrupts
from dagger.cli.logs import logs
from dagger.cli.stores import in_store, number_of, opened
from dagger.executor.executor import Executor

if TYPE_CHECKING:
    from dagger.cli.program import Program
    from dagger.executor.live import LiveRun


def go_on(program: Program, store: Path, run_id: str | None, verbose: bool) -> Exit:
    """Go on with one open run, or with all, to its report, which is printed.

    The exit code is that of the run which came off worst. Raises Refused, DatabaseError.
    """
    with opened(store) as reader:
        if run_id is not None:
            number_of(reader, run_id)

    async def main() -> list[LiveRun]:
        async with Executor(program.agents, store=store, config=program.config) as executor:
            runs = _wanted(executor, run_id)
            for run in runs:
                if run.state.on_hold:
                    await run.resume()
            for run in runs:
                report = await followed(run, interrupts, silent=False, keep=True)
                if interrupts.signal:
                    break
                click.echo(f"{report}\n")
            return runs

    with logs(verbose=verbose), Interrupts() as interrupts:
        runs = anyio.run(main)
    for run in runs:
        if run.state.ended_at is None:
            again = f"dagger resume {run.id}{in_store(store)} --agents FILE.py goes on with it"
            click.echo(f"run {run.id} is kept in {store}; {again}", err=True)
    if not runs:
        click.echo(f"there are no open runs in {store}")
    if interrupts.signal:
        return Exit.INTERRUPTED
    return max((exit_of(run.report()) for run in runs), default=Exit.OK)


def _wanted(executor: Executor, run_id: str | None) -> list[LiveRun]:
    """The open runs that are meant. Raises Refused for one that has ended."""
    if run_id is None:
        return [executor.live(each.run_id) for each in executor.runs() if each.ended is None]
    run = executor.live(run_id)
    if run.status.ended:
        raise Refused(f"run {run_id!r} has ended: it is {run.status}")
    return [run]
