"""`dagger run` with a store: the same command goes on with the same run."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke, Write
from tests.cli.processes import owning, running, said
from tests.patience import PATIENCE

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals and locks")

STUCK = """
    import anyio
    from pathlib import Path
    from dagger import agent

    @agent(subscribe="start", publish="jobs", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="jobs", publish="done")
    async def work(payload: int) -> int:
        if payload == 5 and not Path(__file__).with_name("free").exists():
            print("stuck", flush=True)
            await anyio.sleep_forever()
        return payload

    payload = 10
"""
"""Stops in the middle, until there is a file called "free" beside it."""

ASK = """
    @agent(subscribe="squares")
    async def ask(payload: int, ctx: Context):
        await ctx.ask("really?")
"""


def stored(invoke: Invoke, store: Path) -> list[dict[str, Any]]:
    """What `dagger runs` says."""
    rows: list[dict[str, Any]] = json.loads(invoke("runs", "--store", str(store), "--json").stdout)
    return rows


def free(tmp_path: Path) -> None:
    """Let what is stuck go on, the next time."""
    (tmp_path / "free").touch()


def test_the_same_command_is_the_same_run(invoke: Invoke, write: Write, store: Path) -> None:
    """Said again after its end, a command prints the report that it has printed before."""
    path = write()
    first = invoke("run", path, "--input", "3", "--store", str(store))
    again = invoke("run", path, "--input", "3", "--store", str(store))
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert again.stdout == first.stdout
    (run,) = stored(invoke, store)
    assert run["id"].startswith("flow-")
    assert f"run {run['id']} ended on " in again.stderr
    assert "; another --run-id starts afresh; its report:\n" in again.stderr


def test_another_command_is_another_run(invoke: Invoke, write: Write, store: Path) -> None:
    """Payload, channel, what is picked of the file, and the file itself make a run another one."""
    path = write('@agent(subscribe=["numbers", "others"])\nasync def f(payload): ...')
    other = Path(path).with_name("other")
    other.mkdir()
    moved = other / "flow.py"
    moved.write_text(Path(path).read_text())
    channel = ("--channel", "numbers")
    commands = [
        (path, *channel, "--input", '{"a": 1, "b": 2}'),
        (path, *channel, "--input", '{"a": 1, "b": 3}'),
        (path, "--channel", "others", "--input", '{"a": 1, "b": 2}'),
        (f"{path}:f", *channel, "--input", '{"a": 1, "b": 2}'),
        (str(moved), *channel, "--input", '{"a": 1, "b": 2}'),
    ]
    for each in commands:
        assert invoke("run", *each, "--store", str(store)).exit_code in (0, 1)
    assert len(stored(invoke, store)) == len(commands)
    same = (path, *channel, "--input", '{"b": 2, "a": 1}')
    assert "ended on" in invoke("run", *same, "--store", str(store)).stderr


def test_a_run_id_names_the_run(invoke: Invoke, write: Write, store: Path) -> None:
    """--run-id starts afresh, and is refused for another first message."""
    options = ("run", write(), "--store", str(store), "--run-id")
    assert invoke(*options, "one", "--input", "3").exit_code == 0
    assert invoke(*options, "two", "--input", "3").exit_code == 0
    assert [each["id"] for each in stored(invoke, store)] == ["one", "two"]
    ended = invoke(*options, "one", "--input", "4")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "run 'one' exists with another first message" in ended.stderr


def test_the_environment_names_a_store(
    invoke: Invoke, write: Write, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DAGGER_STORE makes runs durable, and without it and --store nothing is written."""
    path = write()
    monkeypatch.chdir(store.parent)
    assert invoke("run", path, "--input", "3").exit_code == 0
    assert not Path(".dagger").exists()
    monkeypatch.setenv("DAGGER_STORE", str(store))
    assert invoke("run", path, "--input", "3").exit_code == 0
    assert (store / "journal").is_dir()


def test_a_run_that_waits_is_kept(invoke: Invoke, write: Write, store: Path) -> None:
    """A run that waits for people exits with 4, and says where it is and how it goes on."""
    ended = invoke("run", write(ASK), "--input", "3", "--store", str(store), "--run-id", "asks")
    assert ended.exit_code == 4
    assert ended.stderr.endswith(f"run asks is kept in {store}; the same command goes on with it\n")
    (run,) = stored(invoke, store)
    assert (run["status"], run["ended"]) == ("waiting", None)


def test_a_folder_of_other_things_is_no_store(invoke: Invoke, write: Write, tmp_path: Path) -> None:
    """A folder that holds something else is left alone, and the exit code is 3."""
    ended = invoke("run", write(), "--input", "3", "--store", str(tmp_path))
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert "cannot be opened as a store" in ended.stderr
    assert ended.stderr.count("\n") == 1


@posix
def test_a_killed_run_goes_on(invoke: Invoke, write: Write, store: Path, tmp_path: Path) -> None:
    """Killed in the middle and said again, a command gives one run and a complete report."""
    path = write(above=STUCK)
    with running("-m", "dagger", "run", path, "--store", str(store)) as process:
        assert said(process) == "stuck\n"
        process.kill()
        process.wait(PATIENCE)
    (run,) = stored(invoke, store)
    assert (run["status"], run["owned"]) == ("paused", False)
    assert run["reason"] == "interrupted: no process has the store open"
    free(tmp_path)
    ended = invoke("run", path, "--store", str(store), "--json")
    report = json.loads(ended.stdout)
    assert ended.exit_code == 0
    assert f"run {run['id']}, opened on " in ended.stderr
    assert report["dispositions"] == {"ok": 11}
    assert sorted(report["outputs"]["done"]) == list(range(10))
    assert [each["id"] for each in stored(invoke, store)] == [run["id"]]


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_is_kept(
    invoke: Invoke, write: Write, store: Path, tmp_path: Path, name: str
) -> None:
    """Ctrl-C and SIGTERM leave the run as it is, say where, and exit with 130."""
    path = write(above=STUCK)
    with running("-m", "dagger", "run", path, "--store", str(store), "--run-id", "mine") as process:
        assert said(process) == "stuck\n"
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("stopping; a second Ctrl-C kills\n")
    assert err.endswith(f"run mine is kept in {store}; the same command goes on with it\n")
    free(tmp_path)
    ended = invoke("run", path, "--store", str(store), "--run-id", "mine")
    assert "11 deliveries = 11 ok" in ended.stdout


@posix
def test_a_resumed_run_is_kept_too(
    invoke: Invoke, write: Write, store: Path, tmp_path: Path
) -> None:
    """What is interrupted while it goes on with --agents can go on again."""
    path = write(above=STUCK)
    options = ("--store", str(store))
    for command in (("run", path, "--run-id", "mine"), ("resume", "mine", "--agents", path)):
        with running("-m", "dagger", *command, *options) as process:
            assert said(process) == "stuck\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (130, "")
        assert f"run mine is kept in {store}; " in err
    free(tmp_path)
    ended = invoke("resume", "--agents", path, *options)
    assert ended.exit_code == 0
    assert "11 deliveries = 11 ok" in ended.stdout


@posix
def test_a_store_has_one_owner(invoke: Invoke, write: Write, store: Path) -> None:
    """A second command on a store that is in use exits with 3, and says who uses it."""
    with owning(store) as owner:
        for command in (("run", write(), "--input", "3"), ("resume", "--agents", write())):
            ended = invoke(*command, "--store", str(store))
            assert (ended.exit_code, ended.stdout) == (3, "")
            assert f"is in use by process {owner.pid} on " in ended.stderr
