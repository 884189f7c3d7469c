"""The engine: what the parts of one executor share, and how a record becomes true.

It holds the parts and nothing of their meaning: the state and its journal, crews,
runs, settling, hosting, admissions, timers, threads, watchers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from dagger.authoring.origin import RunPlace
from dagger.executor.accepting import Acceptance
from dagger.executor.admission import Admissions, Limit, Plan, admit
from dagger.executor.budgets import Budgets
from dagger.executor.cleanup import Cleanup
from dagger.executor.commands import Commands
from dagger.executor.crew import UNBOUNDED, Crew
from dagger.executor.entrance import Entrance
from dagger.executor.gate import Gate
from dagger.executor.hosting.hosting import Hosting
from dagger.executor.latch import latches
from dagger.executor.people import People
from dagger.executor.policies.policing import Policing
from dagger.executor.policies.pool import Pool
from dagger.executor.policies.succession import Succession
from dagger.executor.repeating import Repeating
from dagger.executor.runs import Runs
from dagger.executor.scheduler import Scheduler
from dagger.executor.settle import Settling
from dagger.executor.snapshots import Snapshots
from dagger.executor.suspects import Suspects
from dagger.executor.timekeeper import Timekeeper
from dagger.executor.timers import Timers
from dagger.executor.veiling import Veiling
from dagger.executor.watchers import Watchers
from dagger.executor.worker import Worker
from dagger.rules.retry import strategy
from dagger.store.hands import NO_HANDS
from dagger.words.errors import ChannelClosed, ChannelNotFound, DatabaseError
from dagger.words.outcomes import Overflow

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.origin import Origin
    from dagger.executor.around import Around
    from dagger.executor.processes.processes import Processes
    from dagger.executor.supervisor import Supervisor
    from dagger.executor.threads import Threads
    from dagger.rules.schema import Schema
    from dagger.state.queues import Delivery, Subscriber
    from dagger.state.run import Run
    from dagger.state.state import State
    from dagger.store.contract import Store
    from dagger.words.clock import Clock
    from dagger.words.config import Config
    from dagger.words.effects import Publication
    from dagger.words.records import Record


OUTSIDE_TURN = 32
"""Publications from outside before the agents get a turn."""


_SERIALS = count(1)
"""Of the engines of this process."""

_LET_GO: Callable[[Record], None] = deque[Any](maxlen=0).append
"""Takes the records that nobody will read again, and costs nothing."""


class Engine:
    """The parts of one executor. Made anew each time it starts; touched from the loop only."""

    def __init__(
        self,
        config: Config,
        store: Store,
        clock: Clock,
        threads: Threads,
        supervisor: Supervisor,
        state: State,
        processes: Processes,
        around: Around | None = None,
        pool: Pool | None = None,
    ) -> None:
        self.serial = next(_SERIALS)
        self.config = config
        self.store = store
        self.now = clock.now
        self.monotonic = clock.monotonic
        self.max_payload_bytes = config.max_payload_bytes
        self.retry = strategy(config.retry_strategy)
        self.state = state
        self.around = around
        self.stamp = around.stamp if around is not None else None
        self.closing = False  # no new work is taken
        self.keeping = False  # and what is unsettled stays so, for the next time
        self.channel_schemas: dict[str, Schema] = {}
        self.channel_limits: dict[str, tuple[int | None, Overflow | None]] = {}
        self.crews: dict[str, Crew] = {}
        self.doors: dict[str, Origin] = {}  # of channels whose first messages are looked at
        self.veiling = Veiling(state)
        self.veils = self.veiling.veils  # over what is never written down
        self._keepers: list[Origin] = []  # who keeps that: one for each of them
        self.hands = store.hands if store.lasting else NO_HANDS
        self.free = self.hands.free
        self.gate = Gate(store)
        self.watchers = Watchers(self.state, store, self.gate, config.watcher_buffer)
        self.timers = Timers(clock.now)
        self.threads = threads
        self.processes = processes
        self.latch = latches()
        self.admissions = Admissions(self.crews)
        self.people = People(self)
        self.hosting = Hosting(self)
        self.settling = Settling(self)
        self.repeating = Repeating(self)
        self.succession = Succession(self)
        self.budgets = Budgets(self)
        self.cleanup = Cleanup(self)
        self.entrance = Entrance(self)
        self.runs: Runs = Runs(self)
        self.policing = Policing(self, pool or Pool(None))
        self.timekeeper = Timekeeper(self)
        self.state.timekeeper = self.timekeeper.keep_time
        self.scheduler = Scheduler(self)
        self._apply: Callable[[Record], None] = self.state.apply
        self._append = store.append if store.lasting else _LET_GO
        self._lasting = store.lasting
        self._since_turn = 0  # publications from outside
        self.supervisor = supervisor
        self.stuck = False  # the disk is slow or full: no work is taken
        self.winding = False  # and none is taken any more: the executor winds down
        self.careful = 0  # so many attempts begin only once their delivery is on disk
        self.suspects = Suspects()
        self.workers: dict[Worker, None] = {}  # in the order in which they came
        self._less: anyio.Event | None = None  # in hand than before: somebody waits for it
        self.floor = config.capacity
        self._limits: dict[tuple[str, str], Limit] = {}
        self._default_declared = "overflow" in config.model_fields_set

    def commit(self, record: Record) -> None:
        """Make a fact true: applied, appended to the journal, seen by who watches."""
        if self.veils and any(self.veils):
            record = self.veiling.record(record)
        if self.watchers.any:
            events = self.watchers.events(record)  # asked before what it ends is gone
            self._apply(record)
            self._append(record)
            self.watchers.tell(events)
        else:
            self._apply(record)
            self._append(record)

    @contextmanager
    def applying(self, apply: Callable[[Record], None]) -> Iterator[None]:
        """Meanwhile records are applied by this, which ends in `State.apply`."""
        self._apply = apply
        try:
            yield
        finally:
            self._apply = self.state.apply

    def stamped(self, ready: Publication) -> Publication:
        """A message from outside, with what the hook adds to its headers. Raises HookFailed."""
        return ready if self.stamp is None else self.stamp(ready, ())

    def listen(self) -> None:
        """From now on the store is heard."""
        self.snapshots = Snapshots(self)
        self.commands = Commands(self)
        if self._lasting:
            self.store.heard = self._heard

    def begin(self, *, schedules: bool) -> None:
        """From now on snapshots are made, commands of others are carried out, and schedules
        are kept to if they are to be.
        """
        if schedules:
            self.supervisor.start(self.scheduler.serve, "dagger schedules")
        if self._lasting:
            self.supervisor.start(self.snapshots.serve, "dagger snapshots")
            if self.store.inbox is not None:
                self.supervisor.start(self.commands.serve, "dagger commands")

    def _heard(self) -> None:
        """The store has got on, or is in trouble."""
        self.gate.open()
        self.snapshots.look()
        stuck = self.store.clogged or self.store.trouble is not None
        if stuck is not self.stuck:
            self.stuck = stuck
            self._hold()

    @property
    def held(self) -> bool:
        """Whether no work is taken."""
        return self.stuck or self.winding

    def _hold(self) -> None:
        for crew in self.crews.values():
            crew.hold(self.held)
        self.scheduler.stir()

    async def durable(self) -> None:
        """Return once all that has been recorded so far is durable, however long it takes."""
        if self.gate.clear:
            return
        try:
            await self.store.flush()  # which has one event for all that is written together
        except DatabaseError:  # it is tried again
            event = anyio.Event()
            self.gate.after(event.set)
            await event.wait()

    def writable(self) -> None:
        """Raise StoreUnavailable while the store cannot write: nothing is accepted then."""
        if self.stuck and self.store.trouble is not None:
            raise self.store.trouble

    async def kept(self) -> None:
        """Return once what was committed is durable.

        Who publishes from outside without a pause would keep the loop from the agents:
        every so often they get a turn here.
        """
        if self._lasting:
            await self.store.flush()
        self._since_turn += 1
        if self._since_turn >= OUTSIDE_TURN:
            self._since_turn = 0
            await anyio.lowlevel.checkpoint()

    async def wind_down(self) -> None:
        """Take nothing more; return once nothing is in hand but what waits."""
        self.winding = True
        self._hold()
        self.policing.wind_down()
        while (worker := next((each for each in self.workers if each.at_work), None)) is not None:
            while worker.at_work:
                await self._less_in_hand()

    def ease(self) -> None:
        """There is less in hand, or soon will be: who waits for that looks again."""
        if self._less is not None:
            self._less.set()
            self._less = None

    async def _less_in_hand(self) -> None:
        if self._less is None:
            self._less = anyio.Event()
        await self._less.wait()

    async def stop(self) -> None:
        """Cancel and await what is in hand; runs end, or stay open in a store that lasts."""
        self.closing = True
        self.keeping = self.store.lasting
        try:
            self.scheduler.stir()
            self.runs.stop(self.keeping)
            self.admissions.room()  # there is none any more: who waits outside is told
        finally:
            await self._dismiss_all()
            await self.processes.close()
            await self.put_away()

    async def put_away(self) -> None:
        """Make durable what there is, tell it, and end what is left of the parts."""
        self.commands.stop()
        self.snapshots.stop()
        try:
            await self.store.flush()
            self.gate.open()
            if self._lasting:
                await self.snapshots.take()
        finally:
            self.store.heard = None
            self.runs.let_go()
            self.watchers.stop()
            self.threads.close()
            self.timers.close()

    # -- crews -----------------------------------------------------------------------

    def hire(self, agent: Agent) -> None:
        """Give an agent its crew; the crew that it replaces finishes what it has in hand."""
        self.dismiss(agent.name)
        turns = self.repeating.turn, self.succession.turn
        accept = Acceptance(agent, self.settling, *turns, executor=self.serial)
        terms = self.policing.terms(agent)
        limit = UNBOUNDED if terms.policed else agent.concurrency
        subscriber = self.state.subscribers[agent.name]
        crew = Crew(agent, subscriber, accept, limit, self._enlist, self.latch)
        crew.terms = terms
        if not terms.policed:
            terms.places = self.policing.places(crew)
        self.crews[agent.name] = crew
        if agent.origin is not None:
            self._know(agent, agent.origin)
        crew.hold(self.held)
        self.relimit()
        self.scheduler.stir()
        if crew.subscriber.ready:
            crew.ring()

    def _know(self, agent: Agent, origin: Origin) -> None:
        self.doors.update(dict.fromkeys(agent.subscribe, origin))
        if self.veiling.know(agent.name, agent.subscribe, origin):
            self._keepers.append(origin)

    def place(self, run_id: str) -> RunPlace:
        """Which run that is, in this process."""
        return RunPlace(self.serial, run_id)

    def let_go(self, run: Run) -> None:
        """A run has ended, or will go on elsewhere: what of it was not written down is gone."""
        for origin in self._keepers:
            origin.ended(self.place(run.id))

    def dismiss(self, name: str) -> None:
        """The agent takes nothing more; what its crew has in hand is settled."""
        crew = self.crews.pop(name, None)
        if crew is not None:
            for channel in crew.agent.subscribe:
                self.doors.pop(channel, None)
            crew.leave()
            self.policing.dismiss(crew)
            self.relimit()

    async def _dismiss_all(self) -> None:
        """Cancel and await what any worker has in hand, also of agents that are gone."""
        for crew in self.crews.values():
            crew.leave()
        for worker in self.workers:
            worker.cancel()
        while self.workers:
            await self._less_in_hand()

    def serves(self, agent: Agent) -> bool:
        """Whether somebody will take what this agent leaves for later."""
        return agent.name in self.crews

    def _enlist(self, crew: Crew) -> Worker:
        worker = Worker(self, crew)
        self.workers[worker] = None
        self.supervisor.start(worker.serve, crew.title, tells=True)
        return worker

    def cancel(
        self, what: Run | Delivery, besides: Callable[[Delivery], bool] | None = None
    ) -> None:
        """Cancel what is in hand of a run, or one delivery; also of agents that are gone."""
        for worker in self.workers:
            invocation = worker.invocation
            if invocation is None or what not in (invocation.run, invocation.delivery):
                continue
            if besides is None or not besides(invocation.delivery):
                worker.cancel()

    def left(self, worker: Worker) -> None:
        """A worker is gone, or has been given up with its handler."""
        self.workers.pop(worker, None)
        self.ease()

    def channel_schema(self, channel: str) -> Schema | None:
        """What a channel itself declares. Raises ChannelNotFound, ChannelClosed."""
        known = self.state.channels.get(channel)
        if known is None:
            raise ChannelNotFound(
                channel,
                tuple(sorted(self.state.channels)),
                "a channel is there once an agent names it or executor.channel(name) declares it",
            )
        if known.closed:
            raise ChannelClosed(channel)
        return self.channel_schemas.get(channel)

    # -- admission -------------------------------------------------------------------

    def admit(
        self, run: Run, publications: Sequence[Publication], source: Subscriber | None
    ) -> Plan:
        """What it takes for these messages to enter the queues of a run together."""
        return admit(self.state, run, publications, source, self.limit, self.floor)

    def limit(self, subscriber: Subscriber, channel: str) -> Limit:
        """How a queue is bounded: the agent's word beats the channel's beats the config's."""
        known = self._limits.get((subscriber.name, channel))
        if known is None:
            known = self._limits[subscriber.name, channel] = self._limit(subscriber.name, channel)
        return known

    def _limit(self, name: str, channel: str) -> Limit:
        crew = self.crews.get(name)
        agent = crew.agent if crew else None
        capacity, overflow = self.channel_limits.get(channel, (None, None))
        declared = agent.overflow if agent and agent.overflow else overflow
        return Limit(
            (agent.capacity if agent else None) or capacity or self.config.capacity,
            declared or self.config.overflow,
            declared is not None or self._default_declared,
        )

    def relimit(self) -> None:
        """Limits have changed: forget what was worked out from them."""
        self._limits.clear()
        agents = [crew.agent.capacity for crew in self.crews.values()]
        channels = [capacity for capacity, _ in self.channel_limits.values()]
        self.floor = min(filter(None, [self.config.capacity, *agents, *channels]))
