"""Following a store that another process owns: every record once, in order."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from dagger import Executor, agent
from dagger.cli.following import Following
from dagger.executor.recovery import restored
from dagger.store.reader import StoreReader
from dagger.words.records import Record, RunEnded, RunOpened
from tests.cli.conftest import Write
from tests.cli.processes import owning, running, said, tell
from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


@agent(subscribe="numbers", publish="squares")
async def square(payload: int) -> int:
    """A number times itself."""
    return payload * payload


@pytest.fixture
def older(store: Path) -> Path:
    """A store with a snapshot, in which there are three ended runs."""

    async def main() -> None:
        async with Executor([square], store=store) as executor:
            for name in "abc":
                await executor.run("numbers", 3, run_id=name)

    anyio.run(main)
    return store


def run_in(store: Path, path: str, *options: str) -> None:
    """A whole `dagger run` in another process, which makes a snapshot at its end."""
    with running(
        "-m", "dagger", "run", path, "--input", "4", "--store", str(store), *options
    ) as it:
        assert it.wait(PATIENCE) == 0


def kinds(news: list[tuple[int, Record]]) -> list[str]:
    """Of which kinds the records are."""
    return [type(record).__name__ for _, record in news]


def test_what_a_snapshot_took_away_is_followed(older: Path, write: Write) -> None:
    """Whole runs that came and went since the last look are there, each record in its place."""
    with StoreReader(older) as reader:
        following = Following(reader)
        assert list(following.news()) == []
        start = following.position
        run_in(older, write(), "--run-id", "d")
        run_in(older, write(), "--run-id", "e")
        assert list(reader.read(start)) == []  # it is all in the histories of the runs
        news = list(following.news())
        assert [record.id for _, record in news if isinstance(record, RunOpened)] == ["d", "e"]
        assert kinds(news).count("Settled") == 2
        assert kinds(news).count("RunEnded") == 2
        positions = [position for position, _ in news]
        assert positions == sorted(set(positions))
        assert positions[0] > start
        assert following.position == reader.position
        assert following.state.runs.keys() == restored(reader).runs.keys()
        assert list(following.news()) == []


def test_an_owner_is_followed_while_it_works(older: Path) -> None:
    """What is on disk is told at the next look, whether there is an owner or not."""
    with StoreReader(older) as reader:
        following = Following(reader)
        with owning(older) as owner:
            assert "RunOpened" in kinds(list(following.news()))
            tell(owner, "5")
            assert said(owner) == "published\n"
            assert "Published" in kinds(list(following.news()))


def test_one_run_is_followed_from_anywhere(older: Path, write: Write) -> None:
    """Of one run all records are there, from its first one on, whatever snapshots there were."""
    with StoreReader(older) as reader:
        number = reader.find("b")
        history = list(reader.history(number or 0))
        for after in (0, history[len(history) // 2][0], reader.position):
            news = list(Following(reader, number, after).news())
            assert news == [pair for pair in history if pair[0] > after]
        following = Following(reader, number)
        run_in(older, write(), "--run-id", "d")
        assert not any(isinstance(record, RunOpened) for _, record in following.news())
        assert following.position == reader.position


def test_all_runs_are_followed_from_anywhere(older: Path) -> None:
    """What a snapshot holds by now is told again, in one order, each record once."""
    with StoreReader(older) as reader:
        everything = dict(p for n, _ in reader.ids() for p in reader.history(n))
        assert reader.saved() == reader.position
        for after in (0, reader.position // 2, reader.position - 1, reader.position):
            news = list(Following(reader, None, after).news())
            known = [pair for pair in sorted(everything.items()) if pair[0] > after]
            assert [position for position, _ in news] == [position for position, _ in known]
            assert news == known


def test_a_store_that_was_compacted_is_followed(older: Path, write: Write) -> None:
    """Who waits for news hears of what is written into the file that took the place of the old."""
    with StoreReader(older) as reader:
        following = Following(reader)
        assert list(following.news()) == []
        with running("-m", "dagger", "compact", "--store", str(older)) as compacting:
            assert compacting.wait(PATIENCE) == 0
        run_in(older, write(), "--run-id", "d")
        news = list(following.news())
        assert [record.id for _, record in news if isinstance(record, RunOpened)] == ["d"]
        assert kinds(news)[-1] == "RunEnded"


def test_a_cursor_ahead_is_waited_for(older: Path, write: Write) -> None:
    """Nothing is told up to a position that is not reached yet."""
    with StoreReader(older) as reader:
        following = Following(reader, None, reader.position + 1)
        run_in(older, write(), "--run-id", "d")
        news = list(following.news())
        assert news[0][0] == following.start + 1
        assert isinstance(news[-1][1], RunEnded)
