"""Flows on schedules: `dagger schedule FILE.yml`, `dagger worker FILE.yml`, `runs --schedule`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from textwrap import dedent
from threading import Thread
from typing import Any

import pytest

from dagger.store.lock import owner
from tests.cli.conftest import Invoke, Write
from tests.cli.test_flow import saved
from tests.cli.test_logs import bare_root

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")

NIGHTLY = """\
    name: nightly
    inputs:
      who: {type: string}
      token: {type: string, secret: true}
    schedule: {when: "every 1s", overlap: queue, inputs: {who: anna}}
    steps:
      - {id: greet, uses: greet, with: {who: "${{ inputs.who }}", token: "${{ inputs.token }}"}}
    """

STEPS = """
    import os, signal
    from dagger import step

    @step
    async def greet(who: str, token: str) -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        return who
"""
"""Ends the worker that it runs in."""


@pytest.fixture
def flow(tmp_path: Path) -> str:
    """The path of NIGHTLY."""
    return str(saved(tmp_path, NIGHTLY))


def listed(invoke: Invoke, store: Path) -> dict[str, dict[str, Any]]:
    """What `dagger schedules` says, by id."""
    rows = json.loads(invoke("schedules", "--store", str(store), "--json").stdout)
    return {each["id"]: each for each in rows}


def test_a_flow_is_scheduled(invoke: Invoke, flow: str, interrupted: Path) -> None:
    """It is known by the flow's name; what is not said is as the file says, inputs too."""
    where = ("--store", str(interrupted))
    made = invoke("schedule", flow, "--cron", "0 4 * * *", "--tz", "Europe/Paris", *where)
    assert made.exit_code == 0
    assert made.stdout.startswith("nightly · 0 4 * * * (Europe/Paris) · next ")
    assert "no agent has named channel 'nightly' so far" in made.stderr
    row = listed(invoke, interrupted)["nightly"]
    assert (row["channel"], row["payload"], row["overlap"]) == ("nightly", {"who": "anna"}, "queue")
    made = invoke("schedule", flow, "--input", "who=bert", "--id", "often", *where)
    assert made.stdout.startswith("often · every 1s · next ")
    assert listed(invoke, interrupted)["often"]["payload"] == {"who": "bert"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--input", "token=sesame"), "the input 'token' is secret, and a schedule keeps"),
        (("--input", "wo=x"), "the flow has no input 'wo'; did you mean 'who'?"),
        (("--input", '{"who": 3}'), 'not of type "string" at who'),
        (("every 1h", "--cron", "0 4 * * *"), "WHEN and --cron say the same"),
        (("sometimes",), "'sometimes'"),
    ],
)
def test_what_cannot_be_is_refused(
    invoke: Invoke, flow: str, interrupted: Path, words: tuple[str, ...], said: str
) -> None:
    """The exit code is 2, and nothing is kept."""
    ended = invoke("schedule", flow, *words, "--store", str(interrupted))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert listed(invoke, interrupted) == {}


@pytest.mark.parametrize("words", [("numbers",), ("numbers", "every 1h", *("--input", "1") * 2)])
def test_a_channel_needs_when_and_one_payload(
    invoke: Invoke, interrupted: Path, words: tuple[str, ...]
) -> None:
    """Only flows may leave out when, and have inputs by name."""
    assert invoke("schedule", *words, "--store", str(interrupted)).exit_code == 2
    assert listed(invoke, interrupted) == {}


def test_a_flow_without_a_schedule_needs_when(
    invoke: Invoke, tmp_path: Path, interrupted: Path
) -> None:
    """Where neither the file nor the command says when, it is asked."""
    plain = [line for line in dedent(NIGHTLY).splitlines() if "schedule" not in line]
    path = saved(tmp_path, "\n".join(plain))
    ended = invoke("schedule", str(path), "--input", "who=x", "--store", str(interrupted))
    assert ended.exit_code == 2
    assert "has no `schedule`" in ended.stderr


@posix
def test_a_worker_keeps_to_the_schedules_of_flows(
    invoke: Invoke, flow: str, write: Write, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file says is begun at its time; the runs of a schedule are listed by its id."""
    monkeypatch.setenv("token", "sesame")
    words = ("worker", flow, "--steps", write(above=STEPS), "--store", str(store))
    assert invoke(*words).exit_code == 0
    row = listed(invoke, store)["nightly"]
    assert (row["fired"], row["payload"]) == (1, {"who": "anna"})
    invoke("schedules", "--remove", "nightly", "--store", str(store))
    runs = ("runs", "--store", str(store), "--json", "--schedule")
    [run] = json.loads(invoke(*runs, "nightly").stdout)
    assert run["id"].startswith("nightly@")
    assert json.loads(invoke(*runs, "night").stdout) == []
    found = (path.read_bytes() for path in store.rglob("*") if path.is_file())
    assert not any(b"sesame" in each for each in found)


@posix
def test_a_worker_logs_in_json(
    invoke: Invoke, flow: str, write: Write, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line is an object that names the run, and of a step the step and its attempt."""
    monkeypatch.setenv("token", "sesame")
    words = ("--steps", write(above=STEPS), "--store", str(store), "--log-json")
    with bare_root():
        ended = invoke("worker", flow, *words)
    first, *rows = map(json.loads, ended.stderr.splitlines())
    assert first["text"].startswith(f"{store} is open: 2 agents")
    [run] = {each["run"] for each in rows if each["run"] is not None}
    assert run.startswith("nightly@")
    assert f"run {run!r} begins on 'nightly'" in {each["text"] for each in rows}
    [step] = [each for each in rows if each["step"] == "greet"]
    assert (step["run"], step["attempt"], step["status"]) == (run, 1, "ok")


ONCE = """\
    name: once
    steps: [{id: end, uses: end}]
    """

ENDS = """
    import os, signal, anyio
    from dagger import step

    @step
    async def end() -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        if not os.environ.get("GO_ON"):
            await anyio.sleep_forever()
        return "the end"
"""


@pytest.fixture
def once(invoke: Invoke, tmp_path: Path, write: Write, store: Path) -> tuple[str, ...]:
    """The words that serve ONCE with ENDS, of which the run "mine" was interrupted."""
    path = saved(tmp_path, ONCE)
    words = (str(path), "--steps", write(above=ENDS), "--store", str(store))
    assert invoke("flow", "run", *words, "--run-id", "mine").exit_code == 130
    return words


@posix
def test_a_worker_carries_open_runs_of_flows_on(
    invoke: Invoke, once: tuple[str, ...], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was interrupted goes on, and ends."""
    monkeypatch.setenv("GO_ON", "1")
    assert invoke("worker", *once).exit_code == 0
    found = json.loads(invoke("flow", "show", "mine", "--store", str(store), "--json").stdout)
    assert found["run_status"] == "completed"


@posix
def test_a_worker_says_what_cannot_go_on(
    invoke: Invoke, once: tuple[str, ...], store: Path
) -> None:
    """A run of a flow that was changed is named, with what has changed."""
    path = Path(once[0])
    path.write_text(path.read_text("utf-8").replace("end}", "end, timeout: 9}"), "utf-8")

    def end() -> None:
        while owner(store / "owner") is None:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = Thread(target=end)
    thread.start()
    ended = invoke("worker", *once)
    thread.join()
    assert ended.exit_code == 0
    assert "run mine cannot go on: flow 'once' has changed since the run began" in ended.stderr


@pytest.mark.parametrize("words", [("flow.py", "x.yml"), ("flow.py", "--steps", "x.py")])
def test_a_worker_serves_agents_or_flows(
    invoke: Invoke, store: Path, words: tuple[str, ...]
) -> None:
    """Several files, and --steps, are for flows."""
    ended = invoke("worker", *words, "--store", str(store))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert not store.exists()
