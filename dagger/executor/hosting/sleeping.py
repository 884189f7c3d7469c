"""Sleeping: until when is kept, so that a restart does not begin anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.executor.hosting.keeping import Keeping
from dagger.words.payload import decode, encode

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine


class Sleeping:
    """The sleeps of all invocations of one executor."""

    def __init__(self, engine: Engine, keeping: Keeping) -> None:
        self._engine = engine
        self._keeping = keeping

    async def sleep(self, invocation: Invocation, name: str, key: str, until: float) -> None:
        """Wait until that moment (epoch seconds), or the one that was asked for the first time."""
        kept = self._keeping.get(invocation, f"sleep:{name}", key)
        if kept is not None:
            until = decode(kept.value)
        else:
            self._keeping.put(invocation, f"sleep:{name}", key, encode(until))
        await self._keeping.until(invocation, until)
