"""Exit codes: one for each way in which a command can end."""

from __future__ import annotations

import re

import pytest

from dagger.cli.exits import RUN_CODES, Exit, refusal
from dagger.words.errors import (
    ConfigError,
    DaggerError,
    DatabaseError,
    LockError,
    NoAgentsRegistered,
)
from tests.cli.conftest import Invoke, Write

ASK = """
    @agent(subscribe="squares")
    async def ask(payload: int, ctx: Context):
        await ctx.ask("really?")
"""


def test_a_completed_run_is_0(invoke: Invoke, write: Write) -> None:
    """A run that completes exits with 0."""
    assert invoke("run", write(), "--input", "3").exit_code == 0


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ('@agent(subscribe="squares", max_attempts=1)\nasync def f(payload):\n    1 / 0', "failed"),
        ("config = Config(max_messages=1)", "over_budget"),
        (
            "import anyio\n@agent(subscribe='squares')\n"
            "async def f(payload):\n    await anyio.sleep_forever()\nconfig = Config(timeout=0.01)",
            "timed_out",
        ),
    ],
)
def test_another_end_is_1(invoke: Invoke, write: Write, source: str, status: str) -> None:
    """A run that ends in any other way exits with 1, its report printed all the same."""
    ended = invoke("run", write(source), "--input", "3")
    assert ended.exit_code == 1
    assert status in ended.stdout.splitlines()[0]


def test_a_run_that_waits_for_people_is_4(invoke: Invoke, write: Write) -> None:
    """A run that cannot go on without an answer exits with 4, and shows the question."""
    ended = invoke("run", write(ASK), "--input", "3")
    assert ended.exit_code == 4
    assert "waiting, opened" in ended.stdout
    assert '"really?"' in ended.stdout


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("capacity", "must be positive"), Exit.USAGE),
        (NoAgentsRegistered(), Exit.USAGE),
        (DatabaseError("the disk is full"), Exit.STORE),
        (LockError("state/", 1, "here"), Exit.STORE),
    ],
)
def test_errors_keep_their_sentence(error: DaggerError, code: Exit) -> None:
    """Errors of the store exit with 3 and all others with 2; their text is what is told."""
    told = refusal(error)
    assert (told.message, told.exit_code) == (str(error), code)


def test_every_code_of_a_run_is_in_its_help(invoke: Invoke) -> None:
    """`dagger run --help` lists all exit codes there are."""
    listed = {int(code) for code in re.findall(r"^ +(\d+) ", RUN_CODES, re.MULTILINE)}
    assert listed == set(Exit)
    assert "130  interrupted" in invoke("run", "--help").stdout
