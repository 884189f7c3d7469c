"""`dagger gc`: ended runs, and what killed processes have left."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from dagger import Executor, agent
from tests.cli.conftest import Invoke
from tests.cli.processes import owning

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


@pytest.fixture
def many(store: Path) -> Path:
    """A store with the ended runs "0" to "3", and "open", which asks."""

    @agent(subscribe="numbers", concurrency=2)
    async def ask(payload: int) -> None:
        if payload < 0:
            await anyio.sleep_forever()

    async def main() -> None:
        async with Executor([ask], store=store) as executor:
            await executor.start("numbers", -1, run_id="open")
            for number in range(4):
                await executor.run("numbers", number, run_id=str(number))

    anyio.run(main)
    return store


def ids(invoke: Invoke, store: Path) -> list[str]:
    """The runs that are in a store."""
    lines = invoke("runs", "--store", str(store)).stdout.splitlines()
    return [line.split()[0] for line in lines[1:]]


def test_the_oldest_go_and_are_named(invoke: Invoke, many: Path) -> None:
    """--keep-runs keeps the last ones that have ended, and every open one."""
    command = ("gc", "--keep-runs", "1", "--store", str(many))
    would = invoke(*command, "--dry-run")
    assert ids(invoke, many) == ["open", "0", "1", "2", "3"]
    did = invoke(*command)
    assert (did.exit_code, did.stderr, would.exit_code) == (0, "", 0)
    *gone, total = did.stdout.splitlines()
    assert [line.partition(" on ")[0] for line in gone] == [
        f"run {number}, completed" for number in range(3)
    ]
    assert total == "let go of 3 of 5 runs"
    assert would.stdout.splitlines() == [*gone, "would let go of 3 of 5 runs"]
    assert ids(invoke, many) == ["open", "3"]
    assert invoke(*command).stdout == "let go of 0 of 2 runs\n"
    assert invoke("verify", str(many)).exit_code == 0


def test_age_is_told_in_seconds(invoke: Invoke, many: Path) -> None:
    """--older-than lets go of what ended longer ago, however little there is."""
    command = ("gc", "--dry-run", "--store", str(many), "--older-than")
    assert invoke(*command, "3600").stdout == "would let go of 0 of 5 runs\n"
    assert invoke(*command, "0.000001").stdout.endswith("would let go of 4 of 5 runs\n")


def test_the_settings_say_what_is_kept(
    invoke: Invoke, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without options the settings hold that a program would have."""
    assert invoke("gc", "--store", str(many)).stdout == "let go of 0 of 5 runs\n"
    monkeypatch.setenv("DAGGER_KEEP_RUNS", "2")
    assert invoke("gc", "--store", str(many)).stdout.endswith("let go of 2 of 5 runs\n")
    assert ids(invoke, many) == ["open", "2", "3"]


def test_what_killed_processes_left_is_removed(invoke: Invoke, many: Path) -> None:
    """Half-made copies in the folder are named, and gone afterwards."""
    left = many / ".compact-1"
    left.mkdir()
    (left / "data.mdb").write_bytes(b"half")
    told = f"{left}, left by a process that was killed\n"
    assert told in invoke("gc", "--dry-run", "--store", str(many)).stdout
    assert left.exists()
    assert told in invoke("gc", "--store", str(many)).stdout
    assert not left.exists()


@posix
def test_an_owner_sees_to_it_itself(invoke: Invoke, store: Path) -> None:
    """A store that is in use is left alone, and the exit code is 3; one may look."""
    with owning(store) as owner:
        ended = invoke("gc", "--keep-runs", "0", "--store", str(store))
        looked = invoke("gc", "--keep-runs", "0", "--dry-run", "--store", str(store))
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert f"is in use by process {owner.pid} on " in ended.stderr
    assert looked.stdout == "would let go of 0 of 1 run\n"
