"""Ids that shells complete, of the store that a line names so far."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from dagger.cli import main
from tests.cli.conftest import OF_A_RUN, Invoke


def completed(*words: str, incomplete: str = "") -> list[str]:
    """What a shell offers behind these words."""
    shell = ShellComplete(main, {}, "dagger", "_DAGGER_COMPLETE")
    return [each.value for each in shell.get_completions([*words], incomplete)]


@pytest.mark.parametrize("command", OF_A_RUN, ids=" ".join)
def test_shells_complete_run_ids(two: Path, command: list[str]) -> None:
    """The ids in the store that the line names so far are offered."""
    assert completed(*command, "--store", str(two)) == ["census-1", "census-2"]
    assert completed(*command, "--store", str(two), incomplete="census-2") == ["census-2"]
    assert completed(*command, "--store", str(two), incomplete="x") == []


def test_completion_looks_where_the_command_would(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DAGGER_STORE and .dagger are looked into where the line names no store."""
    monkeypatch.chdir(tmp_path)
    assert completed("show") == []
    monkeypatch.setenv("DAGGER_STORE", str(two))
    assert completed("show") == ["census-1", "census-2"]
    assert completed("run", "flow.py", "--run-id") == ["census-1", "census-2"]
    monkeypatch.delenv("DAGGER_STORE")
    two.rename(".dagger")
    assert completed("show") == ["census-1", "census-2"]


@pytest.mark.spoilt("its file is cut short")
def test_completion_never_fails(tmp_path: Path) -> None:
    """Where there is no store, or a broken one, nothing is offered and nothing is raised."""
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "data.mdb").write_text("this is no journal")
    assert completed("show", "--store", str(tmp_path)) == []


def test_ids_of_schedules_are_completed(invoke: Invoke, interrupted: Path) -> None:
    """Wherever a command is about a schedule, those of the store are offered."""
    for id in ("nightly", "now"):
        invoke("schedule", "numbers", "every 1h", "--id", id, "--store", str(interrupted))
    where = ("--store", str(interrupted))
    assert completed("schedules", *where, "--pause", incomplete="ni") == ["nightly"]
    assert completed("runs", *where, "--schedule") == ["nightly", "now"]
    assert completed("schedules", "--store", "nowhere", "--pause") == []
