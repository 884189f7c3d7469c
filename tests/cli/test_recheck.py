"""`dagger recheck`: what would be different with the agents of today."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Invoke, Write

CUBE = """
    from dagger import agent

    @agent(subscribe="numbers", publish="squares")
    async def square(payload: int) -> int:
        print("called")
        return payload ** 3
"""


def test_the_same_code_does_the_same(invoke: Invoke, write: Write, nine: Path) -> None:
    """Nothing differs, the exit code is 0, and nothing is written."""
    before = invoke("runs", "--store", str(nine)).stdout
    ended = invoke("recheck", "nine", write(), "--allow-bodies", "--store", str(nine))
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "nothing differs\n", "")
    assert invoke("runs", "--store", str(nine)).stdout == before


def test_what_would_be_different_is_told(invoke: Invoke, write: Write, nine: Path) -> None:
    """A line for each difference, or data, and the exit code is 1."""
    command = ("recheck", "nine", write(above=CUBE), "--allow-bodies", "--store", str(nine))
    ended = invoke(*command)
    assert (ended.exit_code, ended.stderr) == (1, "")
    assert ended.stdout.splitlines() == [
        "called",
        "square:nine.1: message 0: squares 9 → squares 27",
    ]
    ended = invoke(*command, "--json")
    (found,) = json.loads(ended.stdout)
    assert (found["agent"], found["was"], found["now"]) == ("square", "squares 9", "squares 27")
    assert ended.stderr == "called\n"


def test_what_is_not_known_of_a_run_is_told(
    invoke: Invoke, write: Write, nine: Path, tmp_path: Path
) -> None:
    """Of a run that was imported nothing is given to anybody, so that nothing can differ."""
    lines = invoke("export", "nine", "--store", str(nine)).stdout
    other = str(tmp_path / "other")
    assert invoke("import", "-", "--store", other, input=lines).exit_code == 0
    ended = invoke("recheck", "nine", write(above=CUBE), "--allow-bodies", "--store", other)
    assert (ended.exit_code, ended.stdout) == (0, "nothing differs\n")
    assert ended.stderr == (
        "what run nine had done before it was forked or imported is not known here, "
        "and was not looked at\n"
    )


def test_no_handler_is_called_unless_it_may_be(invoke: Invoke, write: Write, nine: Path) -> None:
    """Without --allow-bodies it is told which agents are other code, and that this was all."""
    ended = invoke("recheck", "nine", write(above=CUBE), "--store", str(nine))
    assert ended.exit_code == 1
    assert ended.stdout.startswith("square: code: ")
    assert ended.stderr == "no handler was called; --allow-bodies does what they do again\n"
    ended = invoke(
        "recheck", "nine", write(above=CUBE.replace("square(", "cube(")), "--store", str(nine)
    )
    assert (ended.exit_code, ended.stdout) == (1, "square: agent: there → missing\n")


def test_what_is_not_there_is_told(invoke: Invoke, write: Write, nine: Path) -> None:
    """Without that run the exit code is 2, without a store 3."""
    path = write()
    ended = invoke("recheck", "ten", path, "--store", str(nine))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr == f"Error: no run 'ten' in {nine}; the latest: 'nine'\n"
    ended = invoke("recheck", "nine", path, "--store", f"{nine}-not")
    assert (ended.exit_code, ended.stdout) == (3, "")
