"""`dagger run`: progress to stderr, the report to stdout, pictures where they are wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, Write

CHATTY = """
    print("imported")

    @agent(subscribe="squares")
    async def talk(payload: int, ctx: Context) -> None:
        print("handled")
"""
FINISH = """
    def finish(run, report):
        return f"{report.outputs['squares'][0]} is the answer of {run.id}"
"""


def test_the_report_is_all_of_stdout(invoke: Invoke, write: Write) -> None:
    """Progress goes to stderr, so that stdout holds the report and nothing else."""
    ended = invoke("run", write(), "--input", "3", "--run-id", "nine")
    assert ended.stdout.startswith("run nine · completed after ")
    assert ended.stdout.endswith("outputs (1)\n  squares: 9\n")
    assert ended.stderr.count("\n") == 1
    assert "completed · 2 messages · 1 handled · 0 pending" in ended.stderr


def test_json_is_all_of_stdout(invoke: Invoke, write: Write) -> None:
    """With --json nothing but the report is written to stdout, whatever the file prints."""
    ended = invoke("run", write(CHATTY + FINISH), "--input", "3", "--json")
    report = json.loads(ended.stdout)
    assert (report["status"], report["handled"]) == ("completed", 2)
    assert ended.stderr == "imported\nhandled\n"


def test_what_agents_print_is_printed(invoke: Invoke, write: Write) -> None:
    """Without --json, what the file and its agents print stays where they print it."""
    assert invoke("run", write(CHATTY), "--input", "3").stdout.startswith("imported\nhandled\nrun ")


@pytest.mark.parametrize(
    ("option", "value", "status"),
    [("--max-messages", "1", "over_budget"), ("--timeout", "1e-9", "timed_out")],
)
def test_limits_hold(invoke: Invoke, write: Write, option: str, value: str, status: str) -> None:
    """The limits of the command line are those of the run."""
    source = """
    import anyio

    @agent(subscribe="squares")
    async def rest(payload: int) -> None:
        await anyio.sleep_forever()
    """
    ended = invoke("run", write(source), "--input", "3", "--json", option, value)
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["status"] == status


@pytest.mark.parametrize("option", ["--timeout", "--max-messages", "--max-tokens"])
def test_limits_are_above_zero(invoke: Invoke, write: Write, option: str) -> None:
    """A limit of nothing is a usage error."""
    ended = invoke("run", write(), "--input", "3", option, "0")
    assert ended.exit_code == 2
    assert "a limit is a number above 0" in ended.stderr


def test_an_unknown_setting_in_the_environment_is_told(
    invoke: Invoke, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that is misspelt is a usage error naming the nearest one."""
    monkeypatch.setenv("DAGGER_CAPACTIY", "3")
    ended = invoke("run", write(), "--input", "3")
    assert ended.exit_code == 2
    assert "the nearest known one is 'capacity'" in ended.stderr


def test_finish_has_the_last_word(invoke: Invoke, write: Write) -> None:
    """What the file's `finish(run, report)` returns is printed below the report."""
    ended = invoke("run", write(FINISH), "--input", "3", "--run-id", "nine")
    assert ended.stdout.endswith("squares: 9\n\n9 is the answer of nine\n")


def test_finish_is_for_runs_that_complete(invoke: Invoke, write: Write) -> None:
    """A run that ends in another way has its report only: what `finish` needs may be missing."""
    ended = invoke("run", write(FINISH), "--input", "3", "--max-messages", "1")
    assert ended.exit_code == 1
    assert "Error" not in ended.stderr


def test_an_agent_called_finish_is_an_agent(invoke: Invoke, write: Write) -> None:
    """`finish` means nothing else where it is an agent."""
    path = write('@agent(subscribe="squares")\nasync def finish(payload): ...')
    ended = invoke("run", path, "--input", "3")
    assert ended.exit_code == 0


def test_a_finish_that_fails_takes_nothing_away(
    invoke: Invoke, write: Write, tmp_path: Path
) -> None:
    """An error in `finish` is a short traceback; the report and the pictures are there."""
    path = write("def finish(run, report):\n    return report.nothing")
    ended = invoke("run", path, "--input", "3", "--dot", str(tmp_path / "run.dot"))
    assert ended.exit_code == 2
    assert ended.stdout.startswith("run ")
    assert f'Error: finish(run, report) failed\n  File "{path}", line' in ended.stderr
    assert (tmp_path / "run.dot").exists()


def test_pictures_are_written_and_named(invoke: Invoke, write: Write, tmp_path: Path) -> None:
    """--dot and --svg draw the execution tree, and stderr says where."""
    dot, svg = tmp_path / "run.dot", tmp_path / "run.svg"
    ended = invoke("run", write(), "--input", "3", "--dot", str(dot), "--svg", str(svg))
    assert ended.exit_code == 0
    assert f"wrote {dot}\n" in ended.stderr
    assert dot.read_text("utf-8").startswith("digraph")
    if f"wrote {svg}\n" in ended.stderr:
        assert "<svg" in svg.read_text("utf-8")


def test_without_graphviz_there_is_a_sentence_instead(
    invoke: Invoke, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Graphviz is not installed --svg says so, and the run is none the worse for it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    svg = tmp_path / "run.svg"
    ended = invoke("run", write(), "--input", "3", "--svg", str(svg))
    assert ended.exit_code == 0
    assert f"{svg} was not written: drawing needs Graphviz's program `dot`" in ended.stderr
    assert not svg.exists()


def test_a_picture_without_a_folder_is_told_before_the_run(
    invoke: Invoke, write: Write, tmp_path: Path
) -> None:
    """A picture that could not be written is a usage error before anything is run."""
    ended = invoke("run", write(CHATTY), "--dot", str(tmp_path / "nowhere" / "run.dot"))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "there is no folder" in ended.stderr
