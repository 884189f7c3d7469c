"""`dagger show` and `dagger dot`: one run, in words and as a picture."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import anyio
import pytest

from dagger import Config, Executor, ResourcePool, Resources, agent
from dagger.executor.policies import telling
from tests.cli.conftest import Invoke, Write
from tests.cli.processes import owning
from tests.waiting import until

SHOW = (sys.executable, "-m", "dagger", "show", "mine", "--store")

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


def test_tree_and_report_are_those_of_the_run(invoke: Invoke, write: Write, store: Path) -> None:
    """The tree comes first, and then the report that `dagger run` has printed."""
    ran = invoke("run", write(), "--input", "3", "--store", str(store), "--run-id", "nine")
    tree, _, report = invoke("show", "nine", "--store", str(store)).stdout.partition("\n\n")
    assert tree.startswith("run nine · 1 node\n└── numbers → square · ")
    assert report == ran.stdout
    ran = invoke(
        "run", write(), "--input", "3", "--store", str(store), "--run-id", "nine", "--json"
    )
    assert invoke("show", "nine", "--store", str(store), "--json").stdout == ran.stdout


def test_an_interrupted_run_says_so(invoke: Invoke, interrupted: Path) -> None:
    """An open run that no process has is paused, and the reason says why."""
    text = invoke("show", "mine", "--store", str(interrupted)).stdout
    assert "\nrun mine · paused, opened " in text
    assert "\n  interrupted: no process has the store open\n" in text


def test_all_of_it_is_in_its_history(invoke: Invoke, store: Path) -> None:
    """What a run does not keep is counted, and --all shows it."""

    @agent(subscribe="numbers", publish="squares")
    async def square(payload: int) -> int:
        return payload * payload

    async def main() -> None:
        config = Config(keep_nodes=1, keep_outputs=2)
        async with Executor([square], store=store, config=config) as executor:
            async with await executor.start("numbers", 0, run_id="long") as run:
                for number in range(1, 20):
                    await run.publish("numbers", number)
            await run.result()

    anyio.run(main)
    options = ("--store", str(store))
    brief = invoke("show", "long", *options).stdout
    assert "earlier nodes, no longer kept" in brief
    assert "(2 kept)" in brief
    whole = invoke("show", "long", *options, "--all").stdout
    assert "run long · 20 nodes" in whole
    assert "no longer kept" not in whole
    assert (
        len(
            json.loads(invoke("show", "long", *options, "--all", "--json").stdout)["outputs"][
                "squares"
            ]
        )
        == 20
    )


def test_dot_is_a_picture_of_the_tree(invoke: Invoke, interrupted: Path, tmp_path: Path) -> None:
    """DOT goes to stdout, or to a file with --dot; nothing else does."""
    ended = invoke("dot", "other", "--store", str(interrupted))
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.startswith('digraph "run other" {')
    assert "ZeroDivisionError" in ended.stdout


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_svg_is_drawn(invoke: Invoke, interrupted: Path, tmp_path: Path) -> None:
    """--svg draws to a file, and stderr says where."""
    svg = tmp_path / "run.svg"
    ended = invoke("dot", "other", "--store", str(interrupted), "--svg", str(svg))
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", f"wrote {svg}\n")
    assert "<svg" in svg.read_text("utf-8")


def test_without_graphviz_there_is_no_svg(
    invoke: Invoke, interrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Graphviz is not installed --svg cannot be done, and the exit code says so."""
    monkeypatch.setenv("PATH", str(tmp_path))
    svg = tmp_path / "run.svg"
    ended = invoke("dot", "other", "--store", str(interrupted), "--svg", str(svg))
    assert ended.exit_code == 2
    assert "drawing needs Graphviz's program `dot`" in ended.stderr
    assert not svg.exists()


@posix
def test_a_run_is_shown_while_it_runs(invoke: Invoke, store: Path) -> None:
    """Showing takes no lock: another process may own the store and go on."""
    with owning(store):
        shown = invoke("show", "mine", "--store", str(store))
        drawn = invoke("dot", "mine", "--store", str(store))
    assert shown.exit_code == drawn.exit_code == 0
    assert "run mine · running, opened " in shown.stdout
    assert "square" in drawn.stdout


def test_who_waits_for_its_turn_is_told_by_the_store(
    invoke: Invoke, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has waited long is written down: another process sees for what, and what it came to."""
    monkeypatch.setattr(telling, "LONG", 0.01)

    @agent(subscribe="jobs", concurrency=2, resources=Resources(gpu=1))
    async def train(payload: int) -> None:
        await going.wait()

    async def main() -> list[str]:
        async with Executor([train], store=store, resources=ResourcePool(gpu=1)) as executor:
            async with await executor.start("jobs", 1, run_id="mine") as run:
                await run.publish("jobs", 2)
                await until(lambda: bool(run.state.waits))
                await executor.publish("jobs", 3)  # on disk when this returns, and so is that
                shown = [
                    (await anyio.run_process([*SHOW, str(store), *more])).stdout.decode()
                    for more in ((), ("--json",))
                ]
                going.set()
            report = await run.result()
        assert report.waited.keys() == {"gpu"}
        return shown

    going = anyio.Event()
    text, told = anyio.run(main)
    assert json.loads(told)["waiting"][0]["node_id"] == "train:mine.2"
    assert "\nwaiting (1)\n  train:mine.2 · for gpu since " in text
    after = invoke("show", "mine", "--store", str(store)).stdout
    assert "\nhave waited (1)\n  gpu · " in after
    assert "\nwaiting" not in after
