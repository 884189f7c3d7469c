"""`dagger review`: a score, an exit code, and files that are changed where that is asked for."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke

POOR = "import os\n\ndef f(a=[]):\n    eval(a)\n    return missing\n"


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


def test_what_cannot_be_reviewed_is_said(invoke: Invoke, folder: Path) -> None:
    """A branch that nobody knows, a folder without Python, and a file in another encoding."""
    (folder / "none").mkdir()
    told = invoke("review", str(folder / "none"))
    assert (told.exit_code, "no file of Python" in told.stderr) == (2, True)
    told = invoke("review", str(folder), "--branch", "nowhere")
    assert (told.exit_code, "git diff failed" in told.stderr) == (2, True)
    (folder / "poor.py").write_bytes(b"x = '\xe9'")
    told = invoke("review", str(folder))
    assert (told.exit_code, "poor.py" in told.stderr) == (2, True)


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
