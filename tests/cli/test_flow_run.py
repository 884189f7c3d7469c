"""`dagger flow run` and `dagger flow show`: what becomes of the steps of a flow."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.conftest import Invoke, Write
from tests.cli.test_logs import bare_root
from tests.views import drawn

FLOW = """\
    name: invoices
    inputs:
      month: {type: string}
      fees: {type: array, default: [1, 2, 3]}
      token: {type: string, secret: true, default: ""}
    steps:
      - {id: fetch, uses: fetch, with: {month: "${{ inputs.month }}", token: "${{ inputs.token }}"}}
      - id: charge
        uses: charge
        foreach: ${{ inputs.fees }}
        with: {fee: "${{ item }}", month: "${{ steps.fetch.output }}"}
        compensate: {uses: refund, with: {charged: "${{ steps.charge.output }}"}}
      - {id: never, uses: fetch, when: "${{ run.scheduled }}", with: {month: x, token: x}}
      - {id: tell, uses: tell, with: {charged: "${{ steps.charge.output }}"}}
    output: {total: "${{ steps.tell.output }}"}
    """

INTERRUPTED = """\
    name: interrupted
    inputs: {token: {type: string, secret: true}}
    steps: [{id: wait, uses: wait, with: {token: "${{ inputs.token }}"}}]
    """

INTERRUPTS = """
    import os, signal, anyio
    from dagger import step

    @step
    async def wait(token: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await anyio.sleep_forever()
"""

STEPS = """
    import os, signal
    from dagger import Context, step

    @step
    async def fetch(month: str, token: str, ctx: Context) -> str:
        print("printed")
        ctx.log(f"fetching {month} with {token}")
        return month

    @step(retry={"kind": "immediate", "max_attempts": 2})
    async def charge(fee: int, month: str, ctx: Context) -> int:
        if fee == 3 and ctx.attempt == 1:
            raise ConnectionError("no line")
        return 10 * fee

    @step(retry={"kind": "immediate", "max_attempts": 1})
    async def refund(charged: int) -> None:
        if charged == 20:
            raise ValueError("too late")

    @step(retry={"kind": "immediate", "max_attempts": 1})
    async def tell(charged: list, ctx: Context) -> int:
        if sum(charged) > 100:
            raise ValueError("too much")
        return sum(charged)
"""

KILLED = """
    import anyio

    @step
    async def tell(charged: list) -> int:
        if not os.environ.get("GO_ON"):
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep_forever()
        return sum(charged)
"""
"""Interrupts the command that it runs in, unless that is to go on."""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """The path of FLOW."""
    return saved(tmp_path, FLOW)


def saved(folder: Path, text: str) -> Path:
    """A flow as a file."""
    path = folder / "invoices.yml"
    path.write_text(dedent(text), "utf-8")
    return path


@pytest.fixture
def command(flow: Path, write: Write) -> tuple[str, ...]:
    """The words that run FLOW with STEPS."""
    return ("flow", "run", str(flow), "--steps", write(above=STEPS), "--input", "month=2026-01")


def statuses(found: dict[str, Any]) -> dict[str, str]:
    """By step, its status in the output of --json."""
    return {each["id"]: each["status"] for each in found["steps"]}


def test_each_step_is_told(invoke: Invoke, command: tuple[str, ...]) -> None:
    """A line says how each step has ended, and the output follows."""
    ended = invoke(*command, "--run-id", "mine")
    assert ended.exit_code == 0
    printed, head, _, *steps = ended.stdout.splitlines()
    assert printed == "printed"
    assert head.startswith("flow invoices · run mine · completed after ")
    assert steps[0].startswith("✓ fetch   succeeded  ")
    assert steps[1].endswith("  3 items, 4 attempts")
    assert steps[2].split() == ["-", "never", "skipped", "when", "is", "false"]
    assert ended.stdout.endswith('\noutput\n{\n  "total": 60\n}\n')


def test_what_was_undone_is_told(invoke: Invoke, command: tuple[str, ...]) -> None:
    """Of a run that has failed it is said why, what was undone, and what could not be."""
    ended = invoke(*command, "--input", "fees=[1, 2, 90]")
    assert ended.exit_code == 1
    assert "\n  step 'tell' failed: ValueError: too much\n" in ended.stdout
    _, undone, stuck = ended.stdout.rsplit("\n\n", 2)
    assert sorted(undone.splitlines()) == ["  charge[0]", "  charge[2]", "undone (2)"]
    assert stuck == "could not be undone (1)\n  charge[1] · ValueError: too late\n"


def test_json_is_all_of_stdout(invoke: Invoke, command: tuple[str, ...]) -> None:
    """With --json nothing but what has become of it is written to stdout."""
    ended = invoke(*command, "--json")
    found = json.loads(ended.stdout)
    assert (found["status"], found["run_status"]) == ("succeeded", "completed")
    assert statuses(found) == {
        **dict.fromkeys(("fetch", "charge", "tell"), "succeeded"),
        "never": "skipped",
    }
    charge = found["steps"][1]
    assert (charge["items"], charge["attempts"], charge["done"]) == (3, 4, 3)
    assert "printed\n" in ended.stderr


def test_inputs_are_read_as_what_they_are(invoke: Invoke, command: tuple[str, ...]) -> None:
    """A value is JSON where it is that, unless the input is a text; mappings go along."""
    more = ("--input", '{"fees": [5]}', "--input", "month=12", "--json")
    found = json.loads(invoke(*command, *more).stdout)
    assert found["output"] == {"total": 50}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("monht=1", "the flow has no input 'monht'; did you mean 'month'?"),
        ("fees=[1", 'not of type "array" at fees'),
        ("month", "names no input; write name=value, a JSON mapping, @file or - (stdin)"),
        ("month=@nowhere", "--input month= cannot be read"),
        ("@nowhere", "--input cannot be read"),
    ],
)
def test_inputs_that_are_wrong_are_told_at_once(
    invoke: Invoke, command: tuple[str, ...], store: Path, given: str, said: str
) -> None:
    """The exit code is 2, and no store is made."""
    ended = invoke(*command, "--input", given, "--store", str(store))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert not store.exists()


def test_where_steps_are_to_be_found_is_told(invoke: Invoke, tmp_path: Path) -> None:
    """A flow of functions that nobody has named is refused, with how to name them."""
    flow = saved(tmp_path, "name: f\nsteps: [{id: a, uses: nobodys}]")
    ended = invoke("flow", "run", str(flow))
    assert ended.exit_code == 2
    assert ":2:23: unknown agent or step function 'nobodys'\n" in ended.stderr
    assert ended.stderr.endswith("what else steps use is in the files of --steps\n")
    bare = saved(tmp_path, "name: f\nsteps: []")
    assert "--steps" not in invoke("flow", "run", str(bare)).stderr
    ended = invoke("run", str(flow))
    assert ended.stderr.endswith("write FILE.py or FILE.py:NAME; flows are for `dagger flow run`\n")


def test_a_mapping_is_needed(invoke: Invoke, command: tuple[str, ...]) -> None:
    """Other JSON names no inputs."""
    ended = invoke(*command, "--input", "-", input="[1]")
    assert "--input - is no mapping; the inputs of a flow are one, by name" in ended.stderr


def test_secrets_stay_inside(
    invoke: Invoke, command: tuple[str, ...], store: Path, tmp_path: Path
) -> None:
    """A secret is neither printed nor kept, is no part of the run's id, and comes from a file."""
    (tmp_path / "token").write_text("sesame\n")
    ids = set()
    for word, warned in (("@" + str(tmp_path / "token"), False), ("sesame", True)):
        more = ("--input", f"token={word}", "--store", str(store), "-v")
        ended = invoke(*command, *more)
        assert ended.exit_code == 0
        assert ("'token' stands on the command line" in ended.stderr) is warned
        assert "sesame" not in ended.output
        ids.add(ended.stdout.partition(" · run ")[2].partition(" ")[0])
    assert len(ids) == 1
    found = (path.read_bytes() for path in store.rglob("*") if path.is_file())
    assert not any(b"sesame" in each for each in found)


def test_a_secret_may_be_a_variable(
    invoke: Invoke, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is needed is the environment variable of its name, or the hint says so."""
    path = saved(tmp_path, FLOW.replace(', default: ""', ""))
    words = ("flow", "run", str(path), "--steps", write(above=STEPS), "--input", "month=1")
    ended = invoke(*words)
    assert ended.exit_code == 2
    assert "set the environment variable token, or give --input token=@FILE" in ended.stderr
    monkeypatch.setenv("token", "sesame")
    assert invoke(*words).exit_code == 0


def test_the_same_command_goes_on(
    invoke: Invoke, flow: Path, write: Write, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted run is kept, shown as it stands, and goes on with what it has done, and with
    the secrets that it is given again.
    """
    saved(flow.parent, FLOW.replace(', default: ""', ""))
    (flow.parent / "token").write_text("sesame")
    given = ("--input", "month=1", "--input", f"token=@{flow.parent / 'token'}")
    words = ("--steps", write(KILLED, above=STEPS), *given, "--store", str(store))
    ended = invoke("flow", "run", str(flow), *words)
    assert (ended.exit_code, ended.stdout) == (130, "printed\n")
    run = ended.stderr.partition("run invoices-")[2].partition(" ")[0]
    assert f"run invoices-{run} is kept in {store}; the same command goes on" in ended.stderr
    shown = invoke("flow", "show", f"invoices-{run}", "--store", str(store)).stdout
    assert " · interrupted, opened " in shown
    assert "\n▸ tell    tell    running" in shown
    monkeypatch.setenv("GO_ON", "1")
    again = invoke("flow", "run", str(flow), *words)
    assert again.exit_code == 0
    assert "printed" not in again.stdout
    assert "goes on where it was" in again.stderr


def test_a_cancelled_run_is_undone_by_whoever_has_its_flow(
    invoke: Invoke, flow: Path, write: Write, store: Path
) -> None:
    """`dagger cancel` has no steps: it leaves the run cancelling, and says what that waits for."""
    given = ("--steps", write(KILLED, above=STEPS), "--input", "month=1", "--store", str(store))
    words = ("flow", "run", str(flow), *given, "--run-id", "mine")
    assert invoke(*words).exit_code == 130
    ended = invoke("cancel", "mine", "--store", str(store))
    assert ended.stdout == "run mine is cancelling; it cleans up once its agents are there\n"
    again = invoke(*words)
    assert again.exit_code == 1
    assert "\nundone (2)\n  charge[0]\n  charge[2]\n" in again.stdout
    assert "\ncould not be undone (1)\n  charge[1]" in again.stdout


def test_a_run_that_waits_is_told_without_a_store(invoke: Invoke, tmp_path: Path) -> None:
    """Its steps and its question are, as with one, and that nothing of it is left."""
    path = saved(tmp_path, "name: f\nsteps: [{id: a, uses: ask, with: {question: Well?}}]")
    ended = invoke("flow", "run", str(path), "--run-id", "mine")
    assert ended.exit_code == 4
    assert "flow f · run mine · waiting, opened " in ended.stdout
    assert "\n▸ a  running" in ended.stdout
    assert "mine.2/a · asked " in ended.stdout
    assert "run mine is gone with this process; --store DIR keeps one that" in ended.stderr
    told = json.loads(invoke("flow", "run", str(path), "--json").stdout)
    assert (told["run_status"], statuses(told)) == ("waiting", {"a": "running"})


def test_what_need_not_be_answered_is_waited_for(
    invoke: Invoke, tmp_path: Path, store: Path
) -> None:
    """A question that is overdue has its default; without a store one that will be, too."""
    asks = "{id: a, uses: ask, with: {question: Well?, timeout: 0.3, default: 3}}"
    words = ("flow", "run", str(saved(tmp_path, f"name: f\nsteps: [{asks}]")))
    assert invoke(*words).exit_code == 0
    kept = (*words, "--store", str(store))
    ended = invoke(*kept)
    while ended.exit_code == 4:
        assert "· by " in ended.stdout
        ended = invoke(*kept)
    assert "✓ a  succeeded" in ended.stdout


def test_a_changed_flow_is_refused_and_accepted(
    invoke: Invoke, flow: Path, write: Write, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The difference is told, nothing is lost, and --accept-changes goes on."""
    given = ("--steps", write(KILLED, above=STEPS), "--input", "month=1", "--store", str(store))
    words = ("flow", "run", str(flow), *given, "--run-id", "mine")
    assert invoke(*words).exit_code == 130
    saved(flow.parent, FLOW.replace("{total:", "{sum:"))
    monkeypatch.setenv("GO_ON", "1")
    ended = invoke(*words)
    assert ended.exit_code == 2
    assert "Error: run mine cannot go on: flow 'invoices' has changed" in ended.stderr
    assert "--accept-changes\n--- invoices, as it was begun\n" in ended.stderr
    assert "\n-output: {total: '${{ steps.tell.output }}'}\n" in ended.stderr
    assert "nothing of it is lost" in ended.stderr
    assert "▸ tell    running" in ended.stdout
    ended = invoke(*words, "--accept-changes", "--json")
    assert json.loads(ended.stdout)["output"] == {"sum": 60}


def test_a_log_of_json(invoke: Invoke, command: tuple[str, ...]) -> None:
    """With --log-json each line of stderr says where it is from: what was said, and each end."""
    ended = invoke(*command, "--log-json", "--run-id", "mine")
    lines = [json.loads(each) for each in ended.stderr.splitlines()]
    names = ("run", "flow", "step", "item", "attempt")
    said = {tuple(each[name] for name in names): each["text"] for each in lines}
    assert said["mine", "invoices", "charge", 2, 2].startswith("step charge[2] succeeded after ")
    first, second = lines[:2]
    assert (first["step"], first["text"]) == (None, "step 'never' was skipped: when is false")
    assert (second["step"], second["text"]) == ("fetch", "fetching 2026-01 with ")
    assert {each["level"] for each in lines} == {"info"}
    assert lines[-1]["text"].startswith("flow invoices succeeded after ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_what_a_command_says_itself_is_json_too(
    invoke: Invoke, tmp_path: Path, write: Write, store: Path
) -> None:
    """With --log-json a warning about a secret, and that the run is stopping, are lines as well."""
    path = saved(tmp_path, INTERRUPTED)
    words = ("flow", "run", str(path), "--steps", write(above=INTERRUPTS), "--input", "token=abc")
    for kept in ((), ("--store", str(store))):
        ended = invoke(*words, *kept, "--log-json")
        assert ended.exit_code == 130
        lines = [json.loads(each) for each in ended.stderr.splitlines()]
        said = {each["text"]: each["level"] for each in lines}
        assert said["stopping; a second Ctrl-C kills"] == "info"
        (exposed,) = (
            each for each in said if each.startswith("the secret input 'token' stands on")
        )
        assert said[exposed] == "warning"


def test_failures_are_errors_in_a_log_of_json(invoke: Invoke, command: tuple[str, ...]) -> None:
    """A step that has failed is an error, and undoing is told as that."""
    ended = invoke(*command, "--input", "fees=[101]", "--log-json")
    lines = [json.loads(each) for each in ended.stderr.splitlines()]
    errors = [each["text"] for each in lines if each["level"] == "error"]
    assert errors[0] == "step tell failed: ValueError: too much"
    assert any(each["text"].startswith("undoing of step charge[0] succeeded") for each in lines)


def test_steps_are_named_in_what_they_say(invoke: Invoke, command: tuple[str, ...]) -> None:
    """With -v a line says of which run, step and attempt it is."""
    with bare_root():
        ended = invoke(*command, "--run-id", "mine", "-v")
    assert "info: mine · step fetch · attempt 1 · fetching 2026-01 with \n" in ended.stderr
    assert "info: mine · flow invoices · step 'never' was skipped" in ended.stderr


def test_a_run_is_shown(invoke: Invoke, command: tuple[str, ...], store: Path) -> None:
    """What is shown of a run is what was printed, and besides what its steps use."""
    invoke(*command, "--run-id", "mine", "--store", str(store), "--input", "fees=[1, 2, 90]")
    where = ("mine", "--store", str(store))
    shown = invoke("flow", "show", *where).stdout
    assert shown.startswith("flow invoices · run mine · failed after ")
    assert "\n✗ tell    tell    failed     " in shown
    assert "\nundone (2)\n" in shown
    found = json.loads(invoke("flow", "show", *where, "--json").stdout)
    assert statuses(found)["tell"] == "failed"
    assert found["definition"]["flow"]["name"] == "invoices"


@drawn.needs_graphviz
def test_a_run_is_drawn(
    invoke: Invoke, command: tuple[str, ...], store: Path, tmp_path: Path
) -> None:
    """The picture says of each step how it has ended, and what became of it."""
    invoke(*command, "--run-id", "mine", "--store", str(store), "--input", "fees=[1, 2, 90]")
    dot = tmp_path / "run.dot"
    ended = invoke("flow", "show", "mine", "--store", str(store), "--dot", str(dot))
    assert ended.stderr == f"wrote {dot}\n"
    shown = "\n".join(drawn.shown(dot.read_text("utf-8")))
    assert "failed · " in shown
    assert "could not be undone" in shown


@pytest.mark.parametrize(("limit", "told"), [(1_500, "✗ s0 "), (300, "left out, as the report")])
def test_a_run_is_shown_whose_report_was_too_large(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, told: str
) -> None:
    """As much as there is of it is told, and that there is no picture."""
    late = "  - {id: s0, uses: wait_for, with: {channel: x}, timeout: 0.01, on_error: continue}\n"
    steps = "".join(
        f"  - {{id: s{number}, uses: sleep, with: {{seconds: 0.001}}}}\n" for number in range(1, 60)
    )
    file, store = saved(tmp_path, f"name: long\nsteps:\n{late}{steps}"), tmp_path / "s"
    monkeypatch.setenv("DAGGER_MAX_PAYLOAD_BYTES", str(limit))
    invoke("flow", "run", str(file), "--run-id", "mine", "--store", str(store))
    where = ("mine", "--store", str(store))
    shown = invoke("flow", "show", *where)
    assert (shown.exit_code, shown.stdout.startswith("flow long · run mine · ")) == (0, True)
    assert told in shown.stdout
    assert json.loads(invoke("flow", "show", *where, "--json").stdout)["definition"] == {}
    drawn = invoke("flow", "show", *where, "--dot", str(tmp_path / "run.dot"))
    assert drawn.exit_code == 2
    assert "was too large for a message, and has no flow to draw" in drawn.stderr


def test_other_runs_have_no_steps(invoke: Invoke, nine: Path) -> None:
    """A run of mere agents is refused, and the hint says how it is shown."""
    ended = invoke("flow", "show", "nine", "--store", str(nine))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert f"see `dagger show nine --store {nine}`" in ended.stderr
