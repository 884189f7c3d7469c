"""A worker: it takes one delivery after another and sees each to its end.

The pipeline is five steps over one value, the invocation: take, decode, validate,
attempt, settle. A worker lives as long as its crew; cancelling its scope ends what
it has in hand, and it goes on with the next.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from types import coroutine
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from dagger.authoring.invocation import Invocation
from dagger.authoring.signature import Kind
from dagger.executor.calling import call
from dagger.executor.crew import Slot
from dagger.executor.drive import Abandoned, begin, resume
from dagger.executor.seat import Seat
from dagger.executor.settle import overdue
from dagger.executor.unloading import Absence, Unloaded
from dagger.words.errors import ExecutionError

if TYPE_CHECKING:
    from dagger.executor.crew import Crew
    from dagger.executor.drive import Steps
    from dagger.executor.engine import Engine
    from dagger.executor.policies.ticket import Ticket
    from dagger.executor.timers import Timer
    from dagger.state.queues import Delivery

TURN = 200
"""Deliveries a worker handles before it lets the others have the loop."""

logger = logging.getLogger("dagger")


class Worker:
    """One long-lived task of a crew, and at most one invocation in hand."""

    __slots__ = (
        "_absence",
        "_accepts",
        "_agreed",
        "_call",
        "_careful",
        "_counted",
        "_direct",
        "_free",
        "_grace",
        "_hold",
        "_now",
        "_place",
        "_policed",
        "_preempted",
        "_seat",
        "_task",
        "_threads",
        "cancelled",
        "crew",
        "engine",
        "host",
        "invocation",
        "lost",
        "monotonic",
        "pressed",
        "scope",
        "settling",
        "slow",
        "ticket",
    )

    def __init__(self, engine: Engine, crew: Crew) -> None:
        self.engine = engine
        self.crew = crew
        self.settling = engine.settling
        self.host = engine.hosting
        self._now = engine.now
        self.monotonic = engine.monotonic
        self.slow = engine.config.blocked_loop_warning
        self.scope = anyio.CancelScope()
        self.invocation: Invocation | None = None
        self.pressed = False  # a queue it fills is half full: let the others have a turn
        self.cancelled = False  # its scope was cancelled: it needs a new one
        self.lost = False  # its handler was given up: it ends as soon as it can
        self.ticket: Ticket | None = None  # of what is in hand, where it has to have one
        self._preempted = False  # what is in hand has to give way
        self._threads = 0  # that work for what is in hand
        self._absence: Absence | None = None  # begins when the handler that it is of is gone
        self._task = 0  # the id of its own task, where handlers are unloaded in no other
        self._grace: Timer | None = None  # gives the handler up when it goes off
        # Who dies with a delivery in hand leaves a note of it, if there is a store.
        self._place = engine.hands.seat()
        self._hold, self._free = engine.hands.hold, engine.free
        agent = crew.agent
        self._agreed, self._accepts = crew.agreed, crew.accepts
        around = engine.around
        self._call = call if around is None else around.call
        # What a handler needs that has no timeout, thread, stream or hook, and is not unloaded:
        # the usual case.
        plain = agent.plan.kind is Kind.COROUTINE and agent.timeout is None and not agent.unload
        self._policed = crew.terms.policed
        self._counted = bool(agent.rate_limit) and engine.store.lasting  # its tokens last, too
        self._careful = agent.origin is not None and agent.origin.careful and engine.store.lasting
        self._direct = agent.plan.call if plain and around is None else None
        self._seat = Seat(self)

    async def serve(self) -> None:
        """Work until the crew has no use for this worker any more."""
        self.crew.arrive()
        if self.crew.agent.unload:
            self._task = anyio.get_current_task().id
        try:
            while not self.lost:
                # Only we cancel it: what comes from outside reaches the executor, which
                # then stops, and sees what is in hand to its end.
                with anyio.CancelScope(shield=True) as self.scope:
                    try:
                        await self._work()
                    except anyio.get_cancelled_exc_class():
                        if self.scope.cancel_called:
                            raise
                        self.cancelled = True  # by a handler of its own task, which is gone
                    if not self.cancelled:
                        return
                self._interrupted()
        except BaseException as error:
            # A handler that was given up leaves scopes of its own open in our task, which
            # ends here. Its cancel scope and the loop complain, and clean up.
            if not (self.lost and isinstance(error, RuntimeError)):
                self.engine.supervisor.failed(error)
                raise
        finally:
            self.engine.hands.leave(self._place)
            self.engine.left(self)

    # -- take ------------------------------------------------------------------------

    async def _work(self) -> None:
        crew = self.crew
        while self._stays:
            delivery = crew.take()
            if delivery is None:
                self._free(self._place)
                self.engine.ease()
                if not await crew.rest():
                    return
                continue
            try:
                turn = 0
                while delivery is not None:  # one after the other, with one slot held
                    rest = self._handle(delivery)
                    if rest is not None:
                        await rest
                    turn += 1
                    if turn >= TURN or self.pressed:
                        turn, self.pressed = 0, False
                        self._free(self._place)
                        await anyio.lowlevel.checkpoint()
                    delivery = None if self.lost or self.cancelled else crew.more()
            finally:
                if not self.lost:
                    crew.give_back()
            if crew.agent.key is not None and self.engine.admissions.any:
                # What is left may all stand behind keys of those who wait for room.
                self.engine.admissions.break_circle()

    @property
    def _stays(self) -> bool:
        return not (self.crew.leaving or self.lost or self.cancelled)

    def _handle(self, delivery: Delivery) -> Coroutine[Any, Any, None] | None:
        """One delivery from taken to settled, put off to a retry, or put in line.

        Without waiting, if the handler does not wait; else the rest is to be awaited.
        """
        run = delivery.queue.run
        invocation = Invocation(self.crew.agent, delivery, run, self, self._now())
        self._hold(self._place, run.number, delivery.number)  # what comes now is the user's
        # What its publisher has checked against the same schema needs no asking.
        mine = invocation.publication.checked == self._agreed or self._accepts(invocation)
        if self.engine.admissions.any:
            self.engine.admissions.room()
        if not mine:
            self._free(self._place)
            self.engine.policing.forget(delivery)
            return self._repeat(invocation) if invocation.effects else None
        may_wait = self._policed or (run.limits and "max_concurrent" in run.limits)
        if may_wait and not self.engine.policing.begins(invocation, self):
            self._free(self._place)
            return None
        self.invocation = invocation
        careful = self._careful or self.engine.careful or (may_wait and self._counted)
        if careful or (delivery.deaths and self.engine.suspects.include(delivery)):
            return self._go_on(invocation, self._carefully(invocation))
        if self._direct is None:
            return self._go_on(invocation, self._attempt(invocation))
        try:
            handler = self._direct(invocation)
            finished, value = begin(handler, self)
            if not finished:
                return self.drive(invocation, handler, value)
            invocation.closed = True
            self.settling.collect(invocation, value)
            if self.settling.enter(invocation, self):
                return self._go_on(invocation, None)
            self.invocation = None
            if may_wait:
                self.engine.policing.end(self)
        except BaseException as error:
            self._failed(invocation, error)
        return None

    def _repeat(self, invocation: Invocation) -> Coroutine[Any, Any, None] | None:
        """Settle a duplicate, which holds the effects of its first one."""
        self.invocation = invocation
        try:
            if self.settling.enter(invocation, self):
                return self._go_on(invocation, None)
            self.invocation = None
        except BaseException as error:
            self._failed(invocation, error)
        return None

    @coroutine
    def drive(self, invocation: Invocation, handler: Steps, trap: Any) -> Generator[Any, Any, None]:
        """The rest of it where the handler has begun: as `_go_on` with `drive`, in one frame
        instead of two, for very many may wait in it.
        """
        try:
            finished = False
            while not finished:
                value: Any = None
                error: BaseException | None = None
                try:
                    value = yield trap
                except BaseException as thrown:
                    error = thrown
                finished, trap = resume(handler, value, error, self)
            if self._returned(invocation, trap):
                yield from self.settling.wait(invocation, self)
        except BaseException as error:
            self._failed(invocation, error)
        else:
            self._let_go()

    async def _go_on(self, invocation: Invocation, attempt: Awaitable[Any] | None) -> None:
        """The rest of it: the attempt, if it is not over, and the wait for room, if any."""
        try:
            if attempt is None or self._returned(invocation, await attempt):
                await self.settling.wait(invocation, self)
        except BaseException as error:
            self._failed(invocation, error)
        else:
            self._let_go()

    def _returned(self, invocation: Invocation, value: Any) -> bool:
        """Settle what the handler has come to; True if it has to wait for room."""
        invocation.closed = True
        if self.cancelled:
            self.settling.check(invocation)
        self.settling.collect(invocation, value)
        return self.settling.enter(invocation, self)

    def _failed(self, invocation: Invocation, error: BaseException) -> None:
        """The end of an attempt that raised; cancellations and interrupts are raised again."""
        if isinstance(error, Abandoned):
            return
        own = error if isinstance(error, Exception) else self._own(error)
        if own is None:
            raise error
        if self._absence is not None:
            self._gone(invocation, self._absence)
        elif not self._gave_way(invocation):
            self.settling.fail(invocation, own)
        if isinstance(own, KeyboardInterrupt):
            raise error
        self._let_go()

    def _gone(self, invocation: Invocation, absence: Absence) -> None:
        """The handler was unloaded, or is to end while it was about to be."""
        if self.scope.cancel_called:
            self.settling.interrupt(invocation)
        else:
            if self.engine.around is not None:
                self.engine.around.goes_on(invocation.delivery)
            absence.begin(self.engine.timers)

    def _let_go(self) -> None:
        """Nothing is in hand any more."""
        self.invocation = self._absence = None
        self._preempted = False
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if self.ticket is not None:
            self.engine.policing.end(self)

    # -- attempt ---------------------------------------------------------------------

    async def _carefully(self, invocation: Invocation) -> Any:
        """The same, once the delivery and the tokens it took are on disk: should the process die
        of it, that will be known. Suspects are begun one at a time.
        """
        engine = self.engine
        engine.careful = max(0, engine.careful - 1)
        with self.blameless():
            await engine.durable()
        if not engine.suspects.include(invocation.delivery):
            return await self._attempt(invocation)
        await engine.suspects.turn(self)
        try:
            return await self._attempt(invocation)
        finally:
            engine.suspects.over(self)

    async def _attempt(self, invocation: Invocation) -> Any:
        """What the handler returns, within the agent's timeout."""
        timeout = invocation.agent.timeout
        if timeout is None:
            value = await self._call(invocation, self)
        else:
            value = await self._within(invocation, timeout)
        if self._absence is not None:
            raise Unloaded(self._absence)  # the handler has swallowed it
        return value

    async def _within(self, invocation: Invocation, seconds: float) -> Any:
        """What it returns within so many seconds."""
        self.scope.deadline = anyio.current_time() + seconds
        try:
            value = await self._call(invocation, self)
        finally:
            late = self.scope.cancel_called and not self.cancelled
            self.cancelled = self.scope.cancel_called
            self.scope.deadline = math.inf
        if late:  # it swallowed the cancellation, and went on
            raise overdue(invocation)
        return value

    def long_step(self, seconds: float, line: int) -> None:
        """Others get a turn after it; one that blocked the loop for long is named."""
        self.pressed = True
        if seconds > self.slow:
            self._warn(seconds, line)

    def _warn(self, seconds: float, line: int) -> None:
        logger.warning(
            "agent %r blocked the event loop for %.0f ms: %s%s; await what takes long, or "
            "write it as a plain def, which runs in a thread",
            self.crew.agent.name,
            seconds * 1000,
            self.crew.agent.where,
            f", near line {line}" if line else "",
        )

    def resumed(self) -> bool:
        """Whether the handler may go on; where its timeout is over, the grace starts."""
        if self.scope.cancel_called and not self.lost:
            self._start_grace()
        return not self.lost

    # -- interruption ----------------------------------------------------------------

    def cancel(self) -> None:
        """Cancel what is in hand; it has the grace to end, wherever it is."""
        self.cancelled = True
        self.scope.cancel()
        if self.ticket is not None and self.ticket.bell is not None:
            self.ticket.bell.set()  # it goes on without a turn, to its end
        if self.invocation is not None:
            self._start_grace()

    def _start_grace(self) -> None:
        if self._grace is None:
            self._grace = self.engine.timers.after(self.engine.config.cancel_grace, self.give_up)

    def _interrupted(self) -> None:
        """The scope was cancelled: settle what was in hand by the reason for it."""
        self.cancelled = False
        invocation, self.invocation, self._absence = self.invocation, None, None
        grace, self._grace = self._grace, None
        if grace is not None:
            grace.cancel()
        if invocation is not None and not self.lost and not self._gave_way(invocation):
            self.settling.interrupt(invocation)
        self._preempted = False
        if self.ticket is not None:
            self.engine.policing.end(self)

    def preempt(self) -> None:
        """What is in hand has to give way: it is cancelled, and put back as it was."""
        self._preempted = True
        self.cancel()

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Meanwhile a thread works for the handler, which nobody can interrupt: it would go on
        with what others have by then, and beside itself once the handler is called again.
        """
        self._threads += 1
        try:
            yield
        finally:
            self._threads -= 1
            self.engine.policing.reconsider()

    @property
    def interruptible(self) -> bool:
        """Whether a handler is at work that could be put back: it has no lease on tasks, and no
        thread.
        """
        invocation = self.invocation
        if invocation is None or invocation.closed or self.cancelled or self._threads:
            return False
        tasks = invocation.run.task_fold
        return tasks is None or not tasks.holds(invocation.delivery.number)

    def _gave_way(self, invocation: Invocation) -> bool:
        """Put it back if it was preempted, and is still wanted; whether that was so."""
        if not self._preempted or not self.settling.goes_on(invocation):
            return False
        invocation.closed = True
        if self.engine.around is not None:
            self.engine.around.goes_on(invocation.delivery)
        self.engine.policing.put_back(self)
        return True

    def give_up(self) -> None:
        """The grace is over: fence the handler off, and end its delivery without it."""
        invocation, self.invocation = self.invocation, None
        if invocation is None or self.lost:
            return
        self.lost = True
        self.engine.suspects.over(self)
        self.crew.replace(self._seat.slot)
        self.engine.left(self)
        if not self._gave_way(invocation):
            self.settling.abandon(invocation)
        if self.ticket is not None:
            self.engine.policing.end(self)

    def _own(self, error: BaseException) -> BaseException | None:
        """What the handler itself raised, if it is more than the cancellation of our scope."""
        cancelled = anyio.get_cancelled_exc_class()
        if isinstance(error, BaseExceptionGroup):
            return error.split(cancelled)[1]
        if not isinstance(error, cancelled):
            return error
        if self.scope.cancel_called:
            return None
        self.cancelled = True  # its task may have been, and a new scope begins anew
        return ExecutionError(f"the handler cancelled itself: {error!r}")

    @property
    def at_work(self) -> bool:
        """Whether it has something in hand that does more than wait: for a time, a person, a
        reply, or for room.
        """
        invocation = self.invocation
        return (
            invocation is not None
            and self._seat.slot is not Slot.PARKED
            and not self.engine.admissions.holds(invocation.delivery)
        )

    async def wait_for_room(self, wait: Awaitable[None]) -> None:
        """In the middle of the handler: what the agent shares with others is theirs meanwhile."""
        if self.ticket is None:
            await wait
        else:
            await self.engine.policing.wait_for_room(self, wait)

    def parked(self) -> Seat:
        """Meanwhile the handler waits: without a slot, and without its timeout running."""
        return self._seat

    def unload(self, moment: float | None = None, answer: tuple[str, str] | None = None) -> None:
        """End a handler that is about to wait, where its agent wants that, by raising Unloaded.

        Not one that waits in a task of its own, for others of its tasks may go on, nor one
        with a lease on tasks, which would be claimed anew.
        """
        invocation = self.invocation
        if not self._task or invocation is None or self._task != anyio.get_current_task().id:
            return
        tasks = invocation.run.task_fold
        if tasks is None or not tasks.holds(invocation.delivery.number):
            invocation.closed = True
            self._absence = Absence(invocation.delivery, moment, answer)
            raise Unloaded(self._absence)

    def blameless(self) -> Blameless:
        """Meanwhile the handler only waits: should the process die, it was not its doing."""
        return Blameless(self)

    def clear(self) -> None:
        """The handler only waits from now on."""
        self._free(self._place)
        self.engine.suspects.over(self)
        self.engine.ease()

    def blame(self) -> None:
        """The handler goes on: it has its delivery in hand again."""
        if self.invocation is not None:
            self._hold(self._place, self.invocation.run.number, self.invocation.delivery.number)


class Blameless:
    """The time in which a handler only waits, as a block; made often, so it costs little."""

    __slots__ = ("_worker",)

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def __enter__(self) -> None:
        self._worker.clear()

    def __exit__(self, *_: object) -> None:
        self._worker.blame()
