"""Policing: who was taken asks for its turn, and begins, or stands in line without a worker.

taken, accepted ──> its turn           ──>  the attempt; what it needs is given back with its end
                ──> not its turn       ──>  set aside, pending; the worker goes on with the next
called          ──> handed to its crew ──>  taken before anything else; it is its turn

A handler that waits (`ctx.sleep`, `ask`, `request`) has nothing meanwhile, and comes before all
who have not begun. What holds what is derived from who has something in hand: when a worker is
done with an invocation, by whatever end, the turn that it was of is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import anyio

from dagger.executor.policies.places import CrewPlaces
from dagger.executor.policies.telling import Telling
from dagger.executor.policies.terms import Lasting, Terms
from dagger.executor.policies.ticket import Ticket
from dagger.rules.turns import Bound, Needs, Stage, Turns
from dagger.words.errors import ResourceTimeout
from dagger.words.records import WaitOver

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.invocation import Invocation
    from dagger.executor.crew import Crew
    from dagger.executor.engine import Engine
    from dagger.executor.policies.pool import Pool
    from dagger.executor.worker import Worker
    from dagger.state.queues import Delivery
    from dagger.state.run import Run

TRIES = 8
"""Turns that are looked at again, whether others could make room, when one has ended."""


class Policing:
    """The turns of one executor."""

    def __init__(self, engine: Engine, pool: Pool) -> None:
        self._engine = engine
        most = engine.config.max_concurrent
        label = "max_concurrent of the executor"
        self.everybody: Needs = () if most is None else ((Bound(label, most), 1),)
        self.pool = pool
        self.turns: Turns[Ticket] = Turns(self._called)
        self._lasting = Lasting()
        self._aside: dict[Delivery, Ticket] = {}  # pending, and in no queue
        self._impatient: dict[Ticket, None] = {}  # others could be made to give way to these
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
        ticket = self._aside.pop(invocation.delivery, None) if self._aside else None
        if ticket is None:
            return self._asks(invocation, worker)
        if ticket.late:
            resources = invocation.agent.resources
            assert resources is not None
            assert resources.timeout is not None
            late = ResourceTimeout(invocation.node_id, ticket.told, resources.timeout)
            self._engine.settling.fail(invocation, late)
            return False
        self._begun(ticket, worker)
        worker.ticket = ticket
        return True

    def _asks(self, invocation: Invocation, worker: Worker) -> bool:
        crew, delivery, now = worker.crew, invocation.delivery, invocation.started
        try:
            flow = crew.terms.flow(invocation)
            priority = crew.terms.priority(invocation)
        except Exception as error:
            self._engine.settling.fail(invocation, error)
            return False
        ticket = Ticket(flow, priority, delivery, crew, worker, now)
        again = bool(delivery.attempts or delivery.deaths or delivery.kept)
        if self.turns.enter(ticket, now, again=again):
            worker.ticket = ticket
            return True
        self._set_aside(ticket, now)
        return False

    def end(self, worker: Worker) -> None:
        """The worker is done with what it had in hand."""
        ticket, worker.ticket = worker.ticket, None
        if ticket is not None:
            self.turns.end(ticket, self._engine.now() if self.turns.crowded else 0.0)
            if not ticket.flow.lasts:
                self._lasting.let_go(ticket.flow.needs)
            if self._impatient:
                self._try_again()

    def hand_in(self, worker: Worker) -> None:
        """The handler has returned, and its invocation waits for room: it needs nothing any more
        but its agent's own place.
        """
        ticket = worker.ticket
        if ticket is not None:
            own = worker.crew.terms.places
            shared = [bound for bound in ticket.flow.bounds if bound is not own]
            self.turns.release(ticket, shared, self._engine.now())

    def pause(self, worker: Worker) -> None:
        """The handler waits, and has nothing meanwhile."""
        if worker.ticket is not None:
            self.turns.pause(worker.ticket, self._engine.now())

    async def come_back(self, worker: Worker) -> None:
        """Return once the handler may go on. If cancelled, it cleans up without a turn."""
        ticket = worker.ticket
        if ticket is None or self.turns.come_back(ticket, self._engine.now()):
            return
        ticket.since = self._engine.now()
        ticket.bell = anyio.Event()
        self._telling.start()
        try:
            await ticket.bell.wait()
        except BaseException:
            if ticket.stage is Stage.WAITING:
                self.end(worker)
            raise
        finally:
            ticket.bell = None
        self._begun(ticket, worker)

    def put_back(self, worker: Worker) -> None:
        """What the worker had in hand had to give way: it stands in line again, as it did."""
        ticket, worker.ticket = worker.ticket, None
        assert ticket is not None
        now = self._engine.now()
        self._set_aside(ticket, now)
        self.turns.put_back(ticket, now)

    # -- in line ---------------------------------------------------------------------

    def _set_aside(self, ticket: Ticket, now: float) -> None:
        delivery, resources = ticket.delivery, ticket.crew.agent.resources
        ticket.worker, ticket.since, ticket.seated = None, now, False
        delivery.queue.set_aside(delivery, self._ended_aside)
        self._aside[delivery] = ticket
        if resources is not None and resources.timeout is not None:
            late = partial(self._late, ticket)
            ticket.timer = self._engine.timers.after(resources.timeout, late)
        self._telling.start()
        if ticket.priority > 0 and ticket.flow.first() is ticket:
            self._preempt(ticket)

    def _called(self, ticket: Ticket) -> None:
        """It is its turn: the handler goes on, or its crew gets the delivery."""
        if ticket.bell is not None:
            ticket.bell.set()
            return
        if ticket.crew.terms.policed:
            ticket.crew.active += 1
        ticket.crew.hand(ticket.delivery)

    def _begun(self, ticket: Ticket, worker: Worker) -> None:
        ticket.worker, ticket.since = worker, self._engine.now()
        _stop(ticket)
        run, number = ticket.delivery.queue.run, ticket.delivery.number
        if run.waits_told and number in run.waits_told:
            self._engine.commit(WaitOver(run.number, number, ticket.since))
        ticket.told = ""

    def _late(self, ticket: Ticket) -> None:
        """It has waited for resources as long as it may: whoever takes it lets it fail."""
        ticket.timer = None
        if ticket.stage is not Stage.WAITING:
            return
        assert ticket.flow.at is not None
        ticket.told, ticket.late = ticket.flow.at.label, True
        self.turns.end(ticket, self._engine.now())
        self._called(ticket)

    def _ended_aside(self, delivery: Delivery) -> None:
        """What was set aside has ended. A record is being applied: nobody is called now."""
        ticket = self._aside.pop(delivery, None)
        if ticket is not None:
            _stop(ticket)
            self.turns.end(ticket, self._engine.now(), look=False)
            self._look_soon()

    def forget(self, delivery: Delivery) -> None:
        """It was handed over, and is not to be handled after all."""
        ticket = self._aside.pop(delivery, None) if self._aside else None
        if ticket is not None:
            self.turns.end(ticket, self._engine.now())

    def line_up(self, chosen: Iterable[Delivery]) -> None:
        """What was set aside of these is pending in its queue again, in order."""
        for delivery in sorted(chosen, key=lambda each: each.number, reverse=True):
            ticket = self._aside.pop(delivery)
            _stop(ticket)
            if ticket.stage is Stage.BEGUN or ticket.late:
                ticket.crew.call_off(delivery)
            self.turns.end(ticket, self._engine.now(), look=False)
            delivery.queue.line_up(delivery)
        self._look_soon()

    def halt(self, run: Run) -> None:
        """Nothing of a run is taken until it goes on."""
        if self._aside:
            self.line_up([each for each in self._aside if each.queue.run is run])

    def dismiss(self, crew: Crew) -> None:
        """The crew takes nothing more: another one may."""
        self.line_up([each for each, ticket in self._aside.items() if ticket.crew is crew])

    # -- room ------------------------------------------------------------------------

    def look(self, *bounds: Bound) -> None:
        """There may be room in these."""
        self.turns.look(bounds, self._engine.now())

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._engine.timers.after(0, self._look_at_last)

    def _look_at_last(self) -> None:
        self._looking = False
        self.look()

    # -- preemption ------------------------------------------------------------------

    def _preempt(self, ticket: Ticket) -> None:
        """Make those give way to it who may be made to, if that is enough."""
        for victim in self.turns.victims(ticket, _gives_way):
            victim.giving = True
            assert victim.worker is not None
            victim.worker.preempt()
        self._impatient[ticket] = None

    def _try_again(self) -> None:
        """Somebody has ended: it may have been too few before, and be enough now."""
        for ticket in list(self._impatient)[:TRIES]:
            del self._impatient[ticket]
            if ticket.stage is Stage.WAITING and ticket.flow.first() is ticket:
                self._preempt(ticket)

    # -- what is told ----------------------------------------------------------------

    def begun(self) -> list[Ticket]:
        """The turns that have begun, longest ago first: of who has what in hand."""
        tickets = [worker.ticket for worker in self._engine.workers if worker.ticket is not None]
        found = [each for each in tickets if each.stage is Stage.BEGUN]
        return sorted(found, key=lambda each: (each.since, each.number))


def _stop(ticket: Ticket) -> None:
    """It does not matter any more how long it waits."""
    if ticket.timer is not None:
        ticket.timer.cancel()
        ticket.timer = None


def _gives_way(ticket: Ticket) -> bool:
    """Whether its handler may be interrupted now."""
    worker = ticket.worker
    return worker is not None and ticket.crew.agent.preemptible and worker.interruptible
