"""The life of runs: opened, watched over, cancelled, ended, forgotten."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from dagger.executor.exporting import Imported
from dagger.executor.forking import Fork, part_of
from dagger.executor.live import ActiveClock, LiveRun
from dagger.executor.recovery import open_again
from dagger.executor.retention import Retention
from dagger.state.queues import RUNNING
from dagger.state.run import Run
from dagger.views.wording import duration, one_line
from dagger.words.effects import Publication, make
from dagger.words.errors import BudgetExceeded, ExecutionError, ExecutorStopped, RunNotFound
from dagger.words.ids import new_id
from dagger.words.outcomes import Disposition, RunStatus
from dagger.words.records import (
    AgentAdded,
    Failure,
    Kept,
    Quieted,
    RunCancelling,
    RunEnded,
    RunForked,
    RunOpened,
    RunPaused,
    RunResumed,
    RunsForgotten,
    Swept,
)
from dagger.words.replies import overdue

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.queues import Delivery


# Looking a member up in its enum costs more than what is done with it.
_CANCELLING, _COMPLETED, _FAILED = RunStatus.CANCELLING, RunStatus.COMPLETED, RunStatus.FAILED


T = TypeVar("T")

logger = logging.getLogger("dagger.runs")
"""Told at level INFO: which runs begin and end here."""


class Runs:
    """The open runs of an executor, and the ended ones it still remembers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.live: dict[int, LiveRun] = {}  # open ones by number
        self._most = engine.config.max_open_runs
        self._most_bytes = engine.config.max_open_bytes
        self._retention = Retention(engine.config, engine.state.runs)
        self._gate: deque[anyio.Event] = deque()  # who waits for room
        self._entering = False  # one of them was let in, and has not opened its run yet
        self._drains: list[anyio.Event] = []

    # -- opening ---------------------------------------------------------------------

    def open(self, first: Publication, run_id: str | None, limits: dict[str, Any]) -> LiveRun:
        """A new run with its first message; the caller has seen to it that there is room."""
        engine = self._engine
        number = engine.state.next_run + 1
        fields = (number, run_id or new_id(), limits, first, engine.now())
        engine.commit(make(RunOpened, fields))
        if logger.isEnabledFor(logging.INFO):
            self._tell("run %r begins on %r", fields[1], first.channel)
        return self.adopt(engine.state.runs[number])

    async def fork(self, fork: Fork) -> Callable[[], LiveRun]:
        """What begins a new run with the past of another one: to be called at once, before
        anybody else gets a turn.

        Raises RunNotFound, MessageNotFound, ExecutionError.
        """
        engine, state = self._engine, self._engine.state
        parent = self.find(fork.parent).state.number
        fork = fork._replace(payload=engine.veiling.value(fork.payload))
        await engine.store.flush()  # what is read is on disk
        now = engine.now()
        work = partial(part_of, engine.store, parent, state.keep, state.names, fork, now)
        job = engine.threads.start(work)
        await job.done.wait()
        if fork.id in state.run_numbers:
            raise ExecutionError(f"run id {fork.id!r} is taken; a fork is a new run")
        return partial(self._begin, fork, job.outcome(), now)

    def _begin(self, fork: Fork, part: bytes, now: float) -> LiveRun:
        engine, number = self._engine, self._engine.state.next_run + 1
        engine.commit(RunForked(number, fork.id, fork.parent, fork.at, part, now))
        run = engine.state.runs[number]
        self._tell("run %r begins, as %r was at %r", fork.id, fork.parent, fork.at)
        open_again(engine, run)
        return self.live[number]

    def bring_in(self, run: Imported) -> LiveRun | None:
        """A run of another store; live if it is still open."""
        engine, now = self._engine, self._engine.now()
        for name in run.agents:
            if name not in engine.state.subscribers:
                engine.commit(AgentAdded(name, (), False, now))
        number = engine.state.next_run + 1
        engine.commit(RunForked(number, run.id, "", "", run.part, now))
        state = engine.state.runs[number]
        if state.ended_at is not None:
            self.ended(state)
            return None
        open_again(engine, state)
        return self.live.get(number)

    def adopt(self, run: Run) -> LiveRun:
        """Watch over an open run from now on."""
        live = self.live[run.number] = LiveRun(self._engine, run)
        if run.opening.headers and not run.reply:
            run.bell = live.stir
        if run.limits:
            self._limit(live, run)
        if not run.deliveries:
            self.quiet(run)
        elif not run.active:
            self._soon_quiet(run)
        return live

    def _soon_quiet(self, run: Run) -> None:
        """The same once whoever has just begun the run could hold it open."""
        self._engine.timers.after(0, partial(self.quiet, run))

    def find(self, run_id: str) -> LiveRun:
        """The run of that id, open or ended. Raises RunNotFound."""
        state = self._engine.state
        number = state.run_numbers.get(run_id)
        if number is None:
            raise RunNotFound(run_id, tuple(state.run_numbers))
        return self.live.get(number) or LiveRun(self._engine, state.runs[number])

    def crowded(self) -> bool:
        """Whether an outside publish has to wait: until some run ends, or for its turn."""
        return bool(self._gate) or self._entering or self._full()

    async def in_turn(self, open: Callable[[], T]) -> T:
        """What `open` returns, called when there is room: first come, first served."""
        event = anyio.Event()
        self._gate.append(event)
        try:
            await event.wait()
            return open()
        finally:
            if event in self._gate:
                self._gate.remove(event)
            else:
                self._entering = False
            self._next_turn()

    def _full(self) -> bool:
        state = self._engine.state
        return state.open_runs >= self._most or state.backlog >= self._most_bytes

    def _next_turn(self) -> None:
        if self._gate and not self._entering and not self._full():
            self._entering = True
            self._gate.popleft().set()

    def _limit(self, live: LiveRun, run: Run) -> None:
        timeout, deadline = run.limits.get("timeout"), run.limits.get("deadline")
        if timeout is not None:
            live.clock = ActiveClock(self._engine)
            live.clock.start(timeout, lambda: self._too_late(run, f"active for over {timeout:g} s"))
        within = run.limits.get("reply_within")
        if within is not None and not run.reply:
            live.patience = self._engine.timers.at(
                run.opened_at + within, partial(self._unanswered, run, within)
            )
        if deadline is not None:
            live.deadline = self._engine.timers.at(
                deadline, lambda: self._too_late(run, "past its deadline")
            )

    def _unanswered(self, run: Run, seconds: float) -> None:
        """The request that a run was begun with has had no reply in time; the run goes on."""
        if not run.reply:
            engine, said = self._engine, overdue(seconds)
            engine.commit(Kept(run.number, 0, "request", "", said, engine.now(), failed=True))

    # -- going on --------------------------------------------------------------------

    def pause(self, run: Run, reason: str) -> None:
        """Nothing of a run is taken until it is resumed, also by another executor."""
        live = self.live.get(run.number)
        if live is None or run.on_hold or self.closing(run):
            return
        self._engine.commit(RunPaused(run.number, reason, self._engine.now()))
        self.halt(live, run.obstacle)
        live.stir()
        self.drained()

    def resume(self, run: Run) -> None:
        """A run that was paused goes on, unless there is an obstacle."""
        live = self.live.get(run.number)
        if live is None or not run.on_hold or self.closing(run):
            return
        self._engine.commit(RunResumed(run.number, self._engine.now()))
        if not run.obstacle:
            self.go_on(live)

    def halt(self, live: LiveRun, obstacle: str = "") -> None:
        """Nothing of a run is taken until it goes on."""
        live.state.paused, live.state.obstacle = True, obstacle
        for queue in live.state.queues.values():
            queue.leave()
        self._engine.policing.halt(live.state)
        if live.clock is not None:
            live.clock.pause()

    def go_on(self, live: LiveRun) -> None:
        """There is no obstacle any more: unless somebody paused it, the run goes on."""
        live.state.obstacle = ""
        if live.state.on_hold:
            return
        live.state.paused = False
        for queue in live.state.queues.values():
            queue.call()
        if live.clock is not None:
            live.clock.resume()
        if live.state.joins is not None:
            self.quiet(live.state)

    @contextmanager
    def held_back(self, live: LiveRun) -> Iterator[None]:
        """Nothing more of a run is taken meanwhile."""
        queues = list(live.state.queues.values())
        for queue in queues:
            queue.leave()
        live.holds += 1
        try:
            yield
        finally:
            live.holds -= 1
            for queue in queues:
                if queue.pending or queue.retries:
                    queue.call()
            if live.state.joins is not None or not live.state.deliveries:
                self._soon_quiet(live.state)

    def closing(self, run: Run) -> bool:
        """Whether the run only winds down, or has ended."""
        return run.status is _CANCELLING or run.ended_at is not None

    def quiet(self, run: Run) -> None:
        """Look whether the run has come to an end, or only waits for people."""
        live = self.live.get(run.number)
        if live is None:
            return
        if _is_still(run) and not live.holds:
            self._engine.commit(Quieted(run.number, self._engine.now()))
        if not run.deliveries:
            if not live.holds or run.status is _CANCELLING:
                self._finish(live, run)
            else:
                self.drained()
            return
        if not run.active:  # and somebody holds it open, who may bring what is lacking
            self.drained()
        waiting = run.standing() is RunStatus.WAITING
        if waiting is not live.waiting:
            live.waiting = waiting
            if live.clock is not None:
                live.clock.pause() if waiting else live.clock.resume()
            live.stir()
            self.drained()

    # -- ending ----------------------------------------------------------------------

    def cancel(self, run: Run, reason: str, target: RunStatus = RunStatus.CANCELLED) -> None:
        """Wind a run down towards `target`: nothing more is taken, handlers are cancelled."""
        if self.closing(run):
            return
        self._wind_down(run, reason, target)
        self._engine.cancel(run, besides=self._engine.cleanup.spares)
        self.quiet(run)

    def _wind_down(self, run: Run, reason: str, target: RunStatus) -> None:
        """Cancel all of a run that nobody has in hand; nothing more of it is taken but what
        cleans up.
        """
        engine = self._engine
        held, live = run.on_hold, self.live[run.number]
        engine.commit(RunCancelling(run.number, target.value, reason, engine.now()))
        self.wind_down(run)
        if held and not run.obstacle and run.deliveries:
            self.go_on(live)
        if engine.admissions.any:
            engine.admissions.room()

    def wind_down(self, run: Run) -> None:
        """Of a run that is cancelled, only what cleans up goes on."""
        self._engine.cleanup.begin(run)
        self.sweep(run, besides=self._engine.cleanup.spares)

    def sweep(self, run: Run, besides: Callable[[Delivery], bool] | None = None) -> None:
        """Cancel all of a run that nobody has in hand."""
        idle = tuple(
            each.number
            for each in run.deliveries.values()
            if each.stage != RUNNING and (besides is None or not besides(each))
        )
        if idle:
            now = self._engine.now()
            self._engine.commit(Swept(run.number, idle, int(Disposition.CANCELLED), now))

    def over_budget(self, run: Run, error: BudgetExceeded) -> None:
        """A run has spent what it may: it is cancelled and ends `over_budget`."""
        self.cancel(run, str(error), RunStatus.OVER_BUDGET)

    def stop_failed(self, run: Run, node: str, failure: Failure) -> None:
        """on_failure="stop": a failure cancels its run, which ends `failed`."""
        reason = f"{node} failed for good: {failure.type}: {failure.message}"
        self.cancel(run, reason, RunStatus.FAILED)

    def _too_late(self, run: Run, reason: str) -> None:
        self.cancel(run, reason, RunStatus.TIMED_OUT)

    def _finish(self, live: LiveRun, run: Run) -> None:
        engine = self._engine
        del self.live[run.number]
        status = verdict(run)
        reason = run.reason or "; ".join(run.unfilled)
        engine.commit(make(RunEnded, (run.number, status, reason, engine.now())))
        if logger.isEnabledFor(logging.INFO):
            self._tell_end(run)
        live.end()
        engine.let_go(run)
        self.ended(run)
        if engine.state.schedules:
            engine.scheduler.ended(run.id)
        if self._gate:
            self._next_turn()
        if self._drains:
            self.drained()

    def _tell_end(self, run: Run) -> None:
        seconds = self._engine.now() - run.opened_at
        why = f": {one_line(run.reason, 200)}" if run.reason else ""
        self._tell("run %r is %s after %s%s", run.id, run.status, duration(seconds), why)

    def _tell(self, text: str, *values: object) -> None:
        """Say what has become of a run, once that is on disk."""
        self._engine.gate.after(partial(logger.info, text, *values))

    def ended(self, run: Run) -> None:
        """A run has ended, now or in an earlier time: it is kept for a while."""
        self._retention.add(run)
        self.forget()

    def forget(self, *, exact: bool = False) -> tuple[str, ...]:
        """Let go of the ended runs that are not to be kept any more; their ids."""
        numbers = self._retention.take(self._engine.now(), exact=exact)
        gone = tuple(self._engine.state.runs[number].id for number in numbers)
        if numbers:
            self._engine.commit(RunsForgotten(numbers))
        return gone

    # -- all of them -----------------------------------------------------------------

    async def drain(self) -> list[LiveRun]:
        """Wait until nothing can move; the runs that wait for something from outside."""
        while any(not live.still() for live in self.live.values()):
            if self._engine.closing:
                raise ExecutorStopped("executor.drain()")
            event = anyio.Event()
            self._drains.append(event)
            await event.wait()
        await self._engine.store.flush()
        return list(self.live.values())

    def drained(self) -> None:
        """Look whether nothing can move any more: whoever waits for that is told."""
        if self._drains and all(live.still() for live in self.live.values()):
            for event in self._drains:
                event.set()
            self._drains.clear()

    def stop(self, lasting: bool) -> None:
        """End what cannot go on: with a store that lasts, runs stay open instead.

        What is in hand is left to the engine, which cancels all of it.
        """
        for live in list(self.live.values()):
            if lasting:
                live.end()
            elif not self.closing(live.state):
                self._wind_down(live.state, "the executor stopped", RunStatus.CANCELLED)
                self.quiet(live.state)
        for event in (*self._gate, *self._drains):
            event.set()

    def let_go(self) -> None:
        """The executor has stopped: runs that are open go on elsewhere."""
        for live in self.live.values():
            self._engine.let_go(live.state)


def _is_still(run: Run) -> bool:
    """Whether all that is left of a run is held until other parts come."""
    held = run.joins is not None and run.joins.held > 0 and not run.active
    return held and not run.paused and run.status is RunStatus.RUNNING


def verdict(run: Run) -> RunStatus:
    """How a run that nothing moves any more has ended."""
    if run.status is _CANCELLING:
        return run.target
    if run.blamed:
        return _FAILED
    if run.unfilled or (run.task_fold is not None and run.task_fold.open_tasks()):
        return RunStatus.STALLED
    return _COMPLETED
