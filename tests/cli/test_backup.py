"""`dagger backup` and `dagger compact`: copies of a store, and room on the disk."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.cli.conftest import Invoke
from tests.cli.processes import owning, running, said

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


READER = """
    import sys
    from dagger.store.reader import StoreReader

    with StoreReader(sys.argv[1]) as reader, reader.still():
        print("reading", flush=True)
        sys.stdin.readline()
"""
"""Reads a store for as long as it is let."""


def size_of(store: Path) -> int:
    """Bytes of the journal's file."""
    return (store / "journal" / "data.mdb").stat().st_size


@posix
def test_a_live_store_is_copied(invoke: Invoke, store: Path, tmp_path: Path) -> None:
    """The copy is a store like any other; whoever owns the first one goes on."""
    copy = tmp_path / "copies" / "first"
    with owning(store):
        ended = invoke("backup", str(copy), "--store", str(store))
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"copied {store} to {copy}: ")
    assert ", 1 run, " in ended.stdout
    assert "run mine · paused, opened " in invoke("show", "mine", "--store", str(copy)).stdout
    assert invoke("verify", str(copy)).exit_code == 0


def test_a_backup_overwrites_nothing(invoke: Invoke, interrupted: Path, tmp_path: Path) -> None:
    """A folder that is there stays as it is, and the exit code is 3."""
    ended = invoke("backup", str(tmp_path), "--store", str(interrupted))
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert ended.stderr == f"Error: {tmp_path} is there already; a backup makes a new folder\n"


def test_what_is_free_goes_back_to_the_disk(invoke: Invoke, interrupted: Path) -> None:
    """The file becomes smaller, which is told, and says the same."""
    before, command = size_of(interrupted), ("show", "other", "--store", str(interrupted))
    shown = invoke(*command).stdout
    ended = invoke("compact", "--store", str(interrupted))
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"{interrupted} took ")
    assert size_of(interrupted) < before
    assert invoke(*command).stdout == shown
    assert invoke("verify", str(interrupted)).exit_code == 0


@posix
def test_nobody_is_compacted_under_their_feet(invoke: Invoke, store: Path) -> None:
    """A store that is in use is left alone, and the exit code is 3."""
    with owning(store) as owner:
        ended = invoke("compact", "--store", str(store))
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert f"is in use by process {owner.pid} on " in ended.stderr


@posix
def test_nobody_reads_what_was_replaced(invoke: Invoke, interrupted: Path) -> None:
    """As long as somebody reads the store it stays as it is, and the exit code is 3."""
    before = size_of(interrupted)
    with running("-c", dedent(READER), str(interrupted)) as reader:
        assert said(reader) == "reading\n"
        ended = invoke("compact", "--store", str(interrupted))
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert "is being read" in ended.stderr
    assert size_of(interrupted) == before
    assert not list(interrupted.glob(".compact-*"))
