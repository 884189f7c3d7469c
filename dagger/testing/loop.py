"""An event loop of one thread in which time is virtual and the order is drawn.

It is one of asyncio's, with three differences. Its clock stands still while anything is
ready, and jumps to the next timer when nothing is. What is ready runs in an order that a
seed decides: asyncio promises none between tasks, and a program that is right is right in
all of them. And it waits for nothing outside: no sockets, no files, no threads.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import sys
import threading
from bisect import insort
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import Context
from itertools import count
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary, WeakSet

import anyio

from dagger.executor.drive import leave
from dagger.testing.waiting import waits
from dagger.words.errors import SimulationStuck

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SPIN = 100_000
"""Callbacks that may run at one moment; then time passes, as it does for a program that
is busy without an end."""

SPINS = 20
"""So often in a row, that is, before the run fails."""

_LAST = sys.maxsize
"""The place of what is no step of a task, behind all tasks."""


class Killed(BaseException):
    """The process that a loop stands for is dead: nothing of it ever runs again."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop whose time is virtual, from `start` on, and fails behind `until`.

    What is ready is drawn by `seed`; with None it runs in the order in which it became
    ready, as on any asyncio loop. The same program with the same seed does the same, in any
    process: tasks are told apart by the order in which they were made.
    """

    def __init__(self, seed: object = None, *, start: float = 0.0, until: float) -> None:
        self._home = 0  # the thread it runs in
        super().__init__()
        self._random = None if seed is None else random.Random(str(seed))
        self._now = start
        self._until = until
        self._order = count()
        self._made = count()
        self._numbers: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._drawn: list[tuple[int, int, asyncio.Handle]] = []  # ready, in a stable order
        self._heap: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._spins = self._busy = 0
        self._left: int | None = None  # callbacks until it is killed
        self._stopped = False
        self._stranger = ""  # another one that called
        self._threads = threading.active_count()
        self._generators: WeakSet[AsyncGenerator[Any, Any]] = WeakSet()
        self._first: SimulationStuck | None = None  # of what may be several

    # -- what programs ask of a loop -------------------------------------------------

    def time(self) -> float:
        """Seconds, virtual."""
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run it at this moment, in its turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self._make_ready(callback, handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run it when that time has come; never, for one that does not come."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if when < math.inf:
            heapq.heappush(self._heap, (when, next(self._order), handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run it once so many seconds have passed."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """The same as `call_soon`. Any other thread is refused: it does not go by this clock.

        Once the simulation has failed nobody is refused any more, and nobody heard.
        """
        if threading.get_ident() != self._home:
            if self._first is not None:
                unheard = asyncio.Handle(callback, args, self, context)
                unheard.cancel()
                return unheard
            self._stranger = threading.current_thread().name
            raise RuntimeError("a simulation has one thread, and another one called")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(
        self, executor: Any, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call it on this thread, whole, in its turn."""
        future: asyncio.Future[T] = self.create_future()
        self.call_soon(_call, future, func, args)
        return future

    # -- its life --------------------------------------------------------------------

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        """What `main` returns, once all other tasks have been cancelled and have ended.

        Raises what `main` raises, SimulationStuck, and Killed, which leaves everything as
        it is. A loop runs once.
        """
        failure: BaseException | None = None

        async def whole() -> T:
            nonlocal failure
            if (task := asyncio.current_task()) is not None:
                task.set_name("main")
            try:
                return await main()
            except BaseException as error:
                failure = None if self._first else error
                raise

        try:
            result = anyio.run(whole, backend_options={"loop_factory": lambda: self})
            if self._left is None:
                return result
            told: BaseException = Killed()
        except (Killed, SimulationStuck) as end:
            told = failure or self._first or end
        finally:
            self.close()
        leave((self, asyncio.all_tasks(self)))
        raise told

    def kill(self, after: int) -> None:
        """Run so many callbacks more, if there is anything to do at this moment; no more ever."""
        self._left = after

    def run_forever(self) -> None:
        """Run until `stop`."""
        self._stopped, self._home = False, threading.get_ident()
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._generators.add, finalizer=self._finalize)
        asyncio._set_running_loop(self)
        try:
            while not self._stopped:
                self._turn()
        finally:
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)
            self._home = 0

    def stop(self) -> None:
        """Return from `run_forever` after this callback."""
        self._stopped = True

    def is_running(self) -> bool:
        """Whether it runs."""
        return self._home != 0

    async def shutdown_asyncgens(self) -> None:
        """Close the async generators that are left."""
        for each in list(self._generators):
            await each.aclose()

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self.is_closed():
            self.call_soon(self.create_task, generator.aclose())

    # -- one turn --------------------------------------------------------------------

    def _turn(self) -> None:
        """Run one of the callbacks that are ready, or let time pass."""
        if self._left is not None:
            if not (self._left and self._drawn):
                self._left = 0  # for good, whatever else becomes ready
                raise Killed
            self._left -= 1
        if not self._drawn or self._busy >= SPIN:
            self._pass_time()
            return
        self._busy += 1
        handle = self._draw()
        if not handle.cancelled():
            handle._run()

    def _draw(self) -> asyncio.Handle:
        drawn, chance = self._drawn, self._random
        return drawn.pop(chance.randrange(len(drawn)) if chance and len(drawn) > 1 else 0)[2]

    def _make_ready(self, callback: Callable[..., object], handle: asyncio.Handle) -> None:
        """Its place is told by the task it is a step of, not by when it came: who wakes a set
        of tasks does so in any order.
        """
        place = _LAST
        if self._random is not None:
            task = getattr(callback, "__self__", None)
            if isinstance(task, asyncio.Task):
                place = self._numbers.get(task, -1)
                if place < 0:  # its first step, which it gets as it is made
                    place = self._numbers[task] = next(self._made)
        insort(self._drawn, (place, next(self._order), handle))

    def _pass_time(self) -> None:
        """Go on to the next timer."""
        heap = self._heap
        if self._stranger:  # what it wanted to happen never will
            raise self._stuck(
                f"thread {self._stranger!r} called, and it waits for none: keep stores in "
                "memory, and give executors the clock and threads of a simulation"
            )
        while heap and heap[0][2].cancelled():
            heapq.heappop(heap)
        self._spins = self._spins + 1 if self._busy >= SPIN else 0
        self._busy = 0
        if self._spins >= SPINS or (self._spins and not heap):
            raise self._stuck("it is busy without an end, and waits for nothing")
        if not heap:
            raise self._stuck("nothing can happen any more")
        if heap[0][0] > self._until:
            raise self._stuck("it has taken longer than its limit")
        self._now = max(self._now, heap[0][0])
        while heap and heap[0][0] <= self._now:
            _, order, handle = heapq.heappop(heap)
            if not handle.cancelled():
                insort(self._drawn, (_LAST, order, handle))

    def _stuck(self, problem: str) -> SimulationStuck:
        self._stranger = ""
        if others := threading.active_count() - self._threads:
            problem += f" ({others} threads have begun, and a simulation waits for none)"
        tasks = sorted(asyncio.all_tasks(self), key=lambda task: self._numbers.get(task, 0))
        stuck = SimulationStuck(problem, self._now, tuple(map(waits, tasks)))
        self._first = self._first or stuck
        return stuck


def _call(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if not future.done():
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
