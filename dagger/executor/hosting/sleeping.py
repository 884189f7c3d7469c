"""Sleeping: until when is kept, so that a restart does not begin anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel

from dagger.executor.hosting.keeping import Keeping
from dagger.words.payload import decode, encode

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine

_USUAL = "sleep:sleep"
"""What a sleep is kept as that is given no name: very many may hold on to it."""


class Sleeping:
    """The sleeps of all invocations of one executor."""

    def __init__(self, engine: Engine, keeping: Keeping) -> None:
        self._engine = engine
        self._keeping = keeping

    async def sleep(self, invocation: Invocation, name: str, key: str, until: float) -> None:
        """Wait until that moment (epoch seconds), or the one that was asked for the first time.

        All in one function: each that waits costs memory for every one who sleeps.
        """
        name = self._keeping.veiled(invocation, name)
        kept_as = _USUAL if name == "sleep" else f"sleep:{name}"
        until = self._moment(invocation, kept_as, key, until)
        if until <= self._engine.now():
            await anyio.lowlevel.checkpoint()
            return
        invocation.worker.unload(until)
        over = self._engine.latch()
        timer = self._engine.timers.at(until, over.set)
        try:
            async with invocation.worker.parked():
                await over.wait()
        finally:
            timer.cancel()

    def _moment(self, invocation: Invocation, name: str, key: str, until: float) -> float:
        """When it is over, as was said the first time."""
        kept = self._keeping.get(invocation, name, key)
        if kept is None:
            self._keeping.put(invocation, name, key, encode(until))
            return until
        moment: float = decode(kept.value)
        return moment
