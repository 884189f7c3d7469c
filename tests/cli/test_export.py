"""`dagger export` and `dagger import`: a run as lines of JSON, and back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, Write
from tests.cli.processes import owning

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


def test_a_run_is_carried_into_another_store(
    invoke: Invoke, write: Write, interrupted: Path, tmp_path: Path
) -> None:
    """Through a file or a pipe, with its id and its past; an open one goes on there."""
    file, other = tmp_path / "mine.jsonl", str(tmp_path / "other")
    ended = invoke("export", "mine", str(file), "--store", str(interrupted))
    lines = file.read_text().splitlines()
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert ended.stderr == f"wrote {len(lines) - 1} records of run mine to {file}\n"
    assert json.loads(lines[0])["dagger"] == "run"
    assert any(json.loads(line).get("record") == "RunOpened" for line in lines)

    taken = invoke("import", str(file), "--store", other)
    assert (taken.exit_code, taken.stderr) == (0, "")
    again = f"dagger resume mine --store {other} --agents FILE.py goes on with it"
    assert taken.stdout == f"run mine is interrupted; {again}\n"
    assert invoke("resume", "mine", "--agents", write(), "--store", other).exit_code == 0

    piped = invoke("export", "other", "--store", str(interrupted))
    taken = invoke("import", "-", "--store", other, input=piped.stdout)
    assert (taken.exit_code, taken.stdout) == (0, "run other is failed\n")
    shown = [
        invoke("show", "other", "--json", "--store", each).stdout
        for each in (other, str(interrupted))
    ]
    assert shown[0] == shown[1]
    assert invoke("verify", other).exit_code == 0


def test_what_is_no_export_makes_nothing(invoke: Invoke, tmp_path: Path) -> None:
    """A file of something else is a usage error that names the line, and makes no store."""
    file, store = tmp_path / "no.jsonl", tmp_path / "state"
    for text, why in (
        (b"", "opens a run"),
        (b"{}\n", "line 1 is not of an exported run"),
        (b"{}\n[\n", "line 2 is not JSON"),
        (b"\xff", "line 1 is not JSON"),
    ):
        file.write_bytes(text)
        ended = invoke("import", str(file), "--store", str(store))
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert f"Error: {file} cannot be imported: " in ended.stderr
        assert why in ended.stderr
    assert not store.exists()


def test_an_id_is_there_once(invoke: Invoke, interrupted: Path) -> None:
    """A run whose id is taken is not brought in, and the sentence says why."""
    piped = invoke("export", "mine", "--store", str(interrupted))
    ended = invoke("import", "-", "--store", str(interrupted), input=piped.stdout)
    assert (ended.exit_code, ended.stdout) == (2, "")
    told = f"run 'mine' cannot be imported into {interrupted}, which has a run of that id already"
    assert ended.stderr.startswith(f"Error: {told}; name another store with --store")


def test_what_cannot_be_exported_is_told(invoke: Invoke, interrupted: Path, tmp_path: Path) -> None:
    """An unknown run writes nothing; a file that cannot be written is a usage error."""
    file, options = tmp_path / "file", ("--store", str(interrupted))
    assert invoke("export", "nobody", str(file), *options).exit_code == 2
    assert not file.exists()
    ended = invoke("export", "mine", str(file / "within"), *options)
    assert (ended.exit_code, ended.stdout) == (2, "")
    why = "No such file or directory"
    assert ended.stderr == f"Error: {file / 'within'} cannot be written: {why}\n"


@posix
def test_an_owner_is_only_read_from(invoke: Invoke, store: Path) -> None:
    """A run of a store that is in use can be exported, and none imported."""
    with owning(store) as owner:
        piped = invoke("export", "mine", "--store", str(store))
        assert piped.exit_code == 0
        other = piped.stdout.replace('"mine"', '"other"')
        ended = invoke("import", "-", "--store", str(store), input=other)
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert f"is in use by process {owner.pid} on " in ended.stderr
