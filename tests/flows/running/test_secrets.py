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
    RunConflict,
    SecretMissing,
    ValidationError,
    agent,
    step,
)
from dagger.executor.exporting import exported
from dagger.flows.functions import StepFunction
from dagger.flows.running.origins import FlowOrigin
from dagger.store.reader import StoreReader
from dagger.words.payload import encode
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


def held(flows: Flows) -> list[Any]:
    """What the vault of some flows has of runs."""
    origin = flows.agents[0].origin
    assert isinstance(origin, FlowOrigin)
    return list(origin._vault._inputs)


async def test_two_executors_may_have_a_run_of_one_id() -> None:
    """Each run has the secret that it was given, though both go by the same flows."""
    stage = Stage(waits=["wait"])
    got: list[str] = []

    @step(name="note-token")
    async def note_token(token: str) -> None:
        got.append(token)

    flow = Flow("f", inputs={"token": SECRET}).step("wait", "act", with_={"name": "wait"})
    flow = flow.step("say", note_token, needs="wait", with_={"token": "${{ inputs.token }}"})
    flows = Flows(flow, uses=[note_token, *stage.functions()], config=ONCE)
    async with (
        Executor(flows.agents, config=ONCE) as one,
        Executor(flows.agents, config=ONCE) as other,
    ):
        alice = await flows.start(one, flow, {"token": "that-of-alice"}, run_id="r")
        bob = await flows.start(other, flow, {"token": "that-of-bob"}, run_id="r")
        await stage.reached("wait")
        stage.gates["wait"].set()
        for live in (alice, bob):
            assert (await live.result()).status == "completed"
    assert sorted(got) == ["that-of-alice", "that-of-bob"]


async def test_a_secret_input_is_let_go_of_with_its_run() -> None:
    """However the run has ended, was not begun after all, or goes on elsewhere; what comes right
    after its end has none of it yet.
    """
    said: list[str] = []

    @step(name="give-away")
    async def give_away(token: str, ctx: Context) -> str:
        said.append(token)
        ctx.publish("late", {"said": token})
        return token

    @agent(subscribe="late")
    async def late(payload: Any, executor: Any) -> None: ...

    flow = Flow("f", inputs={"token": SECRET, "x": {"default": 1}}).step(
        "a", give_away, with_={"token": "${{ inputs.token }}"}
    )
    flows = Flows(flow, uses=[give_away, late], config=ONCE)
    agents = [late, *flows.agents]
    async with Executor(agents, config=ONCE) as executor:
        await flows.run(executor, flow, {"token": TOKEN}, run_id="r")
        assert held(flows) == []
        assert (await flows.run(executor, flow, {"token": TOKEN}, run_id="r")).status == "succeeded"
        assert (await flows.run(executor, flow, {}, run_id="r")).status == "succeeded"
        with pytest.raises(RunConflict):
            await flows.run(executor, flow, {"token": TOKEN, "x": 2}, run_id="r")
        with pytest.raises(ValidationError):
            await flows.run(executor, flow, {"token": TOKEN, "y": 2})
        assert held(flows) == []
        shown = await executor.run("late", {"heard": f"it was {TOKEN}"})
        assert TOKEN not in repr(shown)
        live = executor.live(shown.run_id)
        assert live.state.opening.payload == encode({"heard": "it was ***"})
    assert said == [TOKEN]


async def test_an_executor_that_stops_lets_go_of_what_its_runs_were_given() -> None:
    """A run that goes on in the same process is given its secrets anew, as in any other."""
    stage, store = Stage(waits=["wait"]), MemoryStore()
    flows = stage.flows(LATER, secrets={"FLOW_KEY": KEY})
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await flows.start(executor, "f", {"token": TOKEN}, run_id="r")
        await stage.reached("wait")
        assert len(held(flows)) == 1
    assert held(flows) == []
    stage.gates["wait"].set()
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        (report,) = executor.runs()
        assert report.status == "paused"
        assert (await flows.run(executor, "f", {"token": TOKEN}, run_id="r")).status == "succeeded"
    assert stage.given["say"] == {"token": f"Bearer {TOKEN}", "key": KEY}
    assert held(flows) == []


async def test_an_input_may_have_any_name() -> None:
    """Also one that means something where arguments are packed, beside a secret and alone."""
    inner = Flow("inner", inputs={"with": {}, "scope": {}, "token": SECRET})
    inner = inner.step(
        "a",
        "act",
        with_={
            "name": "a",
            "x": ["${{ inputs['with'] }}", "${{ inputs.scope }}"],
            "y": "${{ inputs.token }}",
        },
    )
    plain = Flow("plain", inputs={"with": {}, "scope": {}})
    plain = plain.step("b", "act", with_={"name": "b", "x": "${{ inputs['with'] }}"})
    given = {"with": {"n": 1}, "scope": 2}
    flow = Flow("f").step("one", inner, with_={**given, "token": "${{ secrets.FLOW_KEY }}"})
    flow = flow.step("two", plain, with_=given)
    stage = Stage()
    flows = stage.flows(flow, plain, secrets={"FLOW_KEY": KEY})
    async with Executor(flows.agents, config=ONCE) as executor:
        assert (await flows.run(executor, flow)).status == "succeeded"
        assert stage.given == {"a": {"x": [{"n": 1}, 2], "y": KEY}, "b": {"x": {"n": 1}}}
        assert (await flows.run(executor, "plain", given)).status == "succeeded"
