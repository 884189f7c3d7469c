"""Dead letters: the messages that failed for good, over all remembered runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagger.executor.redriving import Redrive, find, redriving
from dagger.views.letters import DeadLetter, dead_letter
from dagger.words.ids import new_id
from dagger.words.payload import encode
from dagger.words.records import LetterDiscarded

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.executor.live import LiveRun

UNCHANGED: Any = object()
"""Stands for the payload that a message had."""


class DeadLetters:
    """What `executor.dead_letters` is: look at them, redrive them, and clear them away.

    A dead letter is named by the node id of the invocation that failed, or by the id of
    its message; where several agents failed on one message, that is the first of them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, run_id: str | None = None) -> list[DeadLetter]:
        """The kept dead letters of one run, or of all, oldest first."""
        return [
            dead_letter(run.id, letter)
            for run in self._engine.state.runs.values()
            if run_id is None or run.id == run_id
            for letter in run.dead_letters or ()
        ]

    def show(self, node_id: str) -> DeadLetter:
        """One dead letter. Raises LetterNotFound."""
        run, letter = find(self._engine, node_id)
        return dead_letter(run.id, letter)

    def discard(self, node_id: str) -> None:
        """Forget one; reports go on counting it. Raises LetterNotFound."""
        run, letter = find(self._engine, node_id)
        self._engine.commit(LetterDiscarded(run.number, letter.delivery))

    async def redrive(
        self, id: str, *, payload: Any = UNCHANGED, run_id: str | None = None
    ) -> LiveRun:
        """Handle one once more, with another payload if one is given; the run that does.

        In an open run the same invocation goes on: at its first attempt, with what it has of
        steps, questions and requests but for those that failed. Its end is no longer counted,
        and if nothing else has made the run fail, the run will not have failed. In an ended
        run, which does not change, it is a fork that begins with the message (see
        `Executor.fork`), as a new run of id `run_id`. The letter is gone from the list.

        Kept when this returns. Raises LetterNotFound; AgentNotFound where the agent is gone;
        RunClosed for a run that is just ending; SerializationError; ExecutionError for an
        ended run without a store, or for a `run_id` that is taken.
        """
        engine = self._engine
        engine.writable()
        said = None if payload is UNCHANGED else encode(payload, limit=engine.max_payload_bytes)
        redrive = await redriving(engine, Redrive(id, said, run_id or new_id()))
        with engine.store.together():
            live = redrive()
        await engine.kept()
        return live
