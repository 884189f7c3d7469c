"""People: questions that are open, answers to them, and what becomes of those that get none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from dagger.authoring.questions import Guard, refusal
from dagger.executor.unloading import meanwhile
from dagger.rules.schema import schema
from dagger.views.questions import possible, question_id
from dagger.words.errors import AnswerRefused, QuestionNotFound, RunClosed
from dagger.words.outcomes import RunStatus
from dagger.words.payload import decode, encode
from dagger.words.records import AUTOPILOT, Kept

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.run import Question, Run

Place = tuple[int, int, str]
"""Run, delivery and name of a question."""


class People:
    """The outside world as far as it is asked; part of one executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._guards: dict[Place, Guard] = {}

    @contextmanager
    def guarding(self, place: Place, guard: Guard | None) -> Iterator[None]:
        """Meanwhile answers to a question have to pass this as well."""
        if guard is not None:
            self._guards[place] = guard
        try:
            yield
        finally:
            if guard is not None and self._guards.get(place) is guard:
                del self._guards[place]

    def find(self, id: str) -> tuple[Run, Question]:
        """The open question of that id. Raises QuestionNotFound."""
        state = self._engine.state
        for run_id, delivery, name in possible(id):
            run = state.runs.get(state.run_numbers.get(run_id, 0))
            question = run.questions.get(delivery, {}).get(name) if run else None
            if run is not None and question is not None:
                return run, question
        raise QuestionNotFound(id, self._known())

    def _known(self) -> tuple[str, ...]:
        runs = (live.state for live in self._engine.runs.live.values())
        return tuple(question_id(run.id, q.delivery, q.name) for run in runs for q in run.asked())

    def answer(self, run: Run, question: Question, value: Any, by: str) -> None:
        """Answer it, or raise RunClosed, AnswerRefused or SerializationError: it stays open."""
        if run.status is not RunStatus.RUNNING:
            raise RunClosed(run.id, run.status)
        blob = encode(value, limit=self._engine.max_payload_bytes)
        problem = self._refusal(run, question, decode(blob))
        if problem:
            raise AnswerRefused(question_id(run.id, question.delivery, question.name), problem)
        self._keep(run, question, blob, by=by)
        if run.on_hold and run.reason == self._engine.veiling.value(_late(run, question)):
            self._engine.runs.resume(run)

    def _refusal(self, run: Run, question: Question, value: Any) -> str:
        """Why an answer will not do; "" if it will."""
        fits = schema(decode(question.schema), question.name) if question.schema else None
        guard = self._guards.get((run.number, question.delivery, question.name))
        if question.guarded and guard is None:
            return refusal(fits, None, value) or (
                "the agent that asks checks answers itself, and is not running; start it first"
            )
        return refusal(fits, guard, value)

    @contextmanager
    def reminding(self, run: Run, question: Question) -> Iterator[None]:
        """Meanwhile somebody sees to it when the question is overdue."""
        if not question.due:
            yield
            return
        with meanwhile(self._engine.timers.at(question.due, partial(self._overdue, run, question))):
            yield

    def _overdue(self, run: Run, question: Question) -> None:
        """Nobody has answered in time."""
        if question is not run.questions.get(question.delivery, {}).get(question.name):
            return
        if question.action == "pause":
            self._engine.runs.pause(run, _late(run, question))
        elif question.default:
            self._keep(run, question, question.default, by=AUTOPILOT)
        else:
            self._keep(run, question, encode(question.due - question.at), failed=True)

    def _keep(
        self, run: Run, question: Question, value: bytes, *, by: str = "", failed: bool = False
    ) -> None:
        engine, delivery, name = self._engine, question.delivery, question.name
        now = engine.now()
        engine.commit(Kept(run.number, delivery, "ask", name, value, now, "", failed, by))
        engine.runs.quiet(run)


def _late(run: Run, question: Question) -> str:
    """Why a run is paused for a question."""
    return f"nobody has answered {question_id(run.id, question.delivery, question.name)} in time"
