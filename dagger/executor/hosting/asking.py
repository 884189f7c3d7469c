"""Asking people: a question is put, and its answer waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagger.executor.hosting.keeping import Keeping
from dagger.words.payload import decode
from dagger.words.records import Asked

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine


class Asking:
    """The questions of all invocations of one executor."""

    def __init__(self, engine: Engine, keeping: Keeping) -> None:
        self._engine = engine
        self._keeping = keeping

    async def ask(self, invocation: Invocation, name: str, question: bytes) -> Any:
        run, delivery = invocation.run, invocation.delivery
        if self._keeping.get(invocation, "ask", name) is None:
            if (delivery.number, name) not in run.questions:
                self._engine.commit(
                    Asked(run.number, delivery.number, name, question, self._engine.now())
                )
            await self._keeping.durable(invocation)
            self._engine.runs.quiet(run)
        return decode(await self._keeping.wait(invocation, "ask", name))
