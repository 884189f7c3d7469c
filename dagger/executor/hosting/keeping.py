"""Keeping: answers that an invocation gets once, and has in all of its attempts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from dagger.words.errors import ContextClosed
from dagger.words.records import Kept

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine
    from dagger.state.queues import Answer


class Keeping:
    """Answers of one executor's invocations, under a name and a key each."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def veiled(self, invocation: Invocation, name: str) -> str:
        """A name or a key that a handler gives, as an answer is kept under it: without secrets."""
        return self._engine.veiling.name(invocation.agent.name, name)

    def get(self, invocation: Invocation, name: str, key: str) -> Answer | None:
        """The answer that is kept; None if there is none yet."""
        kept = invocation.delivery.kept
        return None if kept is None else kept.get((name, key))

    def put(
        self,
        invocation: Invocation,
        name: str,
        key: str,
        value: bytes,
        digest: str = "",
        failed: bool = False,
    ) -> None:
        """Keep an answer."""
        check_stack()
        run, delivery = invocation.run.number, invocation.delivery.number
        now = self._engine.now()
        self._engine.commit(Kept(run, delivery, name, key, value, now, digest, failed))

    async def durable(self, invocation: Invocation, position: int | None = None) -> None:
        """Return once all that has been recorded so far, or up to a position, is durable."""
        if position is None or self._engine.store.durable < position:
            with invocation.worker.blameless():
                await self._engine.durable()

    async def wait(
        self, invocation: Invocation, name: str, key: str, *, stays: bool = False
    ) -> Answer:
        """Wait, without a worker, until somebody else keeps an answer of that name and key.

        Without the handler as well, where its agent wants that and it does not say it `stays`.
        """
        if not stays and self.get(invocation, name, key) is None:
            invocation.worker.unload(answer=(name, key))
        while (kept := self.get(invocation, name, key)) is None:
            latch = self._engine.latch()
            stop = self.listen(invocation, name, key, latch.set)
            if name == "request":
                self.awaits(invocation)
            try:
                async with invocation.worker.parked():
                    await latch.wait()
            finally:
                stop()
                invocation.delivery.awaits = False
        return kept

    def awaits(self, invocation: Invocation) -> None:
        """Nothing of an invocation goes on until a reply comes; perhaps people have to bring it."""
        invocation.delivery.awaits = True
        if invocation.run.questions:
            self._engine.runs.quiet(invocation.run)

    def listen(
        self, invocation: Invocation, name: str, key: str, bell: Callable[[], None]
    ) -> Callable[[], None]:
        """Call `bell` when an answer of that name and key is kept, until what this returns is
        called.
        """
        delivery, place = invocation.delivery, (name, key)
        if delivery.bells is None:
            delivery.bells = {}
        bells = delivery.bells
        bells.setdefault(place, []).append(bell)

        def stop() -> None:
            bells[place].remove(bell)
            if not bells[place]:
                del bells[place]

        return stop

    async def pause(self, invocation: Invocation, seconds: float) -> None:
        """Wait, without a worker, for so long."""
        over = self._engine.latch()
        timer = self._engine.timers.after(seconds, over.set)
        try:
            async with invocation.worker.parked():
                await over.wait()
        finally:
            timer.cancel()


def fence(invocation: Invocation) -> None:
    """What comes after the end (from a thread, say) has no effect, and is told so; nor has what
    comes from too deep down.
    """
    if invocation.closed:
        raise ContextClosed(invocation.node_id)
    check_stack()


LEAST_STACK = 150
"""Frames that are left, at least, where a fact is made true: that takes some 50."""


def check_stack() -> None:
    """Raise RecursionError in a handler that calls itself too often: before a fact is made true
    that would be half done at the end of the stack, and its run without an end.
    """
    try:
        sys._getframe(sys.getrecursionlimit() - LEAST_STACK)
    except ValueError:  # it is not as deep
        return
    raise RecursionError("the handler calls from too deep down; is there an end to it?")
