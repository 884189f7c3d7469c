"""Fingerprints: what counts as the code of an agent, and what does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import dagger
from dagger import Agent, Exponential, Immediate, agent
from dagger.authoring.fingerprint import DIGITS, fingerprint


def plain() -> Agent:
    """An agent to compare with."""

    @agent(name="a", subscribe="in", publish="out", max_attempts=2)
    async def handler(payload: int) -> int:
        total = payload + 1
        return total * 2

    return handler


def laid_out() -> Agent:
    """The same in another layout, with comments, and declared in other words."""

    # fmt: off
    @dagger.agent(
        name="a", description="About it.",
        subscribe=["in"], publish=("out",), max_attempts = 2,
    )
    async def handler(payload: int) -> int:
        """Say what it does."""
        total = (payload +
                 1)  # one more

        return (total * 2)
    # fmt: on

    return handler


def other_body() -> Agent:
    """The same declaration, another body."""

    @agent(name="a", subscribe="in", publish="out", max_attempts=2)
    async def handler(payload: int) -> int:
        total = payload + 1
        return total * 3

    return handler


def test_layout_and_words_do_not_count() -> None:
    """Comments, docstrings, descriptions, layout and how it is declared make no difference."""
    assert fingerprint(plain()) == fingerprint(plain()) == fingerprint(laid_out())
    assert len(fingerprint(plain())) == DIGITS


def in_a_process(payload: int) -> int:
    """A function at the top of a module."""
    return payload


def test_where_it_runs_counts_where_it_is_said() -> None:
    """A handler in a worker process is another agent than one in a thread, said or not."""
    thread, also, process = (
        fingerprint(agent(name="a", subscribe="in", run_in=run_in)(in_a_process))
        for run_in in (None, "thread", "process")
    )
    assert thread == also != process


def test_the_body_counts() -> None:
    """Another body is other code."""
    assert fingerprint(plain()) != fingerprint(other_body())


async def work(payload: Any) -> Any:
    """One handler for many declarations."""
    return payload


def twice(payload: Any) -> Any:
    """A function for what takes one."""
    return [payload, payload]


SCHEMA = {"type": "object", "version": 2}
DECLARED: list[dict[str, Any]] = [
    {},
    {"subscribe": "other"},
    {"publish": "out"},
    {"publish": "*"},
    {"publish": "out", "publish_each": True},
    {"publish": {"out": {"type": "string"}}},
    {"input_schema": SCHEMA},
    {"input_schema": SCHEMA, "upcast": {1: twice}},
    {"input_schema": SCHEMA, "upcast": {1: len}},
    {"key": "id"},
    {"key": twice},
    {"key": lambda payload: payload["id"]},
    {"key": lambda payload: payload["name"]},
    {"retry": "linear:2"},
    {"retry": "linear:3"},
    {"retry": Immediate()},
    {"retry": Immediate(retry_on=OSError)},
    {"retry": Exponential(give_up_on=(KeyError, ValueError))},
    {"max_attempts": 5},
    {"concurrency": 2},
    {"timeout": 1.5},
    {"overflow": "block"},
    {"capacity": 3},
    {"on_failure": "stop"},
    {"hears_itself": True},
]


def test_every_part_of_the_declaration_counts() -> None:
    """No two of these are the same agent, and each is the same each time."""
    options = [{"name": "a", "subscribe": "in", **each} for each in DECLARED]
    found = [fingerprint(agent(**each)(work)) for each in options]
    assert found == [fingerprint(agent(**each)(work)) for each in options]
    assert len(set(found)) == len(found)


def test_whether_it_streams_counts() -> None:
    """A generator that streams is another agent than one that holds back."""

    async def numbers() -> AsyncIterator[int]:
        yield 1

    held, streamed = (
        fingerprint(agent(name="a", subscribe="in", publish="out", stream=each)(numbers))
        for each in (False, True)
    )
    assert held != streamed


def plain_class() -> type[Any]:
    """A class whose handler calls another method."""

    class Handling:
        async def process_message(self, payload: Any) -> Any:
            return self.worked(payload)

        def worked(self, payload: Any) -> Any:
            return payload

    return Handling


def other_class() -> type[Any]:
    """One with the same handler, which comes to something else."""

    class Handling:
        async def process_message(self, payload: Any) -> Any:
            return self.worked(payload)

        def worked(self, payload: Any) -> Any:
            return [payload]

    return Handling


class Called:
    """An instance that is called."""

    def __call__(self, payload: Any) -> Any:
        return payload


def test_a_class_counts_as_a_whole() -> None:
    """A handler that is a method stands for all of its class; instances of it are the same."""
    one, again, other = (
        fingerprint(agent(name=str(number), subscribe="in")(each))
        for number, each in enumerate((plain_class(), plain_class()(), other_class()))
    )
    assert one == again
    assert one != other


class Patient:
    """A strategy of a user's own."""

    max_attempts = 3

    def delay(self, attempt: int, random: float) -> float:
        return 1.0

    def retries(self, error: BaseException) -> bool:
        return True


HANDLERS: list[Callable[..., Any]] = [
    lambda payload: payload,
    partial(twice),
    Called(),
    partial(Called()),
    eval("lambda payload: payload in {'a', 'b', 'c'}"),
]


@pytest.mark.parametrize("handler", HANDLERS)
def test_whatever_can_be_called_has_one(handler: Callable[..., Any]) -> None:
    """Lambdas, partials, instances, and code whose source is nowhere."""
    made = agent(name="a", subscribe="in", retry=Patient())(handler)
    same = agent(name="a", subscribe="in", retry=Patient())(handler)
    assert fingerprint(made) == fingerprint(same)
    assert fingerprint(made) != fingerprint(agent(name="a", subscribe="in")(handler))


PROGRAM = """
from dagger import Immediate, agent
from dagger.authoring.fingerprint import fingerprint

class Strategy(Immediate):
    def retries(self, error):
        return str(error) in {"a", "b", "c", "d"}

@agent(subscribe={"x", "y", "z"} and ["x"], retry=Strategy(retry_on=(OSError, KeyError)),
       key=lambda payload: str(payload in {"p", "q", "r"}))
def handler(payload):
    return payload in {"k", "l", "m"}

exec("def other(payload): return payload in {'k', 'l', 'm'}")
print(fingerprint(handler), fingerprint(agent(subscribe="x")(other)))
"""


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Neither the order of sets nor where things are in memory makes a difference."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    root = str(Path(dagger.__file__).parents[1])
    said = {
        subprocess.run(
            [sys.executable, path],
            env={"PYTHONPATH": root, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1, said
