"""A run from its first message to its report, under the eyes and hands of a user."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from dagger.cli.display import choose
from dagger.cli.exits import Exit, exit_of
from dagger.cli.interrupts import Interrupts
from dagger.cli.logs import logs
from dagger.executor.executor import Executor

if TYPE_CHECKING:
    from dagger.cli.display import Display
    from dagger.cli.program import Program
    from dagger.executor.live import LiveRun
    from dagger.executor.specs import EventDriven
    from dagger.views.report import Report

TICK = 1 / 8
"""Seconds between two looks at how far the run is, and at whether it was interrupted."""


class Conducted(NamedTuple):
    """A run that there is nothing more to do for."""

    program: Program
    run: LiveRun
    report: Report
    code: Exit


def conduct(
    program: Program,
    spec: EventDriven,
    options: dict[str, Any],
    silent: bool,
    verbose: bool,
) -> Conducted:
    """Run a program from its first message to the report, and show on stderr how it goes.

    `options` are those of `Executor.start`. An interrupt cancels the run, which is
    awaited all the same; a second one kills the process.
    """

    async def main() -> tuple[LiveRun, Report]:
        async with Executor(program.agents, config=program.config) as executor:
            run = await executor.start(spec.channel, spec.payload, **options)
            return run, await _followed(run, display, interrupts)

    with logs(verbose=verbose), Interrupts() as interrupts, choose(silent=silent) as display:
        run, report = anyio.run(main)
    code = Exit.INTERRUPTED if interrupts.signal else exit_of(report)
    return Conducted(program, run, report, code)


async def _followed(run: LiveRun, display: Display, interrupts: Interrupts) -> Report:
    """The report of a run, shown until then; it is cancelled as soon as it is interrupted."""
    report, stopping = None, False
    while report is None:
        if interrupts.signal and not stopping:
            stopping = True
            print("stopping; a second Ctrl-C kills", file=sys.stderr)
        end = run.cancel(f"interrupted by {interrupts.signal}") if stopping else run.result()
        with anyio.move_on_after(TICK):
            report = await end
        display.show(run.progress())
    return report
