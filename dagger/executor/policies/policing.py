"""Policing: who was taken asks for its turn, and begins, or stands in line without a worker.

taken, accepted ──> its turn           ──>  the attempt; what it needs is given back with its end
                ──> not its turn       ──>  set aside, pending; the worker goes on with the next
called          ──> handed to its crew ──>  taken before anything else; it is its turn

A handler that waits (`ctx.sleep`, `ask`, `request`) has nothing meanwhile, and comes before all
who have not begun. What holds what is derived from who has something in hand: when a worker is
done with an invocation, by whatever end, the turn that it was of is over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from functools import partial
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, cast

import anyio
import anyio.lowlevel

from dagger.executor.policies.places import CrewPlaces
from dagger.executor.policies.telling import Telling
from dagger.executor.policies.terms import Lasting, Terms
from dagger.executor.policies.ticket import Ticket
from dagger.rules.turns import Bound, Flow, Needs, Stage, Turn, Turns
from dagger.words.errors import ResourceTimeout
from dagger.words.outcomes import Disposition
from dagger.words.records import Swept, WaitOver

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.invocation import Invocation
    from dagger.executor.crew import Crew
    from dagger.executor.engine import Engine
    from dagger.executor.policies.pool import Pool
    from dagger.executor.worker import Worker
    from dagger.state.queues import Delivery
    from dagger.state.run import Run

_DISCARDED = int(Disposition.DISCARDED)

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
        self._least = inf  # priority of those that give way, as far as any have come
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
            self._wait_over(ticket.delivery)
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
        if crew.agent.preemptible and priority < self._least:
            self._least = priority
        ticket = Ticket(flow, priority, delivery, crew, worker, now)
        again = bool(delivery.attempts or delivery.deaths or delivery.kept)
        if self.turns.enter(ticket, now, again=again):
            self._wait_over(delivery)
            worker.ticket = ticket
            return True
        self._set_aside(ticket, now)
        return False

    def end(self, worker: Worker) -> None:
        """The worker is done with what it had in hand."""
        ticket, worker.ticket = worker.ticket, None
        if ticket is not None:
            self._over(ticket, self._engine.now() if self.turns.crowded else 0.0)
            if self._impatient:
                self._try_again()

    def _over(self, ticket: Ticket, now: float, *, look: bool = True) -> None:
        """It needs nothing any more; what was there for its key or run may be of no use then."""
        self.turns.end(ticket, now, look=look)
        if not ticket.flow.lasts:
            self._lasting.let_go(ticket.flow.needs)

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
        if worker.ticket is not None and worker.ticket.begun:
            self.turns.pause(worker.ticket, self._engine.now())

    async def wait_for_room(self, worker: Worker, wait: Awaitable[None]) -> None:
        """The handler waits for room in a queue, and has nothing meanwhile but its agent's own
        place: who makes room may need what it has, but is not to wait beside it.
        """
        ticket = worker.ticket
        if ticket is not None and ticket.begun:
            own = worker.crew.terms.places
            self.turns.pause(ticket, self._engine.now(), besides=own)
        try:
            await wait
        finally:
            left = worker.scope.deadline - anyio.current_time()
            worker.scope.deadline = inf  # a timeout does not run while it waits for its turn
            await self.come_back(worker)
            worker.scope.deadline = anyio.current_time() + left

    async def come_back(self, worker: Worker) -> None:
        """Return once the handler may go on, also where a scope of its own is cancelled: else
        it would go on without a turn. Only if the worker is, it cleans up without one.
        """
        ticket = worker.ticket
        if ticket is None or ticket.begun:
            return
        if ticket.stage is Stage.PAUSED:
            if self.turns.come_back(ticket, self._engine.now()):
                return
            ticket.since = self._engine.now()
            ticket.bell = anyio.Event()
            self._telling.start()
        if not worker.scope.cancel_called and ticket.bell is not None:
            with anyio.CancelScope(shield=True):
                await ticket.bell.wait()
        ticket.bell = None
        if ticket.begun:
            self._begun(ticket, worker)
        elif ticket.stage is Stage.WAITING:
            self.turns.end(ticket, self._engine.now())
        await anyio.lowlevel.checkpoint_if_cancelled()

    def put_back(self, worker: Worker) -> None:
        """What the worker had in hand had to give way: it stands in line again, as it did.

        Or is pending in its queue, or discarded, where its run is halted or its agent gone by now,
        and where it has cleaned up without a turn.
        """
        ticket, worker.ticket = worker.ticket, None
        assert ticket is not None
        engine, delivery, now = self._engine, ticket.delivery, self._engine.now()
        self._set_aside(ticket, now)
        halted = delivery.queue.run.paused or ticket.crew.leaving or engine.winding
        if ticket.begun and not halted:
            self.turns.put_back(ticket, now)
            self._follows(ticket.flow)
            self._look_soon()  # who has been told to wait for this one may take another's
            return
        self.line_up((delivery,))
        if not engine.serves(ticket.crew.agent):
            run = delivery.queue.run
            engine.commit(Swept(run.number, (delivery.number,), _DISCARDED, now))
            engine.admissions.room()
            engine.runs.quiet(run)

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
        if self._may_preempt(ticket) and ticket.flow.first() is ticket:
            self._preempt(ticket)

    def _called(self, ticket: Ticket) -> None:
        """It is its turn: the handler goes on, or its crew gets the delivery."""
        self._follows(ticket.flow)
        if ticket.bell is not None:
            ticket.bell.set()
            return
        if ticket.crew.terms.policed:
            ticket.crew.active += 1
        ticket.crew.hand(ticket.delivery)

    def _begun(self, ticket: Ticket, worker: Worker) -> None:
        ticket.worker, ticket.since = worker, self._engine.now()
        _stop(ticket)
        self._wait_over(ticket.delivery)
        ticket.told = ""

    def _wait_over(self, delivery: Delivery) -> None:
        """It waits no more for what was written down, here or by who had the run before."""
        run, number = delivery.queue.run, delivery.number
        if run.waits_told and number in run.waits_told:
            self._engine.commit(WaitOver(run.number, number, self._engine.now()))

    def _late(self, ticket: Ticket) -> None:
        """It has waited for resources as long as it may: whoever takes it lets it fail."""
        ticket.timer = None
        if ticket.stage is not Stage.WAITING:
            return
        assert ticket.flow.at is not None
        ticket.told, ticket.late = ticket.flow.at.label, True
        self._over(ticket, self._engine.now())
        self._called(ticket)

    def _ended_aside(self, delivery: Delivery) -> None:
        """What was set aside has ended. A record is being applied: nobody is called now."""
        ticket = self._aside.pop(delivery, None)
        if ticket is not None:
            _stop(ticket)
            self._impatient.pop(ticket, None)
            self._over(ticket, self._engine.now(), look=False)
            self._follows(ticket.flow)
            self._look_soon()

    def forget(self, delivery: Delivery) -> None:
        """It was handed over, and is not to be handled after all."""
        ticket = self._aside.pop(delivery, None) if self._aside else None
        if ticket is not None:
            self._over(ticket, self._engine.now())

    def line_up(self, chosen: Iterable[Delivery]) -> None:
        """What was set aside of these is pending in its queue again, in order."""
        for delivery in sorted(chosen, key=lambda each: each.number, reverse=True):
            ticket = self._aside.pop(delivery)
            _stop(ticket)
            if ticket.stage is Stage.BEGUN or ticket.late:
                ticket.crew.call_off(delivery)
            self._impatient.pop(ticket, None)
            self._over(ticket, self._engine.now(), look=False)
            delivery.queue.line_up(delivery)
        self._look_soon()

    def halt(self, run: Run) -> None:
        """Nothing of a run is taken until it goes on."""
        if self._aside:
            self.line_up([each for each in self._aside if each.queue.run is run])

    def wind_down(self) -> None:
        """Nothing more is taken: nobody has anything who has not begun."""
        self.line_up(list(self._aside))

    def dismiss(self, crew: Crew) -> None:
        """The crew takes nothing more: another one may."""
        self.line_up([each for each, ticket in self._aside.items() if ticket.crew is crew])

    # -- room ------------------------------------------------------------------------

    def look(self, *bounds: Bound) -> None:
        """There may be room in these."""
        self.turns.look(bounds, self._engine.now())

    def opens(self, bound: Bound) -> None:
        """There is room in it, at last: for whoever has all else, or could be made room for."""
        self.look(bound)
        self._try_again()

    def reconsider(self) -> None:
        """Somebody who could not be made to give way may be now."""
        if self._impatient:
            self._look_soon()

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._engine.timers.after(0, self._look_at_last)

    def _look_at_last(self) -> None:
        self._looking = False
        self.look()
        self._try_again()

    # -- preemption ------------------------------------------------------------------

    def _may_preempt(self, turn: Turn) -> bool:
        """Whether anybody could be made to give way to it; mostly nobody ever could."""
        return turn.priority > self._least

    def _preempt(self, ticket: Ticket) -> None:
        """Make those give way to it who may be made to, if that is enough."""
        for victim in self.turns.victims(ticket, _gives_way, self._engine.now()):
            victim.giving = True
            assert victim.worker is not None
            victim.worker.preempt()
        self._impatient[ticket] = None

    def _follows(self, flow: Flow) -> None:
        """Another one may be the first of a flow now: others could be made to give way to it."""
        heir = flow.first()
        if heir is not None and self._may_preempt(heir):
            self._impatient[cast("Ticket", heir)] = None
            self._look_soon()

    def _try_again(self) -> None:
        """Something has changed: it may have been too few before, and be enough now."""
        for ticket in list(islice(self._impatient, TRIES)):
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
    crew = ticket.crew
    may = worker is not None and crew.agent.preemptible and not crew.leaving
    return may and worker is not None and worker.interruptible
