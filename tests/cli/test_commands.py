"""The command itself: quick to help, small, and the same however it is called."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dagger.cli import main
from dagger.cli.commands import SECTIONS
from tests.cli.conftest import Invoke

HEAVY = {
    "anyio",
    "asyncio",
    "dagger.executor.executor",
    "graphviz",
    "jsonschema",
    "jsonschema_rs",
    "lmdb",
    "networkx",
    "pydantic",
    "rich",
}
COMMANDS = sorted(
    (f"{above} {name}".strip(), each)
    for above, group in [("", main), *main.commands.items()]
    if isinstance(group, click.Group)
    for name, each in group.commands.items()
)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["agents", "--help"], ["flow", "run", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Help is there before any of the heavy libraries, or the executor, could be imported."""
    program = f"""
import sys
from dagger.cli import main
from dagger.cli.commands import SECTIONS
try:
    main({arguments})
finally:
    print(*sys.modules, file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "Usage:" in ended.stdout
    assert HEAVY.isdisjoint(ended.stderr.split())


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_commands_are_short(name: str, command: click.Command) -> None:
    """A command translates and decides nothing: its function has fewer than 25 lines."""
    assert command.callback is not None
    function = ast.parse(inspect.getsource(command.callback)).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert function.end_lineno is not None
    assert function.end_lineno - function.lineno + 1 < 25


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_commands_and_options_say_what_they_are_for(name: str, command: click.Command) -> None:
    """Every command has a first sentence that fits its line, every option a help text."""
    assert command.get_short_help_str(limit=70).endswith(".")
    for option in command.params:
        assert isinstance(option, click.Argument) or getattr(option, "help", None), option.name


def test_help_groups_the_commands(invoke: Invoke) -> None:
    """Every command has its line below the title of what it is about."""
    lines = invoke("--help").stdout.splitlines()
    titles = [line for line in lines if line.endswith(":")]
    assert titles[1:] == [f"{title}:" for title in SECTIONS]
    told = [line.split()[0] for line in lines if line.startswith("  ") and "  " in line[2:]]
    assert {*main.commands} <= {*told}


def test_python_m_dagger_is_the_same_command() -> None:
    """`python -m dagger` is `dagger`, exit codes and all."""
    ended = subprocess.run(
        [sys.executable, "-m", "dagger", "run", "nowhere.py"], capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "Error: there is no file 'nowhere.py'\n"


def test_the_version_is_that_of_the_distribution(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dagger --version` tells the version of dagger-runtime that is installed."""
    installed = tmp_path / "dagger_runtime-9.8.7.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: dagger-runtime\nVersion: 9.8.7\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert invoke("--version").stdout == "dagger, version 9.8.7\n"
