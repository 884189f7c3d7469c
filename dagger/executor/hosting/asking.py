"""Asking people: a question is put, and its answer waited for."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from dagger.executor.hosting.keeping import Keeping, check_stack
from dagger.words.errors import TimeoutExceeded
from dagger.words.payload import decode, encode
from dagger.words.records import Asked

if TYPE_CHECKING:
    from dagger.authoring import questions
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine
    from dagger.state.queues import Answer
    from dagger.state.run import Question, Run


class Asking:
    """The questions of all invocations of one executor."""

    def __init__(self, engine: Engine, keeping: Keeping) -> None:
        self._engine = engine
        self._keeping = keeping

    async def ask(self, invocation: Invocation, asked: questions.Asked) -> Any:
        """The answer that people give, or the default. Raises TimeoutExceeded."""
        asked = asked._replace(name=self._keeping.veiled(invocation, asked.name))
        answer = self._keeping.get(invocation, "ask", asked.name)
        if answer is None:
            answer = await self._answer(invocation, asked)
        return answer_of(asked, answer)

    async def _answer(self, invocation: Invocation, asked: questions.Asked) -> Answer:
        """Put the question, unless it is open already, and wait."""
        engine, run, delivery = self._engine, invocation.run, invocation.delivery
        question = run.questions.get(delivery.number, {}).get(asked.name)
        if question is None:
            question = self._put(run, delivery.number, asked)
        place = run.number, delivery.number, asked.name
        with engine.people.guarding(place, asked.guard):
            await self._keeping.durable(invocation)
            engine.runs.quiet(run)
            with engine.people.reminding(run, question):
                stays = asked.guard is not None  # who checks answers has to be there
                return await self._keeping.wait(invocation, "ask", asked.name, stays=stays)

    def _put(self, run: Run, delivery: int, asked: questions.Asked) -> Question:
        check_stack()
        config, now = self._engine.config, self._engine.now()
        seconds = config.human_wait if asked.timeout is None else asked.timeout
        self._engine.commit(
            Asked(
                run.number,
                delivery,
                asked.name,
                asked.prompt,
                now,
                encode(asked.schema.source) if asked.schema is not None else b"",
                asked.to,
                now + seconds if seconds is not None and isfinite(seconds) else 0.0,
                asked.default,
                config.human_timeout_action,
                asked.guard is not None,
            )
        )
        return run.questions[delivery][asked.name]


def answer_of(asked: questions.Asked, kept: Answer) -> Any:
    """An answer as the handler gets it. Raises TimeoutExceeded where nobody gave one in time."""
    if kept.failed:
        raise TimeoutExceeded(f"an answer to question {asked.name!r}", decode(kept.value))
    return asked.answer(kept.value)
