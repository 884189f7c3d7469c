"""`dagger dead-letters`: what failed for good, shortly and in full."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import pytest

from dagger import Config, Context, Executor, agent
from tests.cli.conftest import Invoke
from tests.cli.processes import owning, said, tell
from tests.waiting import until

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


def test_letters_are_listed(invoke: Invoke, interrupted: Path) -> None:
    """Node, channel, end and time of each, why it failed, and its payload."""
    ended = invoke("dead-letters", "--store", str(interrupted))
    head, why, payload = ended.stdout.splitlines()
    assert head.startswith("square:other.1 · numbers · dead after 2 attempts · 2")
    assert why == "  ZeroDivisionError: integer division or modulo by zero"
    assert payload == "  7"
    assert invoke("dead-letters", "other", "--store", str(interrupted)).stdout == ended.stdout


def test_where_there_are_none_that_is_said(invoke: Invoke, interrupted: Path) -> None:
    """A run without dead letters is no error."""
    ended = invoke("dead-letters", "mine", "--store", str(interrupted))
    assert (ended.exit_code, ended.stdout) == (0, "there are no dead letters in mine\n")
    ended = invoke("dead-letters", "mine", "--store", str(interrupted), "--json")
    assert ended.stdout == "[]\n"


def test_one_is_shown_in_full(invoke: Invoke, interrupted: Path) -> None:
    """--show takes a node or a message, and tells all there is, also where it was raised."""
    options = ("dead-letters", "--store", str(interrupted))
    text = invoke(*options, "--show", "square:other.1").stdout
    assert text.splitlines()[0] == "node       square:other.1"
    assert "\nattempts   2\n" in text
    assert "\nraised at  " in text
    assert text.endswith("\npayload    7\n")
    (listed,) = json.loads(invoke(*options, "--json").stdout)
    assert json.loads(invoke(*options, "--show", listed["id"], "--json").stdout) == listed


def test_an_unknown_one_is_told(invoke: Invoke, interrupted: Path) -> None:
    """A node without a dead letter is a usage error that names those there are."""
    ended = invoke("dead-letters", "--store", str(interrupted), "--show", "square:mine.1")
    assert ended.exit_code == 2
    assert ended.stderr == "Error: no dead letter 'square:mine.1'; known: 'square:other.1'\n"


def test_one_of_an_ended_run_is_redriven_in_a_fork(invoke: Invoke, interrupted: Path) -> None:
    """Without an owner the fork is left open; the letter is gone, the run has not changed."""
    options = ("dead-letters", "--store", str(interrupted))
    ended = invoke(*options, "--redrive", "square:other.1", "--payload", "8")
    assert (ended.exit_code, ended.stderr) == (0, "")
    fork = ended.stdout.split()[1]
    assert ended.stdout.startswith(f"run {fork} is interrupted; dagger resume {fork} ")
    assert invoke(*options).stdout == f"there are no dead letters in {interrupted}\n"
    shown = json.loads(invoke("show", fork, "--json", "--store", str(interrupted)).stdout)
    assert (shown["open"], shown["dispositions"]) == (1, {})
    again = invoke(*options, "--redrive", "square:other.1")
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == "Error: no dead letter 'square:other.1'\n"


def test_one_of_an_open_run_goes_on(invoke: Invoke, store: Path) -> None:
    """Without an owner it is pending then, until somebody goes on with the run."""

    @agent(subscribe="numbers", max_attempts=1)
    async def picky(payload: int, ctx: Context) -> None:
        if payload == 9:
            await ctx.ask("go on?")
        if payload == 7:
            raise ValueError(payload)

    async def main() -> None:
        async with Executor([picky], store=store) as executor:
            run = await executor.start("numbers", 9, run_id="open")
            await run.publish("numbers", 7)
            await until(lambda: run.report().dead_letters_total == 1)

    anyio.run(main)
    options = ("dead-letters", "--store", str(store))
    ended = invoke(*options, "--redrive", "picky:open.2", "--payload", "1")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.startswith("run open is ")
    shown = json.loads(invoke("show", "open", "--json", "--store", str(store)).stdout)
    assert (shown["open"], shown["dispositions"], shown["dead_letters"]) == (2, {}, [])


@posix
def test_the_owner_of_a_store_redrives(invoke: Invoke, store: Path) -> None:
    """It is sent to the process that owns the store, and done when the command returns."""
    options = ("dead-letters", "--store", str(store))
    with owning(store) as owner:
        tell(owner, "7")
        assert said(owner) == "published\n"
        while not json.loads(invoke(*options, "--json").stdout):
            pass
        node = json.loads(invoke(*options, "--json").stdout)[0]["node_id"]
        ended = invoke(*options, "--redrive", node, "--payload", "6")
        assert (ended.exit_code, ended.stderr) == (0, "")
        assert ended.stdout.startswith("run mine is ")
        assert json.loads(invoke(*options, "--json").stdout) == []


def test_a_payload_is_for_a_redrive(invoke: Invoke, interrupted: Path) -> None:
    """--payload alone is a usage error, and so is one that is no JSON."""
    options = ("dead-letters", "--store", str(interrupted))
    assert invoke(*options, "--payload", "1").exit_code == 2
    ended = invoke(*options, "--redrive", "square:other.1", "--payload", "{")
    assert ended.exit_code == 2
    assert "--payload is not JSON" in ended.stderr


def test_those_that_are_not_kept_are_counted(invoke: Invoke, store: Path) -> None:
    """What the settings did not keep cannot be listed, and stderr says how many that are."""

    @agent(subscribe="numbers", max_attempts=1)
    async def fail(payload: int) -> None:
        raise ValueError(payload)

    async def main() -> None:
        config = Config(keep_dead_letters=2)
        async with Executor([fail], store=store, config=config) as executor:
            async with await executor.start("numbers", 0, run_id="bad") as run:
                for number in range(1, 5):
                    await run.publish("numbers", number)
            await run.result()

    anyio.run(main)
    ended = invoke("dead-letters", "--store", str(store))
    assert ended.stderr == "run bad had 3 more, which are only counted\n"
    assert [line for line in ended.stdout.splitlines() if "ValueError" in line] == [
        "  ValueError: 3",
        "  ValueError: 4",
    ]
