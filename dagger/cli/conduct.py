"""A run from its first message to its report, under the eyes and hands of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from dagger.cli.display import choose
from dagger.cli.exits import Exit, exit_of
from dagger.cli.interrupts import Interrupts
from dagger.cli.logs import logs
from dagger.executor.executor import Executor

if TYPE_CHECKING:
    from dagger.cli.display import Display
    from dagger.cli.program import Start
    from dagger.executor.live import LiveRun
    from dagger.views.report import Report

TICK = 1 / 8
"""Seconds between two looks at how far the run is, and at whether it was interrupted."""


def conduct(
    start: Start, options: dict[str, Any], *, silent: bool, verbose: bool
) -> tuple[Report, Exit]:
    """Run agents from their start to the report, and show on stderr how it goes.

    `options` are those of `Executor.start`. An interrupt cancels the run, which is
    awaited all the same; a second one kills the process.
    """

    async def main() -> Report:
        async with Executor(start.agents, config=start.config) as executor:
            live = await executor.start(start.channel, start.payload, **options)
            return await _followed(live, display, interrupts)

    with logs(verbose=verbose), Interrupts() as interrupts, choose(silent=silent) as display:
        report = anyio.run(main)
    return report, Exit.INTERRUPTED if interrupts.signal else exit_of(report)


async def _followed(live: LiveRun, display: Display, interrupts: Interrupts) -> Report:
    """The report of a run, shown until then; it is cancelled as soon as it is interrupted."""
    report = None
    while report is None:
        with anyio.move_on_after(TICK):
            if interrupts.signal:
                report = await live.cancel(f"interrupted by {interrupts.signal}")
            else:
                report = await live.result()
        display.show(live.progress())
    return report
