"""`dagger questions` and `dagger answer`, and questions on the terminal of `dagger run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.cli.conftest import Invoke, Write
from tests.cli.processes import ROOT, running

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")

CLERK = """
    from dagger import Context, Executor, agent

    channel, payload = "start", 1

    @agent(subscribe="start", publish="out")
    async def clerk(ctx: Context) -> list:
        colour = await ctx.ask("Which colour?", choices=["red", "blue"], name="colour")
        many = await ctx.ask("How many?", type=int, validator=lambda it: it > 0, to="boss",
                             default=7, name="many")
        text = await ctx.ask("And the code?", type=str, name="code")
        return [colour, many, text]
"""
"""Asks three questions, one after the other."""


@pytest.fixture
def asking(write: Write, invoke: Invoke, store: Path) -> Path:
    """A store in which a run waits for the first answer; nobody owns it."""
    ended = invoke("run", write(above=CLERK), "--store", str(store), "--run-id", "case")
    assert ended.exit_code == 4
    return store


def test_questions_are_listed(invoke: Invoke, asking: Path) -> None:
    """What is asked, what may be answered and how; as JSON too."""
    shown = invoke("questions", "--store", str(asking))
    assert shown.stdout.startswith("case.1/colour · asked ")
    assert shown.stdout.endswith("\n  Which colour?\n  one of: red, blue\n")
    assert f"dagger answer ID VALUE --store {asking}" in shown.stderr
    [row] = json.loads(invoke("questions", "case", "--json", "--store", str(asking)).stdout)
    assert (row["id"], row["name"], row["question"]) == ("case.1/colour", "colour", "Which colour?")


def test_an_answer_without_an_owner(invoke: Invoke, asking: Path) -> None:
    """Where nobody has the store open it is opened for the answer; a wrong one is refused."""
    command = ("answer", "case.1/colour", "--store", str(asking))
    refused = invoke(*command, "green")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "question 'case.1/colour' does not take this answer: $: " in refused.stderr
    done = invoke(*command, "red", "--by", "anna")
    assert (done.exit_code, done.stdout) == (0, "case.1/colour is answered\n")
    assert invoke(*command, "red").exit_code == 2
    assert invoke("questions", "--store", str(asking)).stdout == f"nothing is asked in {asking}\n"


def test_who_checks_must_run(invoke: Invoke, asking: Path, write: Write) -> None:
    """An answer that the agent itself has to check is refused while it does not run."""
    assert invoke("answer", "case.1/colour", "red", "--store", str(asking)).exit_code == 0
    again = invoke("run", write(above=CLERK), "--store", str(asking), "--run-id", "case")
    assert again.exit_code == 4
    [row] = json.loads(invoke("questions", "--to", "boss", "--json", "--store", str(asking)).stdout)
    assert (row["to"], row["default"]) == ("boss", [7])
    assert invoke("questions", "--to", "anna", "--json", "--store", str(asking)).stdout == "[]\n"
    refused = invoke("answer", "case.1/many", "3", "--store", str(asking))
    assert refused.exit_code == 2
    assert "is not running; start it first" in refused.stderr


OWNER = """
    import sys
    import anyio

    async def main():
        async with Executor([clerk], store=sys.argv[1]) as executor:
            run = await executor.start("start", 1, run_id="case")
            asked = None
            while run.report().ended is None:
                await anyio.sleep(0.01)
                for question in run.questions:
                    if question.id != asked:
                        asked = question.id
                        print(asked, flush=True)
            print(run.report().outputs["out"][0], flush=True)

    anyio.run(main)
"""
"""Tells each question of the clerk's as it comes, and what the clerk publishes."""


@posix
def test_the_owner_takes_answers(invoke: Invoke, store: Path, tmp_path: Path) -> None:
    """A run in another process gets its answers through the inbox, and its own checks count.

    What is typed is JSON or text, whichever the question takes.
    """
    (tmp_path / "owner.py").write_text(dedent(CLERK) + dedent(OWNER))
    with running(str(tmp_path / "owner.py"), str(store)) as owner:
        assert owner.stdout is not None
        for name, wrong, right in [
            ("colour", "12", "blue"),
            ("many", "0", "3"),
            ("code", None, "007"),
        ]:
            id = owner.stdout.readline().strip()
            assert id == f"case.1/{name}"
            if wrong is not None:
                refused = invoke("answer", id, wrong, "--store", str(store))
                assert refused.exit_code == 2
                assert f"question '{id}' does not take this answer: " in refused.stderr
            assert invoke("answer", id, right, "--store", str(store)).exit_code == 0
        assert owner.stdout.readline() == "['blue', 3, '007']\n"


def test_a_person_at_the_terminal_is_asked(write: Write) -> None:
    """`dagger run` asks on its terminal: again after a wrong answer; an empty line takes the
    default.
    """
    pty = pytest.importorskip("pty", reason="there are no such terminals here")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dagger", "run", write(above=CLERK)]
    environment = os.environ | {"TERM": "dumb", "COLUMNS": "100"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        written = b""
        for line in ("green", "red", "", "12"):
            seen = written.count(b"> ")
            while written.count(b"> ") == seen:
                written += os.read(ours, 65536)
            os.write(ours, f"{line}\n".encode())
        assert process.stdout is not None
        report = process.stdout.read().decode()
        os.close(ours)
    assert process.returncode == 0
    assert b"Which colour?" in written
    assert b"no: $: " in written
    assert '["red", 7, "12"]' in report
