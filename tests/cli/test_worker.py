"""`dagger worker`: it runs what comes, ends in peace, and stands by for another one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cli.conftest import Invoke, Write
from tests.cli.processes import running, said
from tests.patience import PATIENCE

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals and locks")

FLOW = """
    import anyio
    from pathlib import Path
    from dagger import Context, agent

    @agent(subscribe="tick", publish="out")
    async def work(payload: str, ctx: Context):
        print(payload, "begins", flush=True)
        while payload == "held" and not Path(__file__).with_name("free").exists():
            await anyio.sleep(0.01)
        while payload == "deaf":
            pass
        if payload == "asleep":
            await ctx.sleep(1000)
        if payload == "endless":
            await anyio.sleep_forever()
        ctx.log("so far")
        print(payload, "ends", flush=True)
        return ctx.run_id
"""
"""Ends at once, when there is a file called "free" beside it, or not by itself."""

LAST = """
    import os, signal

    @agent(subscribe="squares")
    async def last(payload: int):
        if payload == 81:
            os.kill(os.getpid(), signal.{name})
"""
"""Ends the worker that it runs in."""


@pytest.fixture
def flow(write: Write) -> str:
    """The path of a file with FLOW in it."""
    return write(above=FLOW)


@contextmanager
def working(flow: str, store: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A worker that has the store open."""
    with running("-m", "dagger", "worker", flow, "--store", str(store), *more) as process:
        assert told(process).startswith(f"{store} is open: 1 agent, ")
        yield process


def told(process: subprocess.Popen[str]) -> str:
    """The next line that a process writes to stderr."""
    assert process.stderr is not None
    return process.stderr.readline()


def schedule(invoke: Invoke, store: Path, payload: str, *more: str) -> None:
    """Have something begin with the next second."""
    words = ("schedule", "tick", "every 1s", "--input", json.dumps(payload), "--id", payload)
    made = invoke(*words, *more, "--store", str(store))
    assert (made.exit_code, made.stderr) == (0, "")


def runs(invoke: Invoke, store: Path) -> list[dict[str, Any]]:
    """What `dagger runs` says."""
    found: list[dict[str, Any]] = json.loads(invoke("runs", "--store", str(store), "--json").stdout)
    return found


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGINT", 130)])
def test_open_runs_go_on(
    invoke: Invoke,
    write: Write,
    interrupted: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    code: int,
) -> None:
    """What a store holds goes on; the run is told as it ends. SIGTERM is no failure."""
    flow = write(LAST.format(name=name))
    ended = invoke("worker", flow, "--store", str(interrupted))
    assert (ended.exit_code, ended.stdout) == (code, "")
    begun = f"{interrupted} is open: 2 agents, 0 schedules, 1 open run; Ctrl-C ends it\n"
    assert begun in ended.stderr
    assert any(line.startswith("run 'mine' is completed after ") for line in caplog.messages)
    assert {each["id"]: each["status"] for each in runs(invoke, interrupted)} == {
        "mine": "completed",
        "other": "failed",
    }


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGINT", 130)])
def test_what_is_in_hand_is_finished(
    invoke: Invoke, flow: str, store: Path, tmp_path: Path, name: str, code: int
) -> None:
    """A signal drains it: the handler in hand ends, no slot is begun any more."""
    with working(flow, store, "-v") as process:
        schedule(invoke, store, "held", "--overlap", "queue")
        assert said(process) == "held begins\n"
        assert told(process).startswith("info: run 'held@")
        process.send_signal(getattr(signal, name))
        finishing = "finishing 1 handler, for 20 s at most; a second Ctrl-C kills\n"
        assert told(process) == finishing
        (tmp_path / "free").touch()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (code, "held ends\n")
    log, end = err.splitlines()
    assert log.endswith(".1: so far")
    assert " is completed after " in end
    assert [each["status"] for each in runs(invoke, store)] == ["completed"]


@posix
def test_who_waits_is_left_to_the_next(invoke: Invoke, flow: str, store: Path) -> None:
    """A handler that sleeps does not keep the worker from ending."""
    with working(flow, store) as process:
        schedule(invoke, store, "asleep")
        assert said(process) == "asleep begins\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "")
    assert "time is up" not in err
    assert [each["status"] for each in runs(invoke, store)] == ["paused"]


@posix
def test_the_grace_is_bounded(invoke: Invoke, flow: str, store: Path) -> None:
    """After --grace what is in hand is cancelled, and done again the next time."""
    with working(flow, store, "--grace", "0.1") as process:
        schedule(invoke, store, "endless")
        assert said(process) == "endless begins\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    last = "time is up: what is still in hand is cancelled, and done again the next time"
    assert err.splitlines()[-1] == last
    assert [each["status"] for each in runs(invoke, store)] == ["paused"]


@posix
def test_a_second_signal_kills(invoke: Invoke, flow: str, store: Path) -> None:
    """Not even an agent that keeps the event loop to itself keeps a worker alive."""
    with working(flow, store) as process:
        schedule(invoke, store, "deaf")
        assert said(process) == "deaf begins\n"
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 130


@posix
def test_another_one_stands_by(invoke: Invoke, flow: str, store: Path) -> None:
    """It says who has the store, takes over when that one is killed, and no slot is lost or
    begun twice.
    """
    with working(flow, store) as first:
        schedule(invoke, store, "quick", "--misfire", "all", "--overlap", "queue")
        with running("-m", "dagger", "worker", flow, "--store", str(store)) as second:
            assert told(second).startswith(f"standing by: process {first.pid} on ")
            assert said(first) == "quick begins\n"
            first.kill()
            first.wait(PATIENCE)
            assert told(second).startswith(f"{store} is open: 1 agent, 1 schedule, ")
            ended = 0
            while ended < 2:
                ended += "is completed" in told(second)
            second.send_signal(signal.SIGTERM)
            second.communicate(timeout=PATIENCE)
    assert second.returncode == 0
    found = runs(invoke, store)
    ends = {(each["status"], each["handled"], each["messages"]) for each in found[:-1]}
    assert ends == {("completed", 1, 2)}
    slots = [datetime.fromisoformat(each["id"].partition("@")[2]) for each in found]
    assert [(each - slots[0]).seconds for each in slots] == list(range(len(slots)))
    assert len(slots) > 1


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGINT", 130)])
def test_who_stands_by_can_be_ended(flow: str, store: Path, name: str, code: int) -> None:
    """A worker that only waits for the store ends at once, and leaves it to who has it."""
    with working(flow, store) as first:
        with running("-m", "dagger", "worker", flow, "--store", str(store)) as second:
            assert told(second).startswith("standing by: ")
            second.send_signal(getattr(signal, name))
            assert second.communicate(timeout=PATIENCE) == ("", "")
        assert second.returncode == code
        assert first.poll() is None


def test_a_store_that_cannot_be_is_told(invoke: Invoke, flow: str, tmp_path: Path) -> None:
    """A folder of other things is no store: the exit code is 3."""
    ended = invoke("worker", flow, "--store", str(tmp_path))
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert "cannot be opened as a store" in ended.stderr


@posix
def test_the_default_store_is_made(
    invoke: Invoke, flow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --store it is .dagger, made where there is none: workers may be started first."""
    monkeypatch.chdir(tmp_path)

    def end() -> None:
        while not (tmp_path / ".dagger" / "owner").exists():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = Thread(target=end)
    thread.start()
    ended = invoke("worker", flow)
    thread.join()
    assert ended.exit_code == 0
    assert ended.stderr == ".dagger is open: 1 agent, 0 schedules, 0 open runs; Ctrl-C ends it\n"
    assert (tmp_path / ".dagger" / "journal").is_dir()
