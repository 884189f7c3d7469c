"""--store and RUN: which store and run a command is about, and what if there is none."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from dagger.cli import main
from tests.cli.conftest import OF_A_RUN, Invoke

READERS = [
    ["runs"],
    ["show", "x"],
    ["dot", "x"],
    ["watch"],
    ["dead-letters"],
    ["pause", "x"],
    ["resume"],
    ["cancel", "x"],
    ["fork", "x", "--at", "x.0.0"],
    ["diff", "x", "y"],
    ["verify"],
    ["backup", "elsewhere"],
    ["gc"],
    ["compact"],
    ["export", "x"],
]


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_without_a_store_there_is_a_sentence(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Where there is no store the exit code is 3, nothing is made, and one is told what to do."""
    monkeypatch.chdir(tmp_path)
    ended = invoke(*command)
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert ended.stderr == (
        "Error: there is no store in .dagger; name one with --store or DAGGER_STORE, "
        "or make one: dagger run FILE.py --store .dagger\n"
    )
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("command", OF_A_RUN, ids=" ".join)
def test_an_unknown_run_is_told_with_the_nearest_ones(
    invoke: Invoke, two: Path, command: list[str]
) -> None:
    """A run that is not there is a usage error, which names the nearest ids."""
    ended = invoke(*command, "cnesus-1", "--store", str(two))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"Error: no run 'cnesus-1' in {two}; the nearest: 'census-1', 'census-2'\n"
    )


@pytest.mark.parametrize("command", [["pause"], ["resume"], ["cancel"]], ids=" ".join)
def test_what_has_ended_stays_as_it_is(invoke: Invoke, two: Path, command: list[str]) -> None:
    """A run that has ended cannot be paused, resumed or cancelled."""
    ended = invoke(*command, "census-1", "--store", str(two))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr == "Error: run 'census-1' has ended: it is completed\n"


def test_the_store_may_be_named_by_the_environment(
    invoke: Invoke, two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--store beats DAGGER_STORE, which beats .dagger in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGGER_STORE", str(two))
    assert "census-1" in invoke("runs").stdout
    assert invoke("runs", "--store", "elsewhere").exit_code == 3
    monkeypatch.delenv("DAGGER_STORE")
    two.rename(".dagger")
    assert "census-1" in invoke("runs").stdout


@pytest.mark.parametrize("name", sorted({*main.commands} - {"agents", "check", "flow", "review"}))
def test_commands_about_stores_take_a_store(name: str) -> None:
    """Every command that can be about a store has --store, which DAGGER_STORE stands for."""
    (option,) = (each for each in main.commands[name].params if each.name == "store")
    assert isinstance(option, click.Option)
    assert option.envvar == "DAGGER_STORE"
