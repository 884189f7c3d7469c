"""A live run: what `executor.start` hands out, and what watches over an open run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import anyio

from dagger.authoring.cache import CacheView
from dagger.authoring.publishing import Sending, addressed, sent
from dagger.authoring.tasks import TaskView
from dagger.executor.cancelling import cancel_invocation
from dagger.executor.listing import Progress, progress
from dagger.executor.policies.usage import allocations, lines
from dagger.executor.recovery import resume
from dagger.views.questions import open_questions, question_id
from dagger.words.effects import E, is_request
from dagger.words.errors import (
    ExecutionError,
    ExecutorStopped,
    QuestionNotFound,
    RunClosed,
)
from dagger.words.ids import message_id, new_id
from dagger.words.outcomes import RunStatus
from dagger.words.records import Published, Wrote
from dagger.words.replies import opened

if TYPE_CHECKING:
    from dagger.authoring.origin import RunPlace
    from dagger.authoring.reserving import Reservation
    from dagger.executor.admission import Plan
    from dagger.executor.engine import Engine
    from dagger.executor.events import Missed, Outcome
    from dagger.executor.timers import Timer
    from dagger.executor.watchers import Events
    from dagger.state.run import Question, Run
    from dagger.store.contract import Source
    from dagger.views.questions import OpenQuestion
    from dagger.views.report import Report
    from dagger.views.tree import ExecutionTree


class ActiveClock:
    """A timeout over active time: it stands still while the run waits for people."""

    __slots__ = ("_call", "_engine", "_left", "_since", "_timer")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._timer: Timer | None = None
        self._left = 0.0
        self._since = 0.0
        self._call: Callable[[], None] | None = None

    def start(self, seconds: float, call: Callable[[], None]) -> None:
        self._left, self._call = seconds, call
        self.resume()

    def pause(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._left -= anyio.current_time() - self._since

    def resume(self) -> None:
        if self._call is not None and self._timer is None:
            self._since = anyio.current_time()
            self._timer = self._engine.timers.after(self._left, self._call)

    def stop(self) -> None:
        self.pause()
        self._call = None

    @property
    def left(self) -> float:
        """Seconds."""
        return self._left - (anyio.current_time() - self._since if self._timer is not None else 0)


class LiveRun:
    """An open run: publish into it, watch it, ask it, cancel it, wait for its report.

    A run ends by itself when nothing of it can move. `async with run:` holds it open
    meanwhile, so that there is time to publish more.
    """

    __slots__ = (
        *("_changed", "_engine", "_lost", "clock", "deadline", "holds", "patience", "reserved"),
        *("state", "waiting"),
    )

    def __init__(self, engine: Engine, state: Run) -> None:
        self._engine = engine
        self.state = state
        self.clock: ActiveClock | None = None  # where the run has a timeout
        self.deadline: Timer | None = None
        self.patience: Timer | None = None  # where the outside waits for a reply, but not for ever
        self.holds = 0
        self.reserved: list[Reservation] = []  # what invocations have set aside
        self.waiting = False  # all that is left waits for people
        self._lost = False  # the executor stopped before the run ended
        self._changed: anyio.Event | None = None

    def __repr__(self) -> str:
        return f"<run {self.id!r} {self.status}>"

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.state.id

    @property
    def here(self) -> RunPlace:
        """What `Context.run_here` is in it."""
        return self._engine.place(self.id)

    @property
    def status(self) -> RunStatus:
        """Where it stands now, or how it has ended."""
        return self.state.standing()

    # -- from outside ----------------------------------------------------------------

    async def publish(
        self,
        channel: str,
        payload: Any,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **sending: Unpack[Sending],
    ) -> str:
        """Publish one more message into the run; its id, once it is kept.

        `delay`, `at`, `ttl`, `idempotency_key` and `budget` are those of `Context.publish`.
        Waits for room where a queue is full under "block".

        Raises RunClosed, ChannelFull, ChannelClosed, ChannelNotFound, SerializationError,
        ValidationError, ExecutionError or BudgetExceeded.
        """
        self._open()
        engine, run = self._engine, self.state
        engine.writable()
        ready = addressed(
            channel,
            payload,
            engine.channel_schema(channel),
            None,
            engine.max_payload_bytes,
            key=key,
            headers=headers,
        )
        if sending:
            ready = sent(ready, sending, engine.now())
        ready = engine.stamped(ready)
        places: list[int] = []

        def look() -> Plan:
            self._open()
            engine.budgets.may_publish(run)
            return engine.admit(run, (ready,), None)

        def enter(plan: Plan) -> None:
            places.append(run.outside)
            engine.commit(Published(run.number, ready, plan.dropped, plan.blame, engine.now()))
            if not run.deliveries:
                engine.runs.quiet(run)

        plan = look()
        if plan.full:
            await engine.admissions.wait(look, enter, None)
        else:
            enter(plan)
        await engine.kept()
        return ready.id or message_id(run.id, 0, places[0])

    async def cancel(self, reason: str = "cancelled from outside") -> Report:
        """Wind the run down, wait for its end, and return its report."""
        self._engine.writable()
        self._engine.runs.cancel(self.state, reason)
        return await self.result()

    async def cancel_invocation(self, node_id: str) -> None:
        """Cancel one invocation of the run, and wait for its end; the rest of the run goes on.

        It may be pending, wait, or run; a handler is cancelled as with the whole run. What it
        held back takes no effect. It ends `cancelled`, which is no failure; whoever waits for
        its reply gets RequestDropped. Of a join, all parts end with it.

        Raises InvocationNotFound for one that is not there or has ended, RunClosed.
        """
        self._open()
        self._engine.writable()
        await cancel_invocation(self._engine, self.state, node_id)
        await self._engine.kept()

    async def pause(self, reason: str = "paused from outside") -> None:
        """Take nothing more of the run until `resume`; what is in hand is finished.

        It stays so in the store, whoever opens it. Raises RunClosed.
        """
        self._open()
        self._engine.writable()
        self._engine.runs.pause(self.state, reason)
        await self._engine.kept()

    async def resume(self) -> None:
        """Go on with a run that was paused, or left alone. Raises RunClosed."""
        self._open()
        self._engine.writable()
        self._engine.runs.resume(self.state)
        resume(self._engine, self.state)
        await self._engine.kept()

    async def answer(self, name: str, value: Any, *, by: str = "") -> None:
        """Answer a question of the run (see `questions`), by its name or its id.

        `by` says who answers. Raises QuestionNotFound, AnswerRefused, RunClosed.
        """
        self._open()
        self._engine.writable()
        asked = next((each for each in self.state.asked() if name in _names(self.id, each)), None)
        if asked is None:
            raise QuestionNotFound(name, tuple(each.name for each in self.state.asked()))
        self._engine.people.answer(self.state, asked, value, by)
        await self._engine.kept()

    @property
    def questions(self) -> tuple[OpenQuestion, ...]:
        """What people have been asked and not answered yet."""
        return tuple(open_questions(self.state))

    @property
    def cache(self) -> CacheView:
        """The run's cache; writes from outside take effect at once."""
        return CacheView(lambda: self.state.cache, self._write, shared=False)

    @property
    def tasks(self) -> TaskView:
        """The run's tasks; writes from outside take effect at once."""
        return TaskView(lambda: self.state.tasks, self._write, new_id=new_id, now=self._engine.now)

    # -- what it is like -------------------------------------------------------------

    @property
    def tree(self) -> ExecutionTree:
        """The execution tree as it is now."""
        return self.report().tree

    def report(self) -> Report:
        """The report as it would be now; `ended` is None while the run is open."""
        from dagger.views.report import make_report

        engine, run = self._engine, self.state
        if run.ended_at is not None:
            return make_report(run, engine.now())
        return make_report(run, engine.now(), lines(engine, run), tuple(allocations(engine, run)))

    def progress(self) -> Progress:
        """Counts by agent as they are now; cheap enough to ask for many times a second."""
        return progress(self._engine, self.state)

    def outcomes(self) -> AsyncIterator[Outcome | Missed]:
        """Results of invocations as they come, until the run ends."""
        return self._engine.watchers.outcomes(self.state)

    def watch(self, after: str | None = None) -> Events:
        """Everything that is told of the run: outcomes, log lines, items of streams.

        From now on, or behind a cursor of an earlier stream ("0" is the beginning): what came
        since is read in the store, and nothing is missed or told twice, however slowly it is
        read. Raises ExecutionError for that without a store, or for what is no cursor.
        """
        from dagger.executor.past import watch

        if after is not None:
            return watch(self._engine, self.state, after)
        return self._engine.watchers.watch(self.state)

    def history(self) -> Source | None:
        """Where all records of the run are; None without a store that lasts."""
        store = self._engine.store
        return store if store.lasting else None

    async def result(self) -> Report:
        """Wait until the run has ended, or waits for people, or is paused; its report.

        Raises ExecutorStopped if the executor stops first and the run stays open.
        """
        await self.rest()
        return self.report()

    async def rest(self) -> None:
        """The same without a report, for who wants another one."""
        while self.state.ended_at is None and not (self.waiting or self.state.paused):
            await self._change()
        await self._engine.store.flush()

    async def reply(self) -> Any:
        """Wait for the reply to the request that the run was begun with; its value.

        Raises NoResponder, RequestTimeout, RequestDropped or ResponderFailed, all of them
        RequestFailed; ExecutionError where no request began it, and ExecutorStopped if the
        executor stops before there is a reply.
        """
        run = self.state
        if not is_request(run.opening):
            raise ExecutionError(
                f"run {self.id!r} was not begun with a request, so that there is no reply to it; "
                "begin it with executor.request, or look at its report"
            )
        while not run.reply:
            await self._change()
        await self._engine.store.flush()
        return opened(run.opening.channel, run.reply)

    async def _change(self) -> None:
        """Wait until something has happened to the run. Raises ExecutorStopped."""
        if self._lost:
            raise ExecutorStopped(f"waiting for run {self.id!r}")
        if self._changed is None:
            self._changed = anyio.Event()
        await self._changed.wait()

    # -- for the executor ------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._open()
        self.holds += 1
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.holds -= 1
        self._engine.runs.quiet(self.state)

    def still(self) -> bool:
        """Whether nothing of it can move without something from outside."""
        run = self.state
        return self.waiting or not run.active or run.paused or run.depends()

    def stir(self) -> None:
        """Whoever waits for the run looks again."""
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()

    def end(self) -> None:
        """The run has ended, or the executor lets it go unended."""
        self._lost = self.state.ended_at is None
        self.state.bell = None
        self._engine.budgets.ended(self.state)
        self._engine.cleanup.ended(self.state)
        if self.clock is not None:
            self.clock.stop()
        for timer in (self.deadline, self.patience):
            if timer is not None:
                timer.cancel()
        if self._changed is not None:
            self.stir()

    def _open(self) -> None:
        if self._lost:
            raise ExecutorStopped(f"run {self.id!r}")
        if self.state.status is not RunStatus.RUNNING:
            raise RunClosed(self.id, self.status)

    def _write(self, decide: Callable[[], tuple[E, ...]], /) -> tuple[E, ...]:
        self._open()
        effects = decide()
        if effects:
            self._engine.commit(Wrote(self.state.number, effects))
        return effects


def _names(run_id: str, question: Question) -> tuple[str, str]:
    return question.name, question_id(run_id, question.delivery, question.name)
