"""`dagger flow`: what is wrong with a flow, and its picture."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from tests.cli.conftest import Invoke, Write
from tests.views import drawn

GOOD = """\
    name: squares
    inputs: {numbers: {type: array}, spare: {}}
    steps:
      - {id: square, uses: square, foreach: "${{ inputs.numbers }}", with: {number: "${{ item }}"}}
      - {id: tell, uses: publish, with: {channel: done, payload: "${{ steps.square.output }}"}}
    """

STEPS = """
    from dagger.flows import step

    @step
    def double(number: int) -> int:
        return 2 * number
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """A flow without errors."""
    return saved(tmp_path, GOOD)


def saved(folder: Path, text: str) -> Path:
    """A text as a file."""
    path = folder / "squares.yml"
    path.write_text(dedent(text), "utf-8")
    return path


def test_a_flow_without_errors_is_0(invoke: Invoke, flow: Path) -> None:
    """Warnings are printed with their places, and leave the exit code at 0."""
    ended = invoke("flow", "check", str(flow))
    assert ended.exit_code == 0
    assert ended.stdout.splitlines() == [
        f"warning  {flow}:2:34: nothing uses the input 'spare'",
        "1 file, 2 steps: 0 errors, 1 warning; what the steps use was not looked for (see --steps)",
    ]


def test_errors_are_1_and_all_are_told(invoke: Invoke, tmp_path: Path) -> None:
    """Every error is a line that begins with the place, and the exit code is 1."""
    path = saved(tmp_path, GOOD.replace("item", "itme").replace("uses: publish", "uses: ask"))
    ended = invoke("flow", "check", str(path))
    assert ended.exit_code == 1
    lines = ended.stdout.splitlines()
    assert lines[0] == f"error    {path}:4:86: unknown name 'itme'; did you mean 'item'?"
    assert lines[-1].startswith("1 file, 2 steps: 4 errors, 0 warnings")


def test_names_are_looked_up_in_files(invoke: Invoke, flow: Path, write: Write) -> None:
    """--steps names files with what the steps may use; then what is not there is an error."""
    ended = invoke("flow", "check", str(flow), "--steps", write(STEPS))
    assert ended.exit_code == 0
    assert "see --steps" not in ended.stdout
    ended = invoke("flow", "check", str(flow), "--steps", write(STEPS, above="\n"))
    assert "4:24: unknown agent or step function 'square'" in ended.stdout
    assert ended.exit_code == 1


def test_names_are_looked_up_in_modules(
    invoke: Invoke, flow: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are modules that the setting flow_modules names; one that fails is told."""
    monkeypatch.syspath_prepend(Path(write(STEPS, above="\n")).parent)
    monkeypatch.setenv("DAGGER_FLOW_MODULES", "flow")
    assert "unknown agent or step function 'square'" in invoke("flow", "check", str(flow)).stdout
    monkeypatch.setenv("DAGGER_FLOW_MODULES", "no_such_module")
    ended = invoke("flow", "check", str(flow))
    assert ended.exit_code == 2
    assert "the module 'no_such_module', which flow_modules names, cannot be imported" in (
        ended.stderr
    )


def test_findings_are_json_too(invoke: Invoke, flow: Path) -> None:
    """--json prints them as data."""
    (found,) = json.loads(invoke("flow", "check", str(flow), "--json").stdout)
    assert found == {
        "level": "warning",
        "path": str(flow),
        "line": 2,
        "column": 34,
        "problem": "nothing uses the input 'spare'",
        "part": "",
        "unknown": "",
    }


def test_a_built_in_that_the_settings_refuse_is_a_warning(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could be run elsewhere; here `dagger flow run` would refuse it."""
    text = "name: f\nsteps:\n  - {id: a, uses: sleep, with: {seconds: 1}, compensate: shell}\n"
    path = saved(tmp_path, text.replace("shell", "{uses: shell, with: {command: [ls]}}"))
    ended = invoke("flow", "check", str(path))
    assert ended.exit_code == 0
    assert ended.stdout.splitlines()[0] == (
        f"warning  {path}:3:65: 'shell' runs programs, which the setting flow_shell does not allow;"
        " set it to true where flows may"
    )
    monkeypatch.setenv("DAGGER_FLOW_SHELL", "true")
    assert "1 file, 1 step: 0 errors, 0 warnings" in invoke("flow", "check", str(path)).stdout


def test_the_picture_is_printed(invoke: Invoke, flow: Path) -> None:
    """`dagger flow dot` prints DOT source, and says what is wrong where there are errors."""
    assert '"square" -> "tell"' in invoke("flow", "dot", str(flow)).stdout
    ended = invoke("flow", "dot", str(saved(flow.parent, "name: f\n")))
    assert ended.exit_code == 2
    assert "squares.yml:1:1: the document lacks 'steps'" in ended.stderr


@drawn.needs_graphviz
def test_the_picture_is_drawn(invoke: Invoke, flow: Path, tmp_path: Path) -> None:
    """--svg draws it to a file."""
    svg = tmp_path / "flow.svg"
    ended = invoke("flow", "dot", str(flow), "--svg", str(svg))
    assert ended.stderr == f"wrote {svg}\n"
    assert "square" in svg.read_text("utf-8")


def test_a_file_that_is_not_there_is_2(invoke: Invoke) -> None:
    """It is a mistake of usage."""
    assert invoke("flow", "check", "nothing.yml").exit_code == 2
