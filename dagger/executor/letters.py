"""Dead letters: the messages that failed for good, over all remembered runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.views.letters import DeadLetter, dead_letter
from dagger.words.errors import LetterNotFound
from dagger.words.records import LetterDiscarded

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.run import Run


class DeadLetters:
    """What `executor.dead_letters` is: look at them, and clear them away.

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
        return self._find(node_id)[1]

    def discard(self, node_id: str) -> None:
        """Forget one; reports go on counting it. Raises LetterNotFound."""
        run, letter = self._find(node_id)
        self._engine.commit(LetterDiscarded(run.number, _delivery(letter)))

    def _find(self, node_id: str) -> tuple[Run, DeadLetter]:
        found = self.list()
        for letter in found:
            if node_id in (letter.node_id, letter.id):
                number = self._engine.state.run_numbers[letter.run_id]
                return self._engine.state.runs[number], letter
        raise LetterNotFound(node_id, tuple(letter.node_id for letter in found))


def _delivery(letter: DeadLetter) -> int:
    """The delivery number at the end of a node id."""
    return int(letter.node_id.rpartition(".")[2])
