"""`dagger review`: a score, an exit code, and files that are changed where that is asked for."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke

POOR = "import os\n\ndef f(a=[]):\n    assert (a, 1)\n    return missing\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One poor file and a good one."""
    found = tmp_path / "code"
    found.mkdir()
    (found / "poor.py").write_text(POOR, "utf-8")
    (found / "good.py").write_text("x = 1\n", "utf-8")
    return found


def test_a_folder_is_reviewed_and_left_alone(invoke: Invoke, folder: Path) -> None:
    """The exit code says whether the score was reached."""
    told = invoke("review", str(folder), "--threshold", "9")
    assert told.exit_code == 1
    assert "poor.py: 6." in told.stdout
    assert told.stdout.splitlines()[-1].startswith("2 files, score 8.")
    assert (folder / "poor.py").read_text("utf-8") == POOR
    assert invoke("review", str(folder)).exit_code == 0


def test_a_file_is_reviewed_as_json_and_markdown(invoke: Invoke, folder: Path) -> None:
    """As programs and pages want it."""
    path = str(folder / "poor.py")
    told = json.loads(invoke("review", path, "--format", "json").stdout)
    assert [each["file"] for each in told["files"]] == [path]
    assert invoke("review", path, "--format", "markdown").stdout.startswith("# Code review\n")


def test_fix_changes_what_is_below_the_threshold(invoke: Invoke, folder: Path) -> None:
    """And says which files, from what score to what; the score told is that afterwards."""
    told = invoke("review", str(folder), "--fix", "--threshold", "9")
    changed = re.fullmatch(r"changed (.*): (.*) -> (.*)\n", told.stderr)
    assert changed is not None
    assert changed[1] == str(folder / "poor.py")
    assert float(changed[2]) < float(changed[3])
    assert "os" not in (folder / "poor.py").read_text("utf-8")
    assert "F401" not in told.stdout
    assert invoke("review", str(folder), "--fix", "--threshold", "9").stderr == ""


def test_what_other_files_take_stays(invoke: Invoke, folder: Path) -> None:
    """Also where only one file is asked for: those beside it are looked at."""
    (folder / "taker.py").write_text("from poor import *\nos.sep\n", "utf-8")
    invoke("review", str(folder / "poor.py"), "--fix", "--threshold", "10")
    assert "os" in (folder / "poor.py").read_text("utf-8")
    (folder / "taker.py").unlink()
    invoke("review", str(folder / "poor.py"), "--fix", "--threshold", "10")
    assert "os" not in (folder / "poor.py").read_text("utf-8")


def test_what_cannot_be_reviewed_is_said(invoke: Invoke, folder: Path) -> None:
    """A branch that nobody knows, and a folder without Python."""
    (folder / "none").mkdir()
    told = invoke("review", str(folder / "none"))
    assert (told.exit_code, "no file of Python" in told.stderr) == (2, True)
    told = invoke("review", str(folder), "--branch", "nowhere")
    assert (told.exit_code, "git diff failed" in told.stderr) == (2, True)


ODD = {
    "bytes": b"x = '\xe9'",
    "coding": b"# coding: nonsense\n",
    "deep": b"x = " + b"not " * 900 + b"1\n",
    "deeper": b"x = " + b"-" * 5000 + b"1\n",
    "half": b"# coding: unicode_escape\nx = '\\ud800'\n",
    "nul": b"x = '\0'",
    "rot": b"# coding: rot13\nk = 1\n",
}
"""Files that cannot be looked at, each for another reason."""


@pytest.mark.parametrize("fix", [(), ("--fix", "--threshold", "10")])
def test_odd_files_are_findings_and_the_others_are_reviewed(
    invoke: Invoke, folder: Path, fix: tuple[str, ...]
) -> None:
    """Each has one, and 0 points; nothing about it is changed. Links are left out."""
    for name, raw in ODD.items():
        (folder / f"{name}.py").write_bytes(raw)
    (folder / "gone.py").symlink_to(folder / "nowhere")
    (folder / "infinite.py").write_bytes(b"def f(x):\n    return x > 1e400 or x < 1e400\n")
    (folder / "long.py").write_bytes(b"def f(x):\n    return x > 0x" + b"f" * 5000)
    (folder / "empty.py").touch()
    told = invoke("review", str(folder), "--format", "json", *fix)
    assert told.exit_code == 1
    files = {Path(each["file"]).stem: each for each in json.loads(told.stdout)["files"]}
    assert {*files} == {*ODD, "good", "poor", "infinite", "long", "empty"}
    assert {name for name, each in files.items() if each["score"] == 0} == {*ODD}
    assert {len(files[name]["suggestions"]) for name in ODD} == {1}
    assert {name: (folder / f"{name}.py").read_bytes() for name in ODD} == ODD
    assert ("poor.py" in told.stderr, "infinite.py" in told.stderr) == (bool(fix), bool(fix))


def test_a_file_that_cannot_be_written_is_told_of(invoke: Invoke, folder: Path) -> None:
    """Here the name of a constant has a letter that the encoding of the file has not."""
    raw = "# coding: latin-1\ndef f(ÿ):\n    return ÿ > 7 or ÿ < 7\n".encode("latin-1")
    (folder / "good.py").write_bytes(raw)
    told = invoke("review", str(folder), "--fix", "--threshold", "10")
    assert "problem: it could not be written: 'latin-1' codec" in told.stdout
    assert "the number 7 stands in the code twice" in told.stdout
    assert (folder / "good.py").read_bytes() == raw
    assert "poor.py" in told.stderr


def test_without_the_extra_it_says_what_to_install(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its libraries is missing."""
    for name in [each for each in sys.modules if each.startswith("dagger_agents.code_review")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "complexipy", None)
    import dagger_agents

    monkeypatch.delattr(dagger_agents, "code_review", raising=False)
    told = invoke("review", str(folder))
    assert told.exit_code == 2
    assert "pip install 'dagger-runtime[review]'" in told.stderr
    assert "complexipy" in told.stderr
