"""What goes between a process and its worker processes: requests, answers and exceptions."""

from __future__ import annotations

import io
import os
import pickle
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from dagger.authoring.placing import Importable
from dagger.words.errors import ExecutionError, SerializationError

SIZE = 8
"""Bytes that say how many follow."""

CHAIN = 8
"""Causes and contexts of an exception that go with it."""

CALLS = 100
"""Lines of its traceback that do."""

MAIN = "__mp_main__"
"""What the main module of a program is called where it is imported and not run, as in
`multiprocessing`."""

_DAGGER = str(Path(__file__).parents[2]) + os.sep


class Program(NamedTuple):
    """A program, as far as a worker process has to know it."""

    argv: list[str]
    path: list[str]
    """Where it finds modules."""
    file: str | None
    """Of its main module; None where it comes from no file."""
    package: str | None
    """That the main module is in, if it was run with `python -m`."""


class Request(NamedTuple):
    """One call of a handler."""

    agent: str
    program: Program
    handler: Importable
    given: bytes
    """Its arguments by name; apart, for their types may have to be imported first."""


class Answer(NamedTuple):
    """What has come of a call."""

    value: Any
    raised: Raised | None


class Raised(NamedTuple):
    """An exception: what it is made of, and what does not go with it by itself."""

    made_of: bytes
    calls: list[tuple[str, int, str]]
    """File, line and function of each call outside of Dagger, outermost first."""
    cause: Raised | None
    context: Raised | None
    suppress: bool


def framed(parcel: bytes) -> bytes:
    """Bytes, with their number before them."""
    return len(parcel).to_bytes(SIZE, "big") + parcel


def sealed(value: Any) -> bytes:
    """A value as bytes. Raises whatever its types raise where they cannot be."""
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def stays_out(error: Exception) -> SerializationError:
    """What a handler is given cannot be sealed, for that reason."""
    return SerializationError("$", f"it cannot go into a worker process: {error}")


def stays_in(value: Any, agent: str, error: Exception) -> SerializationError:
    """What a handler has returned cannot be sealed, for that reason."""
    problem = f"a {type(value).__name__} cannot come out of a worker process: {error}"
    return SerializationError("$", problem, agent)


def opened(parcel: bytes, agent: str) -> Any:
    """What an answer from a worker process comes to: its value, or else the exception, raised.

    Raises SerializationError for a value that cannot be made again here.
    """
    try:
        value, raised = _FromWorker(io.BytesIO(parcel)).load()
    except Exception as error:
        problem = f"what came out of a worker process cannot be made here: {error}"
        raise SerializationError("$", problem, agent) from error
    if raised is not None:
        raise again(raised)
    return value


class _FromWorker(pickle.Unpickler):
    """Reads what a worker process has written, whose main module is ours."""

    def find_class(self, module: str, name: str) -> Any:
        return super().find_class("__main__" if module == MAIN else module, name)


# -- exceptions ----------------------------------------------------------------------


def raised(error: BaseException, left: int = CHAIN) -> Raised:
    """An exception for another process, with its calls, causes and contexts."""
    cause, context = error.__cause__, error.__context__
    return Raised(
        _made_of(error),
        _calls(error.__traceback__),
        raised(cause, left - 1) if cause and left else None,
        raised(context, left - 1) if context and context is not cause and left else None,
        error.__suppress_context__,
    )


def again(parcel: Raised) -> BaseException:
    """The exception, as it was raised."""
    try:
        error: BaseException = _FromWorker(io.BytesIO(parcel.made_of)).load()
    except Exception as broken:
        error = ExecutionError(f"a worker process raised what cannot be made here: {broken}")
    error.__cause__ = parcel.cause and again(parcel.cause)
    error.__context__ = parcel.context and again(parcel.context)
    error.__suppress_context__ = parcel.suppress
    return error.with_traceback(_trace(parcel.calls))


def _made_of(error: BaseException) -> bytes:
    """What makes it again: as it says itself, or else without calling its class, whose
    `__init__` may want other arguments than `args` holds, or else its text alone.
    """
    for recipe in (error, _Recipe(type(error), error.args, vars(error))):
        try:
            parcel = sealed(recipe)
            made = pickle.loads(parcel)
            if type(made) is type(error) and str(made) == str(error):
                return parcel
        except Exception:  # whatever a class of the user's own raises
            continue
    return sealed(ExecutionError("".join(traceback.format_exception_only(error)).strip()))


class _Recipe(NamedTuple):
    kind: type[BaseException]
    args: tuple[Any, ...]
    attributes: Mapping[str, Any]

    def __reduce__(self) -> Any:
        return _remade, tuple(self)


def _remade(
    kind: type[BaseException], args: tuple[Any, ...], attributes: Mapping[str, Any]
) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(attributes)
    return error


def _calls(trace: TracebackType | None) -> list[tuple[str, int, str]]:
    calls = [
        (frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(trace)
        if not frame.f_code.co_filename.startswith(_DAGGER)
    ]
    return calls if len(calls) <= CALLS else [*calls[: CALLS // 2], *calls[-CALLS // 2 :]]


def _trace(calls: list[tuple[str, int, str]]) -> TracebackType | None:
    """A traceback that names these calls, in frames that hold nothing."""
    trace = None
    for file, line, name in reversed(calls):
        found: dict[str, Any] = {"here": sys._getframe}
        exec(compile("frame = here()", file, "exec").replace(co_name=name), found)
        trace = TracebackType(trace, found["frame"], -1, line)
    return trace
