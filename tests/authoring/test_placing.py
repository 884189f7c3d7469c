"""Where a handler runs: what cannot run there is refused where it is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from dagger import Context, DefinitionError, agent
from dagger.authoring.placing import Importable


def plain(payload: Any) -> Any:
    """A function at the top of a module."""
    return payload


async def waiting(payload: Any) -> Any:
    """One that runs on the loop."""
    return payload


def several(payload: Any) -> Iterator[Any]:
    """One that yields."""
    yield payload


async def streaming(payload: Any) -> AsyncIterator[Any]:
    """One that does both."""
    yield payload


def at_home(payload: Any, ctx: Context) -> None:
    """One that asks for what does not travel."""


class Room:
    """A class with a handler."""

    def process_message(self, payload: Any) -> None:
        """Do nothing."""

    @staticmethod
    def inside(payload: Any) -> None:
        """Do nothing."""


def test_a_function_is_named_as_another_process_finds_it() -> None:
    """Module, file and name of a function at the top of a module are noted."""
    made = agent(subscribe="in", run_in="process")(plain)
    assert made.process == Importable(__name__, __file__, "plain")
    assert agent(subscribe="in")(plain).process is None
    assert agent(subscribe="in", run_in="thread")(several).process is None


def nested() -> Any:
    """A function that is made anew each time."""

    def inner(payload: Any) -> None: ...

    return inner


@pytest.mark.parametrize(
    ("run_in", "handler", "said"),
    [
        ("thread", waiting, "write it as a plain def, or call what takes long with ctx.step"),
        ("thread", streaming, "is for a plain def"),
        ("fiber", plain, "run_in must be 'thread' or 'process', not 'fiber'"),
        (True, plain, "run_in must be 'thread' or 'process', not True"),
        ("process", waiting, "not 'async def'; write it as a plain def"),
        ("process", streaming, "not 'async def with yield'; write it as a plain def"),
        ("process", several, "not 'def with yield'; return a list, with publish_each=True"),
        ("process", lambda payload: payload, "this is a lambda; write it there with def"),
        ("process", nested(), "this is a function inside another one"),
        ("process", Room.inside, "this is a function inside a class"),
        ("process", Room, "this is a method"),
        ("process", partial(plain, 1), "this is a partial"),
        ("process", at_home, "parameter 'ctx' cannot go into a worker process"),
    ],
)
def test_what_cannot_run_there_is_refused_with_its_place(
    run_in: Any, handler: Any, said: str
) -> None:
    """The sentence says what is wrong and what to do, and names function, file and line."""
    with pytest.raises(DefinitionError) as caught:
        agent(subscribe="in", run_in=run_in)(handler)
    assert said in str(caught.value)
    assert "test_placing.py:" in str(caught.value)


def test_a_function_of_no_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was typed at a prompt no other process can import."""
    module = ModuleType("typed")
    monkeypatch.setitem(__import__("sys").modules, "typed", module)
    exec("def typed(payload): ...", vars(module))
    with pytest.raises(DefinitionError, match="'typed' comes from no file"):
        agent(subscribe="in", run_in="process")(module.typed)
