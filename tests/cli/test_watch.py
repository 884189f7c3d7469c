"""`dagger watch`: a line for whatever happens, with a cursor to go on from."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.cli.conftest import Invoke, Write
from tests.cli.processes import owning, running, said, tell
from tests.patience import PATIENCE

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


@contextmanager
def watching(store: Path, *options: str) -> Iterator[Popen[str]]:
    """`dagger watch` in a process of its own."""
    with running("-m", "dagger", "watch", "--store", str(store), *options) as process:
        yield process


@posix
def test_a_run_is_watched_until_it_ends(store: Path) -> None:
    """Outcomes, failed attempts and log lines come as they happen, and then the end."""
    with owning(store) as owner, watching(store, "mine", "--after", "0") as watcher:
        words = [said(watcher).split()[2:4] for _ in range(2)]
        assert words == [["opened", "on"], ["ok", "square"]]
        tell(owner, "7")
        words = [said(watcher).split()[2:4] for _ in range(2)]
        assert words == [["failed", "square"], ["dead", "square"]]
        tell(owner, "8")
        assert said(watcher).rstrip().endswith("  info        square · eight!")
        assert " ok " in said(watcher)
        tell(owner, "")
        out, err = watcher.communicate(timeout=PATIENCE)
    assert out.split()[2:4] == ["failed", "after"]
    assert (watcher.returncode, err) == (1, "")


@posix
def test_a_store_is_watched_until_an_interrupt(store: Path) -> None:
    """Without a run all of them are watched, each line naming its run; Ctrl-C exits with 130."""
    with owning(store), watching(store, "--after", "0") as watcher:
        assert said(watcher).split()[2:4] == ["mine", "opened"]
        watcher.send_signal(signal.SIGINT)
        _, err = watcher.communicate(timeout=PATIENCE)
    assert (watcher.returncode, err) == (130, "")


@posix
def test_json_lines_are_whole(store: Path) -> None:
    """With --json each line is an object, with the position that --after takes."""
    with owning(store) as owner, watching(store, "mine", "--after", "0", "--json") as watcher:
        opened, outcome = (json.loads(said(watcher)) for _ in range(2))
        assert opened["event"] == "opened"
        assert outcome["outputs"] == [{"channel": "squares", "payload": 1}]
        assert outcome["position"] > opened["position"]
        tell(owner, "2")
        assert said(owner) == "published\n"
        with watching(store, "mine", "--after", str(outcome["position"]), "--json") as second:
            assert json.loads(said(second))["outputs"] == [{"channel": "squares", "payload": 4}]
        tell(owner, "")
        assert watcher.wait(PATIENCE) == 0


def test_a_run_that_has_ended_is_told_from_its_history(
    invoke: Invoke, write: Write, store: Path
) -> None:
    """--after 0 tells all that ever was of a run; without it there is nothing to wait for."""
    options = ("--store", str(store))
    invoke("run", write(), "--input", "3", "--run-id", "nine", *options)
    ended = invoke("watch", "nine", "--after", "0", *options)
    assert ended.exit_code == 0
    assert [line.split()[2] for line in ended.stdout.splitlines()] == ["opened", "ok", "completed"]
    cursor = ended.stdout.splitlines()[1].split()[0]
    rest = invoke("watch", "nine", "--after", cursor, *options)
    assert rest.stdout == ended.stdout.splitlines()[2] + "\n"
    now = invoke("watch", "nine", *options)
    assert (now.exit_code, now.stdout) == (0, "")
    assert "run nine ended on " in now.stderr


def test_a_run_that_has_failed_is_1(invoke: Invoke, interrupted: Path) -> None:
    """The exit code of watching a run to its end is that of the run."""
    ended = invoke("watch", "other", "--after", "0", "--store", str(interrupted))
    assert ended.exit_code == 1
    assert ended.stdout.splitlines()[-1].split()[2] == "failed"
    assert ended.stderr == "no process has the store open\n"


@posix
def test_a_store_is_watched_from_any_cursor(interrupted: Path) -> None:
    """Also what a snapshot holds by now is told again, of all runs in one order."""
    told: list[list[str]] = []
    with watching(interrupted, "--after", "0") as watcher:
        while not told or told[-1][2:5] != ["mine", "ok", "square"]:
            told.append(said(watcher).split())
    positions = [int(line[0]) for line in told]
    assert positions == sorted(positions)
    assert [line[2:4] for line in told][:2] == [["other", "opened"], ["other", "failed"]]
    with watching(interrupted, "--after", told[1][0]) as watcher:
        assert said(watcher).split() == told[2]


@posix
def test_a_cursor_that_is_not_reached_yet_is_told(interrupted: Path) -> None:
    """A cursor behind the last record is answered in words."""
    with watching(interrupted, "--after", "999999") as watcher:
        assert watcher.stderr is not None
        assert "records so far" in watcher.stderr.readline()
