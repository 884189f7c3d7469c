"""`dagger fork`, and the messages that a fork begins with."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from dagger.cli import sending
from tests.cli.conftest import Invoke, Write
from tests.cli.processes import owning, said, tell

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


def report_of(invoke: Invoke, store: Path, run_id: str) -> dict[str, Any]:
    """What `dagger show` says of a run."""
    shown = invoke("show", run_id, "--json", "--store", str(store))
    report: dict[str, Any] = json.loads(shown.stdout)
    return report


# -- messages ------------------------------------------------------------------------


def test_messages_are_shown_with_their_ids(invoke: Invoke, nine: Path) -> None:
    """A line for each message: its id, its channel, from whom, for whom, and what it says."""
    shown = invoke("show", "nine", "--messages", "--store", str(nine))
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout.splitlines() == [
        "nine.0.0 · numbers · outside → square · 3",
        "nine.1.0 · squares · square → nobody · 9",
    ]


def test_messages_are_data_too(invoke: Invoke, nine: Path) -> None:
    """--json has the node that published each, the record that did, and the whole payload."""
    shown = invoke("show", "nine", "--messages", "--json", "--store", str(nine))
    first, second = json.loads(shown.stdout)
    assert (first["node_id"], first["heard_by"]) == (None, ["square"])
    assert (second["node_id"], second["heard_by"]) == ("square:nine.1", [])
    assert (second["agent"], second["channel"], second["payload"]) == ("square", "squares", 9)
    assert 0 < first["position"] < second["position"]


def test_long_payloads_are_cut(invoke: Invoke, write: Write, store: Path) -> None:
    """A line stays a line, whatever a message says; --json does not cut."""
    path = write('@agent(subscribe="texts")\nasync def read(payload): ...\nagents = read')
    options = ("--store", str(store), "--run-id", "long")
    invoke("run", path, "--input", json.dumps("a\n" * 1000), *options)
    (line,) = invoke("show", "long", "--messages", *options[:2]).stdout.splitlines()
    assert len(line) == 160
    assert line.endswith("…")


def test_what_came_before_a_fork_is_elsewhere(
    invoke: Invoke, write: Write, nine: Path, tmp_path: Path
) -> None:
    """The messages of a fork are its own: which run has the others is told, or that none has."""
    words = ("--at", "nine.0.0", "--run-id", "again", "--agents", write())
    assert invoke("fork", "nine", *words, "--store", str(nine)).exit_code == 0
    shown = invoke("show", "again", "--messages", "--store", str(nine))
    assert shown.stdout == "again.1.0 · squares · square → nobody · 9\n"
    assert shown.stderr == "1 message before that: in run nine, up to nine.0.0\n"
    piped = invoke("export", "nine", "--store", str(nine))
    other = ("--store", str(tmp_path / "other"))
    invoke("import", "-", *other, input=piped.stdout)
    shown = invoke("show", "nine", "--messages", *other)
    assert (shown.stdout, shown.stderr) == ("", "2 messages before that: not in here\n")


# -- without an owner ----------------------------------------------------------------


def test_a_fork_is_left_open_without_an_owner(invoke: Invoke, write: Write, nine: Path) -> None:
    """It is made in the store, and goes on once there are agents; its parent stays as it is."""
    before = report_of(invoke, nine, "nine")
    options = ("--store", str(nine))
    forked = invoke("fork", "nine", "--at", "nine.0.0", "--run-id", "again", *options)
    assert (forked.exit_code, forked.stderr) == (0, "")
    where = f"again --store {nine}"
    assert forked.stdout == (
        f"run again is interrupted; dagger resume {where} --agents FILE.py goes on with it\n"
    )
    assert invoke("resume", "again", "--agents", write(), *options).exit_code == 0
    assert report_of(invoke, nine, "again")["outputs"] == {"squares": [9]}
    assert report_of(invoke, nine, "nine") == before


def test_a_fork_may_say_something_else(
    invoke: Invoke, write: Write, nine: Path, tmp_path: Path
) -> None:
    """With --agents it goes on here; --payload is JSON text, @file or -, and null is one, too."""
    (tmp_path / "five.json").write_text("5")
    command = ("fork", "nine", "--at", "nine.0.0", "--agents", write(), "--store", str(nine))
    for name, given, code, outputs in (
        ("four", "4", 0, {"squares": [16]}),
        ("five", f"@{tmp_path / 'five.json'}", 0, {"squares": [25]}),
        ("none", "null", 1, {}),
    ):
        forked = invoke(*command, "--run-id", name, "--payload", given)
        assert forked.exit_code == code
        assert forked.stdout.startswith(f"run {name} · ")
        assert report_of(invoke, nine, name)["outputs"] == outputs
    refused = invoke(*command, "--payload", "four")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: --payload is not JSON: ")


def test_a_fork_may_begin_with_all_that_was_pending(
    invoke: Invoke, write: Write, store: Path
) -> None:
    """With --frontier all that was pending when the message was published goes on."""
    path = write(
        '@agent(subscribe="starts", publish="numbers", publish_each=True)\n'
        "async def spread(payload): return payload\n"
        'channel = "starts"'
    )
    options = ("--store", str(store), "--run-id")
    assert invoke("run", path, "--input", "[1, 2, 3]", *options, "all").exit_code == 0
    for name, flags, outputs in (("one", (), [4]), ("three", ("--frontier",), [1, 4, 9])):
        command = ("fork", "all", "--at", "all.1.1", *flags, "--agents", path, *options, name)
        assert invoke(*command).exit_code == 0
        assert report_of(invoke, store, name)["outputs"]["squares"] == outputs


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--at", "nine.7.7"], "no message 'nine.7.7'; run 'nine' has not published it"),
        (["--at", "nine.1.0"], "no agent has heard message 'nine.1.0'"),
        (["--at", "nine.0.0", "--run-id", "nine"], "run id 'nine' is taken"),
    ],
)
def test_what_cannot_be_forked_is_told(
    invoke: Invoke, nine: Path, words: list[str], why: str
) -> None:
    """A message that was never published or heard, an id that is taken: 2, and nothing is made."""
    ended = invoke("fork", "nine", *words, "--store", str(nine))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert why in ended.stderr
    assert len(invoke("runs", "--store", str(nine)).stdout.splitlines()) == 2


# -- by the owner --------------------------------------------------------------------


@posix
def test_the_owner_makes_the_fork(invoke: Invoke, store: Path) -> None:
    """A fork of a run in another process begins there, under the id that is printed."""
    options = ("--store", str(store))
    with owning(store):
        command = ("fork", "mine", "--at", "mine.0.0", "--payload", "6", *options)
        forked = invoke(*command, "--run-id", "again")
        assert (forked.exit_code, forked.stderr) == (0, "")
        assert forked.stdout.startswith("run again is ")
        watched = invoke("watch", "again", "--after", "0", *options)
        assert watched.exit_code == 0
        taken = invoke(*command, "--run-id", "again")
        assert (taken.exit_code, taken.stderr) == (
            2,
            "Error: run id 'again' is taken; a fork is a new run\n",
        )
    assert report_of(invoke, store, "again")["outputs"] == {"squares": [36]}


@posix
def test_what_the_owner_refuses_is_told(
    invoke: Invoke, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only the owner can know is refused by it, with its reason."""
    monkeypatch.setenv("DAGGER_MAX_PAYLOAD_BYTES", "10")
    with owning(store) as owner:
        command = ("fork", "mine", "--at", "mine.0.0", "--store", str(store), "--payload")
        ended = invoke(*command, '"more than ten bytes"')
        assert (ended.exit_code, ended.stdout) == (2, "")
        assert "asks to fork run 'mine': " in ended.stderr
        assert "more than the 10 allowed" in ended.stderr
        monkeypatch.setattr(sending, "PATIENCE", 0.2)
        owner.send_signal(signal.SIGSTOP)
        ended = invoke(*command, "1")
        owner.send_signal(signal.SIGCONT)
        assert ended.exit_code == 3
        assert "it stays in the inbox" in ended.stderr
        tell(owner, "2")
        assert said(owner) == "published\n"


@posix
def test_agents_need_a_store_of_their_own(invoke: Invoke, write: Write, store: Path) -> None:
    """With --agents somebody else's store is in use, and nothing is made in it."""
    with owning(store) as owner:
        command = ("fork", "mine", "--at", "mine.0.0", "--agents", write(), "--store", str(store))
        ended = invoke(*command)
        assert (ended.exit_code, ended.stdout) == (3, "")
        assert f"is in use by process {owner.pid} on " in ended.stderr
        assert len(invoke("runs", "--store", str(store)).stdout.splitlines()) == 2
