"""Commands run in this process, on files of agents that a test writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from dagger.cli import main

Write = Callable[..., str]
Invoke = Callable[..., Result]

AGENTS = """
    from dagger import Config, Context, EventDriven, agent

    @agent(subscribe="numbers", publish="squares")
    async def square(payload: int) -> int:
        return payload * payload
"""
"""A file that needs to be told nothing but its input."""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a file of agents and give its path; what importing it leaves behind is undone."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def written(source: str = "", *, above: str = AGENTS) -> str:
        path = tmp_path / "flow.py"
        path.write_text(dedent(above) + dedent(source), encoding="utf-8")
        return str(path)

    yield written
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def invoke() -> Invoke:
    """Run `dagger` with some arguments; its result has `exit_code`, `stdout` and `stderr`."""

    def invoked(*arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=input, prog_name="dagger")

    return invoked
