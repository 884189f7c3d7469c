"""What a failure says of the exception behind it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

from dagger import Context, Executor, agent


async def place(handler: Callable[..., Any]) -> str:
    """Where the report says that a handler failed: file name and function."""
    async with Executor([agent(subscribe="start", max_attempts=1)(handler)]) as executor:
        report = await executor.run("start", "1 +")
    assert report.error is not None
    file, _, function = report.error.trace.rpartition(":")
    return f"{file.rpartition('/')[2]} {function.partition(' in ')[2]}"


def parse(payload: str) -> None:
    """Fail in a library."""
    ast.parse(payload)


async def deeper(payload: str) -> None:
    """Fail one call further down."""
    parse(payload)


async def undeclared(payload: str, ctx: Context) -> None:
    """Fail in Dagger."""
    ctx.publish("elsewhere", payload)


async def grouped(payload: str) -> None:
    """Fail with several errors."""
    try:
        parse(payload)
    except SyntaxError as error:
        raise ExceptionGroup("all", [error]) from None


@pytest.mark.parametrize(
    ("handler", "function"),
    [(parse, "parse"), (deeper, "parse"), (undeclared, "undeclared"), (grouped, "parse")],
)
async def test_the_place_is_in_the_handlers_file(
    handler: Callable[..., Any], function: str
) -> None:
    """It is the last line of the handler's own file, also where a library or Dagger raised."""
    assert await place(handler) == f"test_failures.py {function}"


async def test_the_place_is_daggers_where_no_handler_was_on_the_way() -> None:
    """What is refused after the handler returned is placed where it was refused."""

    async def unspeakable(payload: str) -> object:
        return object()

    assert not (await place(unspeakable)).startswith("test_failures.py")
