"""The executor: the central object a user holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

import anyio

from dagger.authoring.agent import Agent
from dagger.authoring.cache import CacheView
from dagger.authoring.options import SchemaLike
from dagger.authoring.registry import Registry, registry
from dagger.authoring.requests import asking, patience
from dagger.executor.arguments import pool_of, settings, store_of
from dagger.executor.around import Around
from dagger.executor.catalog import Catalog
from dagger.executor.engine import Engine
from dagger.executor.exporting import imported
from dagger.executor.forking import Fork
from dagger.executor.letters import UNCHANGED, DeadLetters
from dagger.executor.listing import AgentInfo, ChannelInfo, list_agents, list_channels
from dagger.executor.live import LiveRun
from dagger.executor.policies.usage import resource_usage
from dagger.executor.processes.begins import not_while_importing
from dagger.executor.processes.processes import Processes, WorkerProcesses
from dagger.executor.recovery import go_on, keep_of, restored, take_over
from dagger.executor.schedules import Schedules, Terms, add
from dagger.executor.specs import Asking, EventDriven, Opening, Receipt
from dagger.executor.supervisor import Supervisor
from dagger.executor.threads import DaemonThreads, Threads
from dagger.words.clock import Clock, SystemClock
from dagger.words.effects import E, make
from dagger.words.errors import (
    ExecutionError,
    ExecutorStopped,
    OutcomeUnknown,
    RunConflict,
)
from dagger.words.ids import message_id, new_id
from dagger.words.payload import encode
from dagger.words.records import Wrote

if TYPE_CHECKING:
    from dagger.authoring.hooks import AroundAttempt
    from dagger.executor.events import Missed, Outcome
    from dagger.executor.watchers import Events
    from dagger.store.contract import Store
    from dagger.views.questions import OpenQuestion
    from dagger.views.report import Report
    from dagger.views.resources import ResourceUsage
    from dagger.views.schedules import ScheduleInfo
    from dagger.views.topology import Topology
    from dagger.words.config import Config
    from dagger.words.policies import ResourcePool


class Executor:
    """Owns channels, agents, workers, runs and the journal.

    Use it as `async with Executor([...]) as executor:`. Leaving the block stops it:
    handlers in hand are cancelled and awaited. Runs that are still open end `cancelled`,
    or stay open in a store; `await executor.drain()` first to see them through.
    Entering raises LockError while somebody else owns the store, NotAStore, StoreCorrupt.

    `agents` are agents, or names in `registry`. `store` is the folder that runs are kept
    in, made where there is none, or a Store; without one nothing outlives the executor.
    Open runs in a store go on at once, with `resume=False` when somebody says so. Many
    executors may live in one process. `clock`, `threads` and `processes` are the machine's own,
    unless a test brings others. `around_attempt` is a hook, which each attempt of a handler goes on
    within (see AroundAttempt); raises ConfigError for what is none. `resources` is what all
    invocations have to share (see ResourcePool); without it, what the machine has.
    """

    def __init__(
        self,
        agents: Iterable[Agent | str] | Agent = (),
        *,
        store: Store | str | PathLike[str] | None = None,
        config: Config | None = None,
        resume: bool = True,
        clock: Clock | None = None,
        threads: Callable[[], Threads] = DaemonThreads,
        processes: Callable[[Config], Processes] = WorkerProcesses,
        registry: Registry = registry,
        around_attempt: AroundAttempt | None = None,
        resources: ResourcePool | None = None,
    ) -> None:
        self.config = settings(config)
        self._store = store_of(store)
        self._resume = resume
        self._clock = clock or SystemClock()
        self._threads = threads
        self._processes = processes
        self._around = None if around_attempt is None else Around(around_attempt)
        self._pool = pool_of(resources)
        self._catalog = Catalog(registry, self._pool)
        if isinstance(agents, (Agent, str)):
            agents = (agents,)
        self._catalog.register(agents, replace=False)
        self._engine: Engine | None = None
        self._stack: AsyncExitStack | None = None
        self._stopped: anyio.Event | None = None

    # -- life ------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        not_while_importing()
        if self._stack is not None:
            raise ExecutionError("this executor is running; it can be entered again once it is not")
        await self._store.open()
        try:
            await self._begin()
        except BaseExceptionGroup as group:
            first = group.exceptions[0]  # others come of stopping again
            raise first from first.__cause__
        return self

    async def _begin(self) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._store.close)
            supervisor = Supervisor()
            # Before anything has begun: a journal may be impossible to read.
            state = restored(self._store, keep_of(self.config))
            engine = Engine(
                self.config,
                self._store,
                self._clock,
                self._threads(),
                supervisor,
                state,
                self._processes(self.config),
                self._around,
                self._pool.empty(),
            )
            await stack.enter_async_context(supervisor.running())
            self._engine, self._stopped = engine, None
            stack.push_async_callback(self.stop)
            supervisor.start(engine.timers.serve, "dagger timers")
            await self._go_on(engine)
            self._stack = stack.pop_all()

    async def _go_on(self, engine: Engine) -> None:
        """Take over from who had the store before."""
        engine.listen()
        take_over(engine)
        if engine.around is not None:
            engine.around.take_over(engine.state)
        await self._store.flush()  # before there is anybody to take anything
        self._catalog.attach(engine)
        go_on(engine, self._resume)
        engine.begin(schedules=self._resume)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        assert self._stack is not None
        try:
            return await self._stack.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            first, *others = group.exceptions
            if others and not all(isinstance(each, OutcomeUnknown) for each in group.exceptions):
                raise  # else it is one disk that failed, which is told once
            if first is error:
                return False  # the block's own error leaves as it came, not in a group
            raise first from first.__cause__
        finally:
            self._engine = self._stack = None

    async def wind_down(self, grace: float | None = None) -> bool:
        """Take nothing more, and wait until nothing is in hand but what waits.

        For a program that is to end soon and in peace: then leave the block, or `stop()`.
        Handlers that run are seen to their end. Those that wait (in `ctx.sleep`, `ask` or
        `request`, or for room in a full queue) are left as they are, and so is all that is
        pending or comes meanwhile, from outside too: in a store that lasts it goes on the
        next time. Schedules start nothing any more. There is no way back.

        True once that is so; False if `grace` seconds have passed before. Raises
        ExecutorStopped.
        """
        engine = self._running("wind_down")
        with anyio.move_on_after(grace):
            await engine.wind_down()
            return True
        return False

    async def stop(self) -> None:
        """Stop: nothing more is taken, handlers in hand are cancelled and awaited.

        It returns after `cancel_grace` at the latest; what ignores its cancellation is
        given up. Runs that are open end `cancelled`, or stay open in a store that lasts.
        """
        engine = self._engine
        if engine is None:
            return
        if self._stopped is None:
            self._stopped = anyio.Event()
            # In a task of its own: others wait for it too, whatever becomes of the caller.
            engine.supervisor.start(partial(self._stop, engine, self._stopped), "dagger stop")
        with anyio.CancelScope(shield=True):
            await self._stopped.wait()

    # -- runs ------------------------------------------------------------------------

    async def run(
        self,
        channel: str,
        payload: Any,
        *,
        run_id: str | None = None,
        **limits: Unpack[Opening],
    ) -> Report:
        """Publish a first message, and wait until all that it causes has ended.

        `limits` are `timeout` (seconds of active time), `deadline` (epoch seconds),
        `max_messages`, `max_tokens` and `max_cost`; those of the config apply where none are
        given. `delay`, `at`, `ttl`, `idempotency_key` and `budget` are of the message, as in
        `Context.publish`.
        An open run of `run_id` is joined and awaited, an ended one returns its report.
        A run that waits for people, or is paused, is returned open: its report has
        `ended=None`.

        Raises NoAgentsRegistered, ChannelNotFound, ChannelClosed, SerializationError,
        ValidationError, RunConflict (that id with another first message), ExecutorStopped.
        """
        engine = self._running("run")
        live = await self._open(channel, payload, run_id, True, limits)
        await engine.kept()
        return await live.result()

    async def start(
        self,
        channel: str,
        payload: Any,
        *,
        run_id: str | None = None,
        wait: bool = True,
        **limits: Unpack[Opening],
    ) -> LiveRun:
        """Publish a first message; the live run, once the message is kept.

        Nothing of a new run has begun when this returns: whoever awaits it can hold the
        run open, or watch it, from the very beginning.

        Limits and errors are those of `run`. If `max_open_runs` are open it waits for
        room, or with `wait=False` raises ExecutorBusy.
        """
        engine = self._running("start")
        live = await self._open(channel, payload, run_id, wait, limits)
        with engine.runs.held_back(live):
            await engine.kept()
        return live

    def _open(
        self, channel: str, payload: Any, run_id: str | None, wait: bool, limits: Opening
    ) -> Coroutine[Any, Any, LiveRun]:
        entrance = self._running("start").entrance
        return entrance.open(channel, payload, run_id, wait, limits)

    async def publish(
        self,
        channel: str,
        payload: Any,
        *,
        run_id: str | None = None,
        wait: bool = True,
        **limits: Unpack[Opening],
    ) -> Receipt:
        """Open a new run with this message; its receipt, once the message is kept.

        Options and errors are those of `start`.
        """
        engine = self._running("publish")
        state = (await self._open(channel, payload, run_id, wait, limits)).state
        await engine.kept()
        first = state.opening.id or message_id(state.id, 0, 0)
        return make(Receipt, (state.id, first))

    async def request(
        self,
        channel: str,
        payload: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  it outlives this executor
        run_id: str | None = None,
        **limits: Unpack[Asking],
    ) -> Any:
        """Begin a run with a request, and wait for the reply, which is on disk when it comes.

        The reply is what the first handler to end returns, or says with `ctx.reply`. It is
        kept with the run: said again with the same `run_id`, also by another process after a
        crash, this waits for the same reply, or returns it. The run goes on meanwhile and
        afterwards until all that the request causes has ended; `live(run_id)` has it.

        `timeout` is in seconds by the wall clock from when the run was begun; for a run that
        is there already, what was said first counts. What is late is not stopped. Other
        options are those of `run`, in which `timeout` is that of the run.

        Raises NoResponder, RequestTimeout, RequestDropped or ResponderFailed, all of them
        RequestFailed, the same each time; RunConflict for a run that began otherwise; and
        what `run` raises.
        """
        engine = self._running("request")
        within, options = patience(timeout), cast("Opening", limits)
        given = engine.entrance.received(channel, payload, run_id)
        request = asking(engine.entrance.message(channel, given.payload, options))
        bounds = engine.entrance.bounds(options)
        if within is not None:
            bounds = {**bounds, "reply_within": within}
        live = await engine.entrance.enter(request, given, bounds)
        await engine.kept()
        return await live.reply()

    async def fork(
        self,
        run: str | LiveRun,
        at: str,
        *,
        payload: Any = UNCHANGED,
        frontier: bool = False,
        run_id: str | None = None,
    ) -> LiveRun:
        """A new run that begins as `run` was when message `at` was published in it.

        Cache, tasks and counts are as they were then, and that message alone is pending,
        with another payload if one is given; with `frontier` all that was pending then is.
        The shared cache is today's. The other run, open or ended, does not change.

        Raises RunNotFound, MessageNotFound, ExecutionError (nobody heard that message; the
        id is taken; no store), ValidationError, SerializationError.
        """
        engine = self._running("fork")
        engine.writable()
        parent = run if isinstance(run, str) else run.id
        if not self._store.lasting:
            raise ExecutionError("a fork is made from the history in a store, and there is none")
        said = None if payload is UNCHANGED else encode(payload, limit=engine.max_payload_bytes)
        begin = await engine.runs.fork(Fork(parent, at, run_id or new_id(), said, frontier))
        live = begin()
        await engine.kept()
        return live

    async def import_run(self, rows: Iterable[Mapping[str, Any]]) -> LiveRun:
        """Take in a run that was exported, with its id, report, tree, cache and tasks.

        What is pending in it goes on; its past messages are not here.

        `rows` are the lines of `dagger export`, as data. Raises DatabaseError for what is no
        export, RunConflict if a run of that id is here already.
        """
        engine = self._running("import_run")
        engine.writable()
        run = imported(rows, engine.state.keep)
        if run.id in engine.state.run_numbers:
            raise RunConflict(run.id, importing=True)
        engine.runs.bring_in(run)
        await engine.kept()
        return engine.runs.find(run.id)

    async def gc(self) -> tuple[str, ...]:
        """Let go, now and exactly, of ended runs that are not to be kept; their ids.

        What they took on disk is free for others when this returns. Raises ExecutorStopped, and
        StoreUnavailable where the store cannot be written.
        """
        engine = self._running("gc")
        engine.writable()
        gone = engine.runs.forget(exact=True)
        if self._store.lasting:
            await engine.snapshots.take()
            await self._store.tidied()
        return gone

    async def backup(self, to: str | PathLike[str]) -> int:
        """Copy the store as it is now into a new folder, which is a store then; its bytes.

        Work goes on meanwhile. Raises DatabaseError; ExecutionError without a store on disk.
        """
        from dagger.store.lmdb import LmdbStore

        engine = self._running("backup")
        if not isinstance(self._store, LmdbStore):
            raise ExecutionError("there is nothing to back up without a store on disk")
        await self._store.flush()
        job = engine.threads.start(partial(self._store.backup, to))
        await job.done.wait()
        size: int = job.outcome()
        return size

    async def execute(self, spec: EventDriven, **options: Any) -> Report:
        """Run a workflow that is given as data."""
        return await self.run(spec.channel, spec.payload, **options)

    async def drain(self) -> list[LiveRun]:
        """Wait until nothing can move; the runs that wait for something from outside.

        Raises ExecutorStopped if the executor stops first.
        """
        return await self._running("drain").runs.drain()

    def runs(self) -> list[Report]:
        """Reports of the runs that are open or still remembered, oldest first."""
        from dagger.views.report import make_report

        engine = self._running("runs")
        return [make_report(run, engine.now()) for run in engine.state.runs.values()]

    def live(self, run_id: str) -> LiveRun:
        """The run of that id, open or ended. Raises RunNotFound."""
        return self._running("live").runs.find(run_id)

    def outcomes(self) -> AsyncIterator[Outcome | Missed]:
        """Results of invocations of all runs as they come, until the executor stops."""
        return self._running("outcomes").watchers.outcomes(None)

    def watch(self, after: str | None = None) -> Events:
        """Everything that is told of all runs: outcomes, log lines, items of streams.

        `after` is that of `LiveRun.watch`; of runs that are no longer kept nothing is told.
        """
        from dagger.executor.past import watch

        engine = self._running("watch")
        return engine.watchers.watch(None) if after is None else watch(engine, None, after)

    def questions(self) -> list[OpenQuestion]:
        """What is asked of people in all open runs, oldest first."""
        from dagger.views.questions import open_questions

        found = [
            each
            for live in self._running("questions").runs.live.values()
            for each in open_questions(live.state)
        ]
        return sorted(found, key=lambda each: each.at)

    async def answer(self, id: str, value: Any, *, by: str = "") -> None:
        """Answer the question of that id; the answer is kept when this returns.

        `by` says who answers. Raises QuestionNotFound, AnswerRefused (which says why, and
        leaves the question open) and SerializationError.
        """
        engine = self._running("answer")
        engine.writable()
        run, question = engine.people.find(id)
        engine.people.answer(run, question, value, by)
        await engine.kept()

    @property
    def dead_letters(self) -> DeadLetters:
        """Messages that failed for good: `list`, `show`, `redrive`, `discard`."""
        return DeadLetters(self._running("dead_letters"))

    async def schedule(
        self,
        channel: str,
        payload: Any,
        when: datetime | timedelta | str,
        **terms: Unpack[Terms],
    ) -> ScheduleInfo:
        """Begin a run with this message at each slot of `when`; kept when this returns.

        `when` is a moment (a datetime with a timezone), an interval (a timedelta), or a text:
        a cron expression, "every 5m", a moment as ISO 8601. Each slot starts one run, whose
        id is `<id>@<slot>`. A schedule of that id that is there already goes on; with other
        terms it has those from now on. See Terms for all that can be said of it.

        Raises ScheduleError, ConfigError, ChannelNotFound, SerializationError,
        ValidationError (also where agents hear the channel, and none takes the payload).
        """
        engine = self._running("schedule")
        engine.writable()
        id = add(engine, channel, payload, when, terms)
        await engine.kept()
        return self.schedules.show(id)

    @property
    def schedules(self) -> Schedules:
        """What is to be run when: `list`, `show`, `pause`, `resume`, `remove`."""
        return Schedules(self._running("schedules"))

    @property
    def shared(self) -> CacheView:
        """The cache across runs; writes from outside take effect at once."""
        engine = self._running("shared")

        def write(decide: Callable[[], tuple[E, ...]], /) -> tuple[E, ...]:
            effects = decide()
            if effects:
                engine.commit(Wrote(0, effects))
            return effects

        return CacheView(lambda: engine.state.shared, write, shared=True)

    # -- agents and channels ---------------------------------------------------------

    def register(self, *agents: Agent | str, replace: bool = False) -> None:
        """Add agents, or names in the registry; a late one starts at the next message.

        With `replace`, one of the same name takes over what is pending. Raises
        DuplicateAgent, AgentNotFound; then none of them was added.
        """
        self._catalog.register(agents, replace=replace)

    def unregister(self, name: str) -> int:
        """Let an agent go: what it has in hand is finished, what is pending is discarded.

        Returns how many were discarded. Raises AgentNotFound.
        """
        return self._catalog.unregister(name)

    def channel(
        self,
        name: str,
        capacity: int | None = None,
        overflow: str | None = None,
        schema: SchemaLike | None = None,
    ) -> None:
        """Declare a channel's bound, overflow policy and schema; opens a closed one again.

        What is not given stays as it was declared before.
        """
        self._catalog.channel(name, capacity, overflow, schema)

    def shutdown_channel(self, name: str, force: bool = False) -> int:
        """Close a channel; publishing on it raises ChannelClosed until it is opened again.

        Returns how many pending deliveries were discarded. Raises ChannelNotFound, and
        ChannelInUse without `force` while it has subscribers or pending deliveries.
        """
        self._running("shutdown_channel")
        return self._catalog.shutdown(name, force=force)

    def list_agents(self) -> list[AgentInfo]:
        """The agents as they are now, by name."""
        return list_agents(self._running("list_agents"))

    def list_channels(self) -> list[ChannelInfo]:
        """The channels as they are now, by name."""
        return list_channels(self._running("list_channels"))

    def resources(self) -> ResourceUsage:
        """What there is of resources, who has how much, and who waits for its turn, now.

        Raises ExecutorStopped.
        """
        return resource_usage(self._running("resources"))

    def topology(self) -> Topology:
        """Agents and channels as declared; draws itself with `to_dot()`."""
        return self._catalog.topology(self.config)

    # -- inside ----------------------------------------------------------------------

    async def _stop(self, engine: Engine, stopped: anyio.Event) -> None:
        try:
            with anyio.CancelScope(shield=True):
                try:
                    await engine.stop()
                finally:
                    await self._store.close()
        finally:
            self._catalog.detach()
            stopped.set()

    def _running(self, call: str) -> Engine:
        if self._engine is None or self._engine.closing:
            raise ExecutorStopped(f"executor.{call}()")
        return self._engine


def run(
    agents: Iterable[Agent | str],
    channel: str,
    payload: Any,
    store: Store | str | PathLike[str] | None = None,
    *,
    config: Config | None = None,
    resources: ResourcePool | None = None,
    **options: Any,
) -> Report:
    """Run agents from synchronous code: one executor, one run, its report.

    `store`, `config` and `resources` are those of `Executor`, other options of `Executor.run`.
    """

    async def main() -> Report:
        async with Executor(agents, store=store, config=config, resources=resources) as executor:
            return await executor.run(channel, payload, **options)

    return anyio.run(main)
