"""`dagger verify`: what is wrong with a store, and what can be done about it."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from pathlib import Path

import pytest

from dagger.store import lock
from dagger.store.care import Surgery
from dagger.store.pagefile import DATA
from dagger.store.rows import FORMAT, OF_RUN, POSITION
from tests.cli.conftest import Invoke
from tests.cli.processes import owning

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


@pytest.fixture
def damaged(interrupted: Path) -> Path:
    """A store in which the history of the first run has a flipped bit."""
    flip(interrupted, "history", OF_RUN.pack(1, 0))
    return interrupted


def flip(path: Path, name: str, prefix: bytes) -> None:
    """Flip a bit of the first value under a prefix."""
    surgery = Surgery(path)
    db = surgery.environment.db[name]
    with surgery.environment.writing(0) as txn:
        cursor = txn.cursor(db)
        assert cursor.set_range(prefix)
        value = cursor.value()
        cursor.put(cursor.key(), value[:-1] + bytes([value[-1] ^ 1]))
    surgery.close()


def test_a_whole_store_is_whole(invoke: Invoke, interrupted: Path) -> None:
    """The exit code is 0, and what there is is counted; DIR and --store mean the same."""
    named, optional = (
        invoke("verify", str(interrupted)),
        invoke("verify", "--store", str(interrupted)),
    )
    assert (named.exit_code, named.stderr) == (0, "")
    assert named.stdout.startswith("whole: ")
    assert named.stdout.endswith(" records, 2 runs\n")
    assert optional.stdout == named.stdout
    found = json.loads(invoke("verify", str(interrupted), "--json").stdout)
    assert (found["runs"], found["findings"], found["repaired"]) == (2, [], [])
    assert named.stdout.startswith(f"whole: {found['records']} records")


@pytest.mark.spoilt("a history in it is broken")
def test_what_is_found_is_told(invoke: Invoke, damaged: Path) -> None:
    """A line for each finding with its record, and the exit code is 1; nothing is changed."""
    for _ in range(2):
        ended = invoke("verify", str(damaged))
        assert (ended.exit_code, ended.stderr) == (1, "")
        finding, total = ended.stdout.splitlines()
        assert finding.startswith("record ")
        assert ", history of run 1: " in finding
        assert total.startswith("1 finding: ")
    ended = invoke("verify", str(damaged), "--json")
    (found,) = json.loads(ended.stdout)["findings"]
    assert (ended.exit_code, found["where"], found["run"]) == (1, "history", 1)
    assert found["position"] > 0


@pytest.mark.spoilt("a block of it is broken")
@posix
def test_a_broken_journal_is_a_finding(invoke: Invoke, store: Path) -> None:
    """It is told like any other, and what can be read all the same is counted."""
    with owning(store):
        pass  # and killed, so that its journal has records
    flip(store, "journal", b"")
    ended = invoke("verify", str(store))
    assert (ended.exit_code, ended.stderr) == (1, "")
    finding, total = ended.stdout.splitlines()
    assert ", journal: its checksum does not match" in finding
    assert total.startswith("1 finding: ")


def test_it_is_repaired_if_that_is_wanted(invoke: Invoke, damaged: Path) -> None:
    """--repair says what was done, and where the journal was copied to; then it is whole."""
    ended = invoke("verify", str(damaged), "--repair")
    assert (ended.exit_code, ended.stderr) == (0, "")
    copied, done, whole = ended.stdout.splitlines()
    (aside,) = damaged.glob("damaged-*")
    assert copied == f"copied the journal as it was to {aside}"
    assert done.startswith("gave up the history of run 1 ")
    assert whole.startswith("whole: ")
    again = invoke("verify", str(damaged), "--repair", "--json")
    assert (again.exit_code, json.loads(again.stdout)["repaired"]) == (0, [])
    assert "ZeroDivisionError" in invoke("show", "other", "--store", str(damaged)).stdout


@posix
def test_an_owner_is_not_disturbed(invoke: Invoke, store: Path) -> None:
    """A store that is in use can be verified, and not repaired."""
    with owning(store) as owner:
        assert invoke("verify", str(store)).stdout.startswith("whole: ")
        ended = invoke("verify", str(store), "--repair")
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert f"is in use by process {owner.pid} on " in ended.stderr


def test_a_file_with_a_lost_page_is_repaired(invoke: Invoke, interrupted: Path) -> None:
    """Its pages are told, since nothing else can be looked at; repaired, all of it is there."""
    show = ("show", "other", "--json", "--store", str(interrupted))
    before = invoke(*show).stdout
    file = interrupted / "journal" / DATA
    data = bytearray(file.read_bytes())
    newest = max((0, 4096), key=lambda page: struct.unpack_from("=Q", data, page + 144)[0])
    (root,) = struct.unpack_from("=Q", data, newest + 128)
    data[root * 4096 : (root + 1) * 4096] = bytes(4096)
    file.write_bytes(data)
    ended = invoke("verify", str(interrupted))
    assert (ended.exit_code, ended.stderr) == (1, "")
    *found, total = ended.stdout.splitlines()
    assert f"file: main DB: page {root} stores mp_pgno 0" in found
    assert total.endswith(": nothing else can be looked at before that is repaired")
    told = json.loads(invoke("verify", str(interrupted), "--json").stdout)
    assert (told["records"], told["runs"], len(told["findings"])) == (None, None, len(found))
    ended = invoke("verify", str(interrupted), "--repair")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1].startswith("whole: ")
    assert invoke(*show).stdout == before


@pytest.mark.spoilt("some are of others")
def test_what_is_no_store_is_told_in_one_line(
    invoke: Invoke, interrupted: Path, tmp_path: Path
) -> None:
    """Whatever is there instead, the exit code is 3, and it stays as it is."""
    newer = shutil.copytree(interrupted, tmp_path / "newer")
    surgery = Surgery(newer)
    with surgery.environment.writing(0) as txn:
        txn.put(FORMAT, POSITION.pack(7), db=surgery.environment.db["meta"])
    surgery.close()
    shutil.rmtree(shutil.copytree(interrupted, tmp_path / "bereft") / "journal")
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign" / "journal").mkdir(parents=True)
    (tmp_path / "foreign" / "journal" / DATA).write_bytes(b"hello" * 3000)
    for name, problem in {
        "newer": "newer version of Dagger (its format 7 is not known)",
        "bereft": "bereft is damaged (its journal is missing); copy the folder before",
        "empty": "make one: dagger run FILE.py --store ",
        "missing": "make one: dagger run FILE.py --store ",
        "foreign": f"{DATA} is no file of LMDB 0.9",
    }.items():
        for options in ([], ["--repair"]):
            ended = invoke("verify", str(tmp_path / name), *options)
            assert (ended.exit_code, ended.stdout) == (3, "")
            assert problem in ended.stderr
            assert ended.stderr.count("\n") == 1
    assert [each.name for each in tmp_path.glob("*/damaged-*")] == []


def test_what_may_not_be_changed_is_not_repaired(
    invoke: Invoke, interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told that somebody else has to do it; whether it is whole can be told all the same."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(interrupted / "owner"))

    monkeypatch.setattr(lock, "FileIO", refuse)
    ended = invoke("verify", str(interrupted), "--repair")
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert "is read-only for this process" in ended.stderr
    assert ended.stderr.count("\n") == 1
