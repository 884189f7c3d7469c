"""FILE.py[:NAME]: what can be imported, and what is said where it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, Write


@pytest.mark.parametrize("target", ["flow", "flow.txt", "flow.py:", "flow.py:a-b", ".py"])
def test_a_target_is_a_python_file_and_maybe_a_name(invoke: Invoke, target: str) -> None:
    """Anything but FILE.py or FILE.py:NAME is a usage error that says what a target is."""
    ended = invoke("agents", target)
    assert ended.exit_code == 2
    assert ended.stderr == (
        f"Error: {target!r} is not a Python file; write FILE.py or FILE.py:NAME\n"
    )


def test_the_folder_of_the_file_can_be_imported_from(
    invoke: Invoke, write: Write, tmp_path: Path
) -> None:
    """A file imports its neighbours, as a script does."""
    (tmp_path / "neighbour.py").write_text("CHANNEL = 'letters'\n")
    path = write("import neighbour\nchannel = neighbour.CHANNEL")
    assert "no channel 'letters'" in invoke("run", path).stderr


def test_a_file_may_be_called_like_a_module_that_is_loaded(
    invoke: Invoke, write: Write, tmp_path: Path
) -> None:
    """Loading json.py leaves the json module of everybody else alone."""
    loaded = sys.modules["json"]
    path = Path(write()).rename(tmp_path / "json.py")
    assert invoke("run", str(path), "--input", "3").exit_code == 0
    assert sys.modules["json"] is loaded


def test_an_error_in_the_file_is_a_short_traceback(invoke: Invoke, write: Write) -> None:
    """What a file raises is shown from the file on, without the machinery that loads it."""
    path = write("def broken():\n    return 1 / 0\n\nbroken()", above="")
    ended = invoke("run", path)
    assert ended.exit_code == 2
    assert ended.stderr.splitlines()[:3] == [
        f"Error: {path} cannot be imported",
        f'  File "{path}", line 4, in <module>',
        "    broken()",
    ]
    assert ended.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "importlib" not in ended.stderr
    assert "dagger/cli" not in ended.stderr


def test_a_file_that_does_not_parse_is_named_with_its_line(invoke: Invoke, write: Write) -> None:
    """A syntax error shows the line and where in it."""
    path = write("agents = [\n", above="")
    ended = invoke("check", path)
    assert ended.exit_code == 2
    assert f'File "{path}", line 1' in ended.stderr
    assert "SyntaxError: '[' was never closed" in ended.stderr


def test_a_wrong_declaration_is_one_sentence(invoke: Invoke, write: Write) -> None:
    """What Dagger itself has against a file needs no traceback: it names function and line."""
    path = write('@agent(subscribe="numbers")\nasync def odd(number): ...')
    ended = invoke("agents", path)
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"Error: odd ({path}:")
    assert ended.stderr.count("\n") == 1


def test_a_script_that_exits_is_told_how_not_to(invoke: Invoke, write: Write) -> None:
    """A file that calls sys.exit while it is imported does not end the command unseen."""
    ended = invoke("run", write("import sys\nsys.exit(0)"))
    assert ended.exit_code == 2
    assert "it calls sys.exit(0) while it is imported" in ended.stderr
    assert 'if __name__ == "__main__":' in ended.stderr
