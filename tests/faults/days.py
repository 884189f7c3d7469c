"""What has come out of a day's work so far, and what its store must hold because of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagger.executor.recovery import restored
from dagger.state.state import State
from dagger.store.reader import StoreReader
from tests.crash.books import Shown, contents, examine
from tests.faults.workload import KEPT

Heard = list[tuple[Any, ...]]


class Days:
    """The same day, begun again and again over one store."""

    def __init__(self, heard: Heard | None = None) -> None:
        self.heard = list(heard or ())

    def take(self, heard: Heard) -> None:
        """Note what one process has said."""
        self.heard += heard

    @property
    def done(self) -> list[str]:
        """What need not be done again: nobody but the caller may know of it any more."""
        return [words[1] for words in self.heard if words[0] == "report"] + [
            words[0] for words in self.heard if words[0] == "posted"
        ]

    def look(self, path: Path) -> State:
        """Fail unless a store that nobody owns holds what it must; what is in it."""
        gone = self._gone(path)
        shown = Shown()
        shown.take([words for words in self.heard if _of(words) not in gone])
        return examine(path, shown)

    def _gone(self, path: Path) -> set[str]:
        """Runs that had ended long before others did, and are forgotten."""
        if not (path / "journal").exists():
            return set()
        with StoreReader(path) as reader:
            state = restored(reader)
        reported = [words[1] for words in self.heard if words[0] == "report"]
        gone = {run for run in reported if run not in state.run_numbers}
        ended = sum(run.ended_at is not None for run in state.runs.values())
        assert not gone or (ended >= KEPT and gone == set(reported[: len(gone)]))
        return gone

    def outcome(self, path: Path) -> dict[str, Any]:
        """What the day has come to, without times and whatever else a crash may change."""
        runs = contents(self.look(path))
        del runs["asks"]["nodes"]  # who was cancelled may have had no time to begin again
        reports = {words[1]: words[2] for words in self.heard if words[0] == "report"}
        ends = {run: (said["status"], said["dispositions"]) for run, said in reports.items()}
        return {"runs": runs, "ends": ends}


def _of(words: tuple[Any, ...]) -> str:
    """The run that somebody speaks of; "" if it is none."""
    match words:
        case ("report" | "kept" | "answered", run, *_):
            return str(run)
        case ("outcome", node, *_):
            return str(node).partition(":")[2].rpartition(".")[0]
    return ""
