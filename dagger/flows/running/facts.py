"""What is known of the steps of a run: what expressions see of them, and what is told of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from dagger.words.errors import RequestRefused, RequestTimeout, ResponderFailed


class Error(NamedTuple):
    """Why a step, or an item of it, has failed."""

    type: str
    """The name of an exception's class."""
    message: str

    def data(self) -> dict[str, str]:
        return {"type": self.type, "message": self.message}


def error_of(problem: Exception, awaited: str = "no result") -> Error:
    """Of what was raised where the step ran, if it was there; or of what kept it from running,
    such as that there was nothing of what was `awaited`.
    """
    if isinstance(problem, ResponderFailed | RequestRefused):
        return Error(problem.failure.type, problem.failure.message)
    if isinstance(problem, RequestTimeout):
        return Error(type(problem).__name__, f"{awaited} within {problem.seconds:g} s")
    return Error(type(problem).__name__, str(problem))


class Facts:
    """Of one step."""

    __slots__ = ("error", "items", "output", "reason", "reused")

    def __init__(self) -> None:
        self.output: Any = None
        self.error: Error | None = None
        self.reason = ""
        self.reused = 0  # of its results, those that this run did not make
        self.items: list[Any] | None = None  # results of items, in their order


def kind_of(value: Any) -> str:
    """What a value is, in a word."""
    names = {type(None): "null", dict: "a mapping", list: "a list", str: "a text"}
    return "a boolean" if isinstance(value, bool) else names.get(type(value), "a number")
