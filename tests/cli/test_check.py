"""`dagger check`: findings, and an exit code that follows from them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Invoke, Write

MISFIT = """
    @agent(subscribe="squares")
    async def text(payload: str): ...
"""


def test_notes_and_warnings_are_no_errors(invoke: Invoke, write: Write) -> None:
    """Notes and warnings are printed, counted, and leave the exit code at 0."""
    ended = invoke("check", write())
    assert ended.exit_code == 0
    *findings, summary = ended.stdout.splitlines()
    assert [line.split()[:2] for line in findings] == [["note", "numbers:"], ["note", "squares:"]]
    assert summary == "1 agent, 2 channels: 0 errors, 0 warnings, 2 notes"


def test_errors_are_1(invoke: Invoke, write: Write) -> None:
    """A publisher that can never serve its subscriber is an error, and the exit code 1."""
    ended = invoke("check", write(MISFIT))
    assert ended.exit_code == 1
    assert ended.stdout.startswith("error    square -> squares -> text: ")
    assert "1 error, " in ended.stdout


def test_the_start_is_that_of_a_run(invoke: Invoke, write: Write) -> None:
    """What is checked is a run from --channel, or else from the file's `channel`."""
    assert invoke("check", write("channel = 'numbers'")).exit_code == 0
    ended = invoke("check", write("channel = 'numbers'"), "--channel", "nubmers")
    assert ended.exit_code == 1
    assert "no agent subscribes to it; did you mean 'numbers'?" in ended.stdout


def test_findings_are_json_too(invoke: Invoke, write: Write) -> None:
    """--json prints the findings as data, with the same exit code."""
    ended = invoke("check", write(MISFIT), "--json")
    assert ended.exit_code == 1
    first = json.loads(ended.stdout)[0]
    assert set(first) == {"level", "code", "subject", "text"}
    assert (first["level"], first["code"]) == ("error", "schemas")


def test_the_topology_is_drawn(invoke: Invoke, write: Write, tmp_path: Path) -> None:
    """--dot writes agents and channels as they are declared."""
    dot = tmp_path / "topology.dot"
    ended = invoke("check", write(), "--dot", str(dot))
    assert ended.stderr == f"wrote {dot}\n"
    assert "squares" in dot.read_text("utf-8")


def test_nothing_is_run(invoke: Invoke, write: Write) -> None:
    """Checking calls no handler."""
    path = write('payload = 3\n@agent(subscribe="squares")\nasync def f(payload): print("run")')
    assert "run" not in invoke("check", path).stdout.split()
