"""Policing: who was taken asks for its turn, and begins, or stands in line without a worker.

taken, accepted ──> its turn           ──>  the attempt; what it needs is given back with its end
                ──> not its turn       ──>  set aside, pending; the worker goes on with the next
called          ──> handed to its crew ──>  taken before anything else; it is its turn

A handler that waits (`ctx.sleep`, `ask`, `request`) has nothing meanwhile, and comes before all
who have not begun. What holds what is derived from who has something in hand: when a worker is
done with an invocation, by whatever end, the turn that it was of is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import anyio

from dagger.executor.policies.places import CrewPlaces
from dagger.executor.policies.telling import Telling
from dagger.executor.policies.terms import Lasting, Terms
from dagger.rules.turns import Bound, Flow, Needs, Stage, Turn, Turns
from dagger.words.errors import ResourceTimeout
from dagger.words.records import WaitOver

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.invocation import Invocation
    from dagger.executor.crew import Crew
    from dagger.executor.engine import Engine
    from dagger.executor.policies.pool import Pool
    from dagger.executor.timers import Timer
    from dagger.executor.worker import Worker
    from dagger.state.queues import Delivery
    from dagger.state.run import Run

TRIES = 8
"""Turns that are looked at again, whether others could make room, when one has ended."""


class Entry:
    """What a turn is of: a delivery, and who has it in hand."""

    __slots__ = ("bell", "crew", "delivery", "late", "seated", "since", "timer", "told", "worker")

    def __init__(self, delivery: Delivery, crew: Crew, worker: Worker, since: float) -> None:
        self.delivery = delivery
        self.crew = crew
        self.worker: Worker | None = worker  # None while it is set aside
        self.since = since  # when it began, or to wait, epoch seconds
        self.seated = True  # its worker has a slot of the crew
        self.late = False  # it has waited longer than it may
        self.told = ""  # what was written down that it waits for
        self.timer: Timer | None = None
        self.bell: anyio.Event | None = None  # of a handler that wants to go on


class Policing:
    """The turns of one executor."""

    def __init__(self, engine: Engine, pool: Pool) -> None:
        self._engine = engine
        most = engine.config.max_concurrent
        label = "max_concurrent of the executor"
        self.everybody: Needs = () if most is None else ((Bound(label, most), 1),)
        self.pool = pool
        self.turns = Turns(self._called)
        self._lasting = Lasting()
        self._aside: dict[Delivery, Turn] = {}  # pending, and in no queue
        self._impatient: dict[Turn, None] = {}  # others could be made to give way to these
        self._telling = Telling(engine, self.turns)
        self._looking = False  # somebody will look, soon

    def terms(self, agent: Agent) -> Terms:
        """What turns of an agent need."""
        return Terms(self._engine, agent, self.turns, self._lasting)

    def places(self, crew: Crew) -> Bound:
        """The slots of a crew that counts them itself."""
        return CrewPlaces(crew, self)

    # -- a worker's ------------------------------------------------------------------

    def begins(self, invocation: Invocation, worker: Worker) -> bool:
        """Whether it is its turn; if not, it stands in line, or has failed."""
        turn = self._aside.pop(invocation.delivery, None)
        if turn is None:
            return self._asks(invocation, worker)
        entry = turn.of
        if entry.late:
            resources = invocation.agent.resources
            assert resources is not None
            assert resources.timeout is not None
            late = ResourceTimeout(invocation.node_id, entry.told, resources.timeout)
            self._engine.settling.fail(invocation, late)
            return False
        self._begun(entry, worker)
        worker.turn = turn
        return True

    def _asks(self, invocation: Invocation, worker: Worker) -> bool:
        crew, delivery, now = worker.crew, invocation.delivery, invocation.started
        try:
            flow = crew.terms.flow(invocation)
            priority = crew.terms.priority(invocation)
        except Exception as error:
            self._engine.settling.fail(invocation, error)
            return False
        entry = Entry(delivery, crew, worker, now)
        turn = Turn(flow, entry, priority)
        again = bool(delivery.attempts or delivery.deaths or delivery.kept)
        if self.turns.enter(turn, now, again=again):
            worker.turn = turn
            return True
        self._set_aside(turn, now)
        return False

    def end(self, worker: Worker) -> None:
        """The worker is done with what it had in hand."""
        turn, worker.turn = worker.turn, None
        if turn is not None:
            self.turns.end(turn, self._engine.now())
            self._lasting.let_go(turn.flow.needs)
            if self._impatient:
                self._try_again()

    def hand_in(self, worker: Worker) -> None:
        """The handler has returned, and its invocation waits for room: it needs nothing any more
        but its agent's own place.
        """
        turn = worker.turn
        if turn is not None:
            own = worker.crew.terms.places
            shared = [bound for bound in turn.flow.bounds if bound is not own]
            self.turns.release(turn, shared, self._engine.now())

    def pause(self, worker: Worker) -> None:
        """The handler waits, and has nothing meanwhile."""
        if worker.turn is not None:
            self.turns.pause(worker.turn, self._engine.now())

    async def come_back(self, worker: Worker) -> None:
        """Return once the handler may go on. If cancelled, it cleans up without a turn."""
        turn = worker.turn
        if turn is None or self.turns.come_back(turn, self._engine.now()):
            return
        entry = turn.of
        entry.since = self._engine.now()
        entry.bell = anyio.Event()
        self._telling.start()
        try:
            await entry.bell.wait()
        except BaseException:
            if turn.stage is Stage.WAITING:
                self.end(worker)
            raise
        finally:
            entry.bell = None
        self._begun(entry, worker)

    def put_back(self, worker: Worker) -> None:
        """What the worker had in hand had to give way: it stands in line again, as it did."""
        turn, worker.turn = worker.turn, None
        assert turn is not None
        now = self._engine.now()
        self._set_aside(turn, now)
        self.turns.put_back(turn, now)

    # -- in line ---------------------------------------------------------------------

    def _set_aside(self, turn: Turn, now: float) -> None:
        entry = turn.of
        delivery, agent = entry.delivery, entry.crew.agent
        entry.worker, entry.since, entry.seated = None, now, False
        delivery.queue.set_aside(delivery, self._ended_aside)
        self._aside[delivery] = turn
        if agent.resources is not None and agent.resources.timeout is not None:
            late = partial(self._late, turn)
            entry.timer = self._engine.timers.after(agent.resources.timeout, late)
        self._telling.start()
        if turn.priority > 0 and turn.flow.first() is turn:
            self._preempt(turn)

    def _called(self, turn: Turn) -> None:
        """It is its turn: the handler goes on, or its crew gets the delivery."""
        entry = turn.of
        self._follows(turn.flow)
        if entry.bell is not None:
            entry.bell.set()
            return
        if entry.crew.terms.policed:
            entry.crew.active += 1
        entry.crew.hand(entry.delivery)

    def _begun(self, entry: Entry, worker: Worker) -> None:
        entry.worker, entry.since = worker, self._engine.now()
        self._settle_down(entry)
        run, number = entry.delivery.queue.run, entry.delivery.number
        if run.waits_told and number in run.waits_told:
            self._engine.commit(WaitOver(run.number, number, entry.since))
        entry.told = ""

    def _late(self, turn: Turn) -> None:
        """It has waited for resources as long as it may: whoever takes it lets it fail."""
        entry = turn.of
        entry.timer = None
        if turn.stage is not Stage.WAITING:
            return
        assert turn.flow.at is not None
        entry.told = turn.flow.at.label
        entry.late = True
        self.turns.end(turn, self._engine.now())
        self._called(turn)

    def _ended_aside(self, delivery: Delivery) -> None:
        """What was set aside has ended. A record is being applied: nobody is called now."""
        turn = self._aside.pop(delivery, None)
        if turn is not None:
            self._settle_down(turn.of)
            self.turns.end(turn, self._engine.now(), look=False)
            self._follows(turn.flow)
            self._look_soon()

    def _settle_down(self, entry: Entry) -> None:
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None

    def line_up(self, chosen: Iterable[Delivery]) -> None:
        """What was set aside of these is pending in its queue again, in order."""
        for delivery in sorted(chosen, key=lambda each: each.number, reverse=True):
            turn = self._aside.pop(delivery, None)
            if turn is None:
                continue
            entry = turn.of
            self._settle_down(entry)
            if turn.stage is Stage.BEGUN or entry.late:
                entry.crew.call_off(delivery)
            self.turns.end(turn, self._engine.now(), look=False)
            delivery.queue.line_up(delivery)
        self._look_soon()

    def halt(self, run: Run) -> None:
        """Nothing of a run is taken until it goes on."""
        self.line_up([each for each in self._aside if each.queue.run is run])

    def dismiss(self, crew: Crew) -> None:
        """The crew takes nothing more: another one may."""
        self.line_up([each for each, turn in self._aside.items() if turn.of.crew is crew])

    # -- room ------------------------------------------------------------------------

    def look(self, *bounds: Bound) -> None:
        """There may be room in these."""
        self.turns.look(bounds, self._engine.now())

    def opens(self, bound: Bound) -> None:
        """There is room in it, at last: for whoever has all else, or could be made room for."""
        self.look(bound)
        self._try_again()

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._engine.timers.after(0, self._look_at_last)

    def _look_at_last(self) -> None:
        self._looking = False
        self.look()
        self._try_again()

    # -- preemption ------------------------------------------------------------------

    def _preempt(self, turn: Turn) -> None:
        """Make those give way to it who may be made to, if that is enough."""
        for victim in self.turns.victims(turn, _gives_way, self._engine.now()):
            victim.giving = True
            victim.of.worker.preempt()
        self._impatient[turn] = None

    def _follows(self, flow: Flow) -> None:
        """Another one may be the first of a flow now: others could be made to give way to it."""
        heir = flow.first()
        if heir is not None and heir.priority > 0:
            self._impatient[heir] = None
            self._look_soon()

    def _try_again(self) -> None:
        """Something has changed: it may have been too few before, and be enough now."""
        for turn in list(self._impatient)[:TRIES]:
            del self._impatient[turn]
            if turn.stage is Stage.WAITING and turn.flow.first() is turn:
                self._preempt(turn)

    # -- what is told ----------------------------------------------------------------

    def begun(self) -> Iterator[Turn]:
        """The turns that have begun and hold something."""
        seen = set[Turn]()
        for worker in self._engine.workers:
            if worker.turn is not None and worker.turn.stage is Stage.BEGUN:
                seen.add(worker.turn)
        yield from sorted(seen, key=lambda turn: (turn.of.since, turn.number))

    def waiting(self) -> Iterator[tuple[Turn, Bound]]:
        """The turns that wait, with what there is not enough of."""
        return self.turns.waiting()


def _gives_way(turn: Turn) -> bool:
    """Whether its handler may be interrupted now."""
    entry: Entry = turn.of
    worker = entry.worker
    return worker is not None and entry.crew.agent.preemptible and worker.interruptible
