"""A store with everything in it, damage to it, and what a process makes of it then."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, Literal, NamedTuple

import anyio

from dagger import Config, DatabaseError, Executor, LmdbStore
from dagger.executor.recovery import restored, whole_run
from dagger.state.state import State
from dagger.store.contract import Source
from dagger.store.reader import StoreReader
from tests.crash.processes import Say, running
from tests.crash.workload import AGENTS
from tests.state.meaning import meaning

NO_SNAPSHOT = Config(snapshot_every_records=2**40, snapshot_every_seconds=1e9)


class Damage(NamedTuple):
    """What happens to a file: it is cut to a length in bytes, or one of its bits is flipped."""

    kind: Literal["cut", "flip"]
    at: int

    def done_to(self, data: bytes) -> bytes:
        """What is left of the file."""
        if self.kind == "cut":
            return data[: self.at]
        spoilt = bytearray(data)
        spoilt[self.at // 8] ^= 1 << self.at % 8
        return bytes(spoilt)


class Verdict(NamedTuple):
    """What a process says of a damaged store: "same", "wrong", or its error."""

    who: Literal["owner", "reader"]
    damage: Damage
    said: str


def add_runs(say: Say, path: Path, runs: int) -> None:
    """See through some runs one after the other, and die; no snapshot holds them."""
    anyio.run(_add_runs, path, runs)


async def _add_runs(path: Path, runs: int) -> None:
    async with Executor(AGENTS, store=path, config=NO_SNAPSHOT) as executor:
        for number in range(runs):
            await executor.run("start", {"items": 3, "extras": 0}, run_id=f"added {number}")
        os._exit(0)


def cuts(random: Random, size: int, count: int) -> list[Damage]:
    """Lengths of every kind: none at all, whole pages, one byte too few, and any."""
    edges = [0, 1, 4096, 8192, size - 4096, size - 1]
    return [Damage("cut", at) for at in [*edges, *random.choices(range(size), k=count)][:count]]


def flips(random: Random, size: int, count: int) -> list[Damage]:
    """Bits anywhere, and as many of those by which pages are read."""
    heads = [page + random.randrange(64) for page in random.choices(range(0, size, 4096), k=count)]
    places = [*heads[: count // 2], *random.choices(range(size), k=count - count // 2)]
    return [Damage("flip", 8 * place + random.randrange(8)) for place in places]


def verdicts(path: Path, file: str, damages: list[Damage], seconds: float) -> Iterator[Verdict]:
    """What owner and reader make of each; fails if they die of it, or take too long.

    What took too long is tried once more: others want the machine as well.
    """
    for took, verdict in _verdicts(path, file, damages):
        if took > seconds:
            again = _verdicts(path, file, [verdict.damage])
            took = max(passed for passed, each in again if each.who == verdict.who)
        assert took <= seconds, verdict
        yield verdict


def _verdicts(path: Path, file: str, damages: list[Damage]) -> Iterator[tuple[float, Verdict]]:
    """Each with the seconds that it took."""
    with running(look, path, file, damages) as child:
        child.until("ready")
        for damage in damages:
            for _ in ("reader", "owner"):
                began = monotonic()
                said = child.hear()
                assert said is not None, f"no word after {damage}, and exit code {child.ended()}"
                yield monotonic() - began, Verdict(*said)
        assert child.ended() == 0


def look(say: Say, path: Path, file: str, damages: list[Damage]) -> None:
    """Do each damage to a copy of a store, and say what a reader and its owner make of it."""
    data = (path / file).read_bytes()
    expected = as_reader(path)
    say("ready")
    for number, damage in enumerate(damages):
        spoilt = path.with_name(f"spoilt {number}")
        shutil.copytree(path, spoilt)
        (spoilt / file).write_bytes(damage.done_to(data))
        say("reader", damage, _judged(as_reader, spoilt, expected))
        say("owner", damage, _judged(as_owner, spoilt, expected))
        shutil.rmtree(spoilt)


def _judged(read: Callable[[Path], Any], path: Path, expected: Any) -> str:
    try:
        return "same" if read(path) == expected else "wrong"
    except DatabaseError as error:
        return f"{type(error).__name__}: {error}"


def as_reader(path: Path) -> Any:
    """All that a store means to who only looks."""
    with StoreReader(path) as reader, reader.still():
        return _everything(reader)


def as_owner(path: Path) -> Any:
    """All that it means to its owner, who tidies up meanwhile."""
    return anyio.run(_own, path)


async def _own(path: Path) -> Any:
    store = LmdbStore(path)
    await store.open()
    try:
        return _everything(store)
    finally:
        await store.close()


def _everything(source: Source) -> Any:
    state = restored(source)
    return meaning(state), list(_whole(source, state))


def _whole(source: Source, state: State) -> Iterator[Any]:
    for number in state.runs:
        yield meaning(whole_run(source, number))
