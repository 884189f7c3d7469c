"""A run from its first message to its report, under the eyes and hands of a user."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from dagger.cli.asking import Asker
from dagger.cli.display import choose
from dagger.cli.exits import Exit, exit_of
from dagger.cli.interrupts import Interrupts
from dagger.cli.log_json import JsonLog, Say, nothing, say, saying
from dagger.cli.logs import logs
from dagger.cli.stores import in_store
from dagger.cli.times import moment
from dagger.executor.executor import Executor
from dagger.store.lmdb import LmdbStore
from dagger.words.errors import RunNotFound
from dagger.words.outcomes import RunStatus

if TYPE_CHECKING:
    from dagger.cli.offer import Offer
    from dagger.executor.listing import Progress
    from dagger.executor.live import LiveRun
    from dagger.executor.specs import EventDriven
    from dagger.views.report import Report

TICK = 1 / 8
"""Seconds between two looks at how far the run is, and at whether it was interrupted."""


class Conducted(NamedTuple):
    """A run that there is nothing more to do for, or that is kept for another time."""

    run: LiveRun
    report: Report
    code: Exit
    kept: str
    """Where a run is that goes on another time, and how; empty for all that have ended."""
    seen: str
    """What was to be said of an open run while the executor was there."""


def conduct(
    program: Offer,
    spec: EventDriven,
    options: dict[str, Any],
    store: Path | None,
    silent: bool,
    verbose: bool,
    log_json: bool = False,
    see: Callable[[LiveRun], str] = lambda _: "",
    how_far: Callable[[LiveRun], Progress] | None = None,
) -> Conducted:
    """Run a program from its first message to the report, and show on stderr how it goes, or
    with `log_json` tell there what steps of flows say, and how they end. `see` says what there
    is to say of a run that stays open: without a store it is lost as this returns. `how_far` says
    what is shown while it goes on.

    `options` are those of `Executor.start`. An interrupt cancels the run, which is
    awaited all the same; with a store the run is left as it is, and kept there. A second
    interrupt kills the process.
    """
    if store is not None and options.get("run_id") is None:
        options = options | {"run_id": program.run_id(spec)}

    folder = None if store is None else LmdbStore(store)

    async def main() -> tuple[LiveRun, Report, str]:
        if folder is not None:  # whoever kills it knows why: no handler is to blame
            interrupts.before_the_end = lambda: folder.hands.clear()
        async with Executor(program.agents, store=folder, config=program.config) as executor:
            known = _known(executor, options["run_id"])
            tell = JsonLog(executor.watch(), program.flows).write if log_json else nothing
            run = await executor.start(spec.channel, spec.payload, **options)
            if known and not log_json:
                _remember(run)
            quiet, keep = silent or log_json, store is not None
            report = await followed(
                run, interrupts, silent=quiet, keep=keep, tell=tell, how_far=how_far, say=tells
            )
            seen = see(run) if report.ended is None else ""
        await tell()
        return run, report, seen

    tells = saying(in_json=log_json)
    telling = logs(verbose=verbose, flows=program.flows, as_json=log_json)
    with telling, Interrupts() as interrupts:
        run, report, seen = anyio.run(main)
    if store is not None and run.state.ended_at is not None:
        report = run.report()  # it may have ended while the executor stopped
    code = Exit.INTERRUPTED if interrupts.signal else exit_of(report)
    where = kept(run, store) if report.ended is None else ""
    return Conducted(run, report, code, where, seen)


async def followed(
    run: LiveRun,
    interrupts: Interrupts,
    *,
    silent: bool,
    keep: bool,
    tell: Callable[[], Awaitable[None]] = nothing,
    how_far: Callable[[LiveRun], Progress] | None = None,
    say: Say = say,
) -> Report:
    """The report of a run, shown until then; `tell` is called time and again, and `say` says that
    it was interrupted.

    What it asks is asked here, where there is somebody at a terminal. A question that is
    overdue is over in a moment, and is waited for; so is, without `keep`, one that will be. As
    soon as it is interrupted it is cancelled and awaited, or with `keep` left alone.
    """
    report, stopping, asker = None, False, None if silent else Asker.here()
    with choose(silent=silent or run.status.ended) as display:
        while report is None or (asker is not None and run.questions and not stopping):
            if interrupts.signal and not stopping:
                stopping = True
                say("stopping; a second Ctrl-C kills")
                if keep:
                    return run.report()
            if asker is not None and run.questions and not stopping:
                with display.aside():
                    await asker.ask(run, lambda: bool(interrupts.signal))
                report = None
                continue
            end = run.cancel(f"interrupted by {interrupts.signal}") if stopping else run.result()
            with anyio.move_on_after(TICK):
                report = await end
            if not stopping and _goes_on(run, keep):
                report = None
                await anyio.sleep(TICK)
            display.show(run.progress() if how_far is None else how_far(run))
            await tell()
    return report


def _goes_on(run: LiveRun, keep: bool) -> bool:
    """Whether a run that waits for people goes on without them, and is not kept until then."""
    if run.status is not RunStatus.WAITING:
        return False
    due = min((each.due for each in run.questions if each.due is not None), default=inf)
    return due < (time.time() if keep else inf)


def _known(executor: Executor, run_id: str | None) -> bool:
    """Whether the store has a run of that id already."""
    if run_id is None:
        return False
    try:
        executor.live(run_id)
    except RunNotFound:
        return False
    return True


def _remember(run: LiveRun) -> None:
    """Say of a run that was there before what becomes of it now."""
    state = run.state
    if state.ended_at is not None:
        ended = f"run {run.id} ended on {moment(state.ended_at)}"
        print(f"{ended}; another --run-id starts afresh; its report:", file=sys.stderr)
    elif not state.paused:
        opened = f"run {run.id}, opened on {moment(state.opened_at)}"
        print(f"{opened}, goes on where it was", file=sys.stderr)


def kept(run: LiveRun, store: Path | None) -> str:
    """Where an open run is when this process lets go of it, and how it goes on."""
    if store is None:
        return f"run {run.id} is gone with this process; --store DIR keeps one that has not ended"
    again = "the same command goes on with it"
    if run.state.obstacle:
        again = "nothing of it is lost"
    if run.state.on_hold:
        again = f"after `dagger resume {run.id}{in_store(store)}` {again}"
    return f"run {run.id} is kept in {store}; {again}"
