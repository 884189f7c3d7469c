"""Commands run in this process, on files of agents that a test writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import anyio
import pytest
from click.testing import CliRunner, Result

from dagger import Executor, agent
from dagger.cli import main, sending
from tests.patience import PATIENCE

Write = Callable[..., str]
Invoke = Callable[..., Result]

AGENTS = """
    from dagger import Config, Context, EventDriven, agent

    @agent(subscribe="numbers", publish="squares")
    async def square(payload: int) -> int:
        return payload * payload
"""
"""A file that needs to be told nothing but its input."""

OF_A_RUN = [
    ["show"],
    ["dot"],
    ["watch"],
    ["dead-letters"],
    ["pause"],
    ["resume"],
    ["cancel"],
    ["fork", "--at", "x.0.0"],
    ["diff", "census-1"],
    ["export"],
]
"""Commands about one run, whose id comes next."""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Owners of stores may take as long to answer as a busy machine needs."""
    monkeypatch.setattr(sending, "PATIENCE", PATIENCE)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No store is named by the environment."""
    monkeypatch.delenv("DAGGER_STORE", raising=False)


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    """Commands do the same on any disk: the fastest one will do."""
    return memory_path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "state"


@pytest.fixture
def interrupted(store: Path) -> Path:
    """A store that nobody owns: in it are the open run "mine" and the failed run "other"."""

    @agent(subscribe="numbers", publish="squares", max_attempts=2, retry="immediate")
    async def square(payload: int) -> int:
        if payload == 9:
            await anyio.sleep_forever()
        return 9 // (payload - 7) * payload

    async def main() -> None:
        async with Executor([square], store=store) as executor:
            await executor.run("numbers", 7, run_id="other")
            run = await executor.start("numbers", 3, run_id="mine")
            await run.publish("numbers", 9)

    anyio.run(main)
    return store


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
def two(invoke: Invoke, write: Write, store: Path) -> Path:
    """A store with two runs that have ended."""
    path = write()
    for name in ("census-1", "census-2"):
        options = ("--input", "3", "--store", str(store), "--run-id", name)
        assert invoke("run", path, *options).exit_code == 0
    return store


@pytest.fixture
def invoke() -> Invoke:
    """Run `dagger` with some arguments; its result has `exit_code`, `stdout` and `stderr`."""

    def invoked(*arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=input, prog_name="dagger")

    return invoked


@pytest.fixture
def nine(invoke: Invoke, write: Write, store: Path) -> Path:
    """A store with the run "nine", in which `square` of AGENTS has squared 3."""
    options = ("--store", str(store), "--run-id", "nine")
    assert invoke("run", write(), "--input", "3", *options).exit_code == 0
    return store
