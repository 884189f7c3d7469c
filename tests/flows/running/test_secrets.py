"""Secrets of flows: they get to the steps that want them, and to nothing that is kept or shown."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from dagger import (
    Config,
    Context,
    Executor,
    Flow,
    FlowError,
    Flows,
    LmdbStore,
    MemoryStore,
    SecretMissing,
    ValidationError,
    step,
)
from dagger.executor.exporting import exported
from dagger.flows.functions import StepFunction
from dagger.store.reader import StoreReader
from tests.flows.running.stage import ONCE, Stage
from tests.state.meaning import live_state
from tests.waiting import until

TOKEN, KEY = "canary-input-Zq7", "canary-secret-Xw9"
OPEN = Config(flow_shell=True, flow_private_addresses=True, max_attempts=1)
SECRET = {"type": "string", "secret": True}
TAKES = {"token": "Bearer ${{ inputs.token }}", "key": "${{ secrets.FLOW_KEY }}"}

INNER = (
    Flow("inner", inputs={"token": SECRET, "name": {}}, output="${{ steps.say.output }}")
    .step("say", "act", with_={"name": "inner", **TAKES})
    .step("break", "fail", with_={"token": "${{ inputs.token }}"}, needs="say")
)
FLOW = (
    Flow("f", inputs={"token": SECRET, "month": {}}, output="${{ steps.say.output }}")
    .step(
        "say",
        "act",
        with_={"name": "${{ inputs.month }}", **TAKES},
        compensate={"uses": "undo", "with": {"said": "${{ steps.say.output }}", **TAKES}},
    )
    .step("again", "act", with_={"name": "${{ steps.say.output.token }}", **TAKES})
    .step(
        "inner",
        INNER,
        with_={"token": "<${{ inputs.token }}>", "name": "x"},
        on_error="continue",
    )
    .step("run", "shell", with_={"command": ["echo", "${{ secrets.FLOW_KEY }}"]})
    .step(
        "call",
        "http.request",
        with_={"url": "http://127.0.0.1:1/", "headers": {"x": "${{ secrets.FLOW_KEY }}"}},
        on_error="continue",
        retry={"kind": "immediate", "max_attempts": 1},
    )
    .step("last", "fail", with_={"token": "${{ inputs.token }}"}, needs=["again", "inner", "call"])
)


class Seen:
    """What the steps got, and how they give it away again."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str]] = []

    def functions(self) -> list[StepFunction]:
        """Steps that log, return, raise and cache what they are given."""

        @step
        async def act(name: str, token: str, key: str, ctx: Context) -> dict[str, Any]:
            self.got.append((name, token, key))
            ctx.log(f"{token} and {key}")
            ctx.cache.set("kept", [token, {"key": key}])
            logging.getLogger("dagger.test").info("nobody hides what user code logs itself")
            return {"token": token, "both": [f"{key}{token}"]}

        @step
        async def undo(said: Any, token: str, key: str, ctx: Context) -> None:
            self.got.append((f"undo {said['token']}", token, key))
            await ctx.step(f"undo {token}", lambda: key)
            raise OSError(f"no way with {key}", {"token": token})

        @step
        async def fail(token: str) -> None:
            try:
                raise KeyError(token)
            except KeyError as error:
                raise LookupError(f"not with {token}") from error

        return [act, undo, fail]


async def test_no_secret_is_kept_or_shown(
    memory_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a step is given in secret is what it gets; files, logs, reports, trees, dead letters
    and exported rows have none of it, wherever the step has put it.
    """
    caplog.set_level(logging.DEBUG)
    seen, store = Seen(), LmdbStore(memory_path / "store")
    flows = Flows(FLOW, uses=seen.functions(), config=OPEN, secrets={"FLOW_KEY": KEY})
    shown: list[str] = []
    async with Executor(flows.agents, config=OPEN, store=store) as executor:
        live = await flows.start(executor, "f", {"token": TOKEN, "month": "May"}, run_id="r")
        shown.extend([repr(each) async for each in live.outcomes()])
        report = await live.result()
        told = flows.report(live)
        shown += [repr(report), str(report), json.dumps(report.to_dict()), repr(told)]
        shown += [live.tree.to_dot(), json.dumps(told.data()), repr(executor.dead_letters)]
        letters = executor.dead_letters.list()
        shown += [repr(executor.dead_letters.show(each.id)) for each in letters]
        shown += [repr(letters), repr(executor.runs()), repr(executor.topology())]
        shown += [repr(flows.agents), repr(flows.flows)]
        number = live_state(executor).run_numbers["r"]
    with StoreReader(memory_path / "store") as reader:
        shown += map(json.dumps, exported(reader, number))
    assert ("May", f"Bearer {TOKEN}", KEY) in seen.got
    assert ("inner", f"Bearer <{TOKEN}>", KEY) in seen.got
    assert seen.got[-1] == ("undo Bearer ***", f"Bearer {TOKEN}", KEY)
    assert told.status == "failed"
    assert told.reason == "step 'last' failed: LookupError: not with ***"
    assert letters
    found = _with_canary(memory_path)
    assert found == []
    for each in (*shown, caplog.text):
        assert TOKEN not in each
        assert KEY not in each
    assert any("***" in each for each in shown)


def _with_canary(folder: Path) -> list[Path]:
    """The files that have a secret in them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.stat().st_size for path in files)
    blobs = [(path, path.read_bytes()) for path in files]
    return [path for path, blob in blobs if TOKEN.encode() in blob or KEY.encode() in blob]


async def test_a_secret_that_a_flow_makes_of_one_is_one() -> None:
    """What is given to a secret input of a flow within another is masked there and around it."""
    inner = Flow("inner", inputs={"code": SECRET}, output="${{ steps.say.output }}")
    inner = inner.step("say", "echo", with_={"text": "${{ inputs.code }}"})
    flow = Flow("f", inputs={"token": SECRET}, output="${{ steps.a.output }}")
    flow = flow.step("a", inner, with_={"code": "${{ upper(inputs.token) }}"})
    said: list[str] = []

    @step
    async def echo(text: str) -> str:
        said.append(text)
        return f"it is {text}"

    flows = Flows(flow, uses=[echo], config=ONCE)
    async with Executor(flows.agents, config=ONCE) as executor:
        report = await flows.run(executor, flow, {"token": TOKEN})
    assert said == [TOKEN.upper()]
    assert report.output == "it is ***"


async def test_the_shell_is_given_a_secret_and_its_output_has_none(memory_path: Path) -> None:
    """A program gets it as an argument; where it says it again, it is masked."""
    flow = Flow("f", output="${{ steps.run.output.stdout }}")
    flow = flow.step("run", "shell", with_={"command": ["echo", "it is ${{ secrets.FLOW_KEY }}"]})
    flows = Flows(flow, config=OPEN, secrets={"FLOW_KEY": KEY})
    async with Executor(flows.agents, config=OPEN) as executor:
        report = await flows.run(executor, flow)
    assert report.output.strip() == "it is ***"


LATER = (
    Flow("f", inputs={"token": SECRET})
    .step("wait", "act", with_={"name": "wait"})
    .step("say", "act", with_={"name": "say", **TAKES}, needs="wait")
)


@pytest.mark.parametrize("missing", ["FLOW_KEY", "token"])
async def test_a_run_waits_for_the_secret_that_it_lacks(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened where a secret is not, a run is paused, and says which; where it is, it goes on."""
    store, stage = MemoryStore(), Stage(waits=["wait"])
    secrets = {"FLOW_KEY": KEY, "token": TOKEN}
    flows = stage.flows(LATER, secrets={"FLOW_KEY": KEY})
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await flows.start(executor, "f", {"token": TOKEN}, run_id="r")
        await stage.reached("wait")
    stage = Stage()
    known = {name: value for name, value in secrets.items() if name != missing}
    flows = stage.flows(LATER, secrets=known)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        (report,) = executor.runs()
        assert report.status == "paused"
        assert repr(missing) in report.reason
        assert stage.noted == []
        monkeypatch.setenv(missing, secrets[missing])
        if missing == "FLOW_KEY":  # the environment is looked at again
            live = await executor.start("f", {"token": TOKEN}, run_id="r")
            await live.resume()
            assert (await live.result()).status == "completed"
            return
    flows = stage.flows(LATER, secrets=secrets)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await until(lambda: executor.runs()[0].status == "completed")
    assert stage.given["say"] == {"token": f"Bearer {TOKEN}", "key": KEY}


async def test_a_secret_that_is_nowhere_is_missed_at_the_door() -> None:
    """A run that could not go on is not begun, and whoever begins it is told what to set."""
    flows = Stage().flows(LATER)
    async with Executor(flows.agents, config=ONCE) as executor:
        with pytest.raises(SecretMissing, match="'FLOW_KEY'"):
            await executor.run("f", {"token": TOKEN})
        with pytest.raises(ValidationError, match="'token' is missing"):
            await executor.run("f", {})
        assert executor.runs() == []


async def test_a_secret_input_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is not given is looked for by its name, and what is given goes before it."""
    stage = Stage()
    flows = stage.flows(LATER, secrets={"FLOW_KEY": KEY})
    monkeypatch.setenv("token", "canary-environment")
    async with Executor(flows.agents, config=ONCE) as executor:
        await flows.run(executor, "f")
        assert stage.given["say"]["token"] == "Bearer canary-environment"
        await flows.run(executor, "f", {"token": TOKEN})
        assert stage.given["say"]["token"] == f"Bearer {TOKEN}"


async def test_what_is_wrong_with_a_secret_input_is_told_without_it() -> None:
    """The error names the input, and does not show what it was; nor what may be one, where the name
    is not right.
    """
    inputs = {"token": {**SECRET, "maxLength": 3}}
    flow = Flow("f", inputs=inputs).step(
        "a", "act", with_={"name": "a", "x": "${{ inputs.token }}"}
    )
    flows = Stage().flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        with pytest.raises(ValidationError) as raised:
            await executor.run("f", {"token": TOKEN})
        assert "'token' does not fit its schema" in str(raised.value)
        assert TOKEN not in repr(vars(raised.value))
        for given in ({"tokem": TOKEN}, TOKEN):
            with pytest.raises(ValidationError) as raised:
                await executor.run("f", given)
            assert TOKEN not in f"{raised.value} {vars(raised.value)}"


@pytest.mark.parametrize(
    ("text", "is_given"),
    [
        ("${{ inputs }}", {"which": "token", "token": TOKEN, "pin": ""}),
        ("${{ inputs[inputs.which] }}", TOKEN),
        ("${{ 'token' in inputs }}", True),
        ("${{ len(inputs) }}", 3),
        ("${{ inputs.pin || inputs.token }} ${{ inputs.which }}", f"{TOKEN} token"),
    ],
)
async def test_all_inputs_are_all_of_them(text: str, is_given: object) -> None:
    """Where an expression takes all inputs together, those that are secret are among them, also in
    what undoes a step, and in a flow within another; and nothing of them is kept.
    """
    inputs = {"which": {"default": "token"}, "token": SECRET, "pin": {**SECRET, "default": ""}}
    inner = Flow("inner", inputs=inputs).step("b", "act", with_={"name": "b", "x": text})
    flow = (
        Flow("f", inputs=inputs)
        .step(
            *("a", "act"),
            with_={"name": "a", "x": text},
            compensate={"uses": "undo", "with": {"name": "a", "x": text}},
        )
        .step("in", inner, with_={"token": "${{ inputs['token'] }}"}, needs="a")
        .step("c", "act", with_={"name": "c"}, needs="in")
    )
    stage, store = Stage(fails=["c"]), MemoryStore()
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await flows.run(executor, flow, {"token": TOKEN}, run_id="r")
        number = live_state(executor).run_numbers["r"]
        assert TOKEN not in json.dumps([*exported(store, number)])
    assert [stage.given[name]["x"] for name in ("a", "b", "undo a")] == [is_given] * 3


async def test_a_number_is_no_secret() -> None:
    """Only texts can be hidden: where no schema says so, a number is refused at the door."""
    flow = Flow("f", inputs={"pin": {"secret": True}})
    flow = flow.step("a", "act", with_={"name": "a", "x": "${{ inputs.pin }}"})
    stage = Stage()
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        with pytest.raises(ValidationError, match="only texts can be hidden") as raised:
            await flows.run(executor, "f", {"pin": 98765432})
        assert "98765432" not in str(raised.value)
        await flows.run(executor, "f", {"pin": "98765432"})
    assert stage.given["a"] == {"x": "98765432"}


async def test_a_schedule_keeps_no_secret() -> None:
    """A secret input cannot be given to runs that begin later: it would have to be kept."""
    flows = Stage().flows(LATER, secrets={"FLOW_KEY": KEY})
    async with Executor(flows.agents, config=ONCE, store=MemoryStore()) as executor:
        with pytest.raises(ValidationError, match="a schedule keeps what it gives") as raised:
            await executor.schedule("f", {"token": TOKEN}, "every 5m")
    assert TOKEN not in str(raised.value)


def test_where_a_secret_would_be_written_down_it_may_not_stand() -> None:
    """An output with a secret in it is refused when the flow is loaded."""
    flow = Flow("f", inputs={"token": SECRET}, output="${{ inputs.token }}")
    with pytest.raises(FlowError, match="the output of a flow is kept and shown"):
        Stage().flows(flow.step("a", "act", with_={"name": "a"}))
