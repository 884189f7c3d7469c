"""`dagger dead-letters`: what failed for good, shortly and in full."""

from __future__ import annotations

import json
from pathlib import Path

import anyio

from dagger import Config, Executor, agent
from tests.cli.conftest import Invoke


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
