"""From an exception to a Failure: plain text that can be kept, and has no secrets in it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from dagger.words.errors import ResponderFailed, SerializationError, StepFailed, ValidationError
from dagger.words.records import Failure
from dagger.words.secrets import hidden

MESSAGE_CUT = 2_000
"""Characters of an exception's message that are kept."""

CAUSES_KEPT = 8

_DAGGER = str(Path(__file__).parents[1]) + os.sep


def describe(error: BaseException) -> Failure:
    """The type, message, JSON path, causes and place of an exception."""
    return Failure(
        type=_type(error),
        message=_text(error),
        path=_path(error),
        causes=_told(error),
        trace=_place(error),
    )


def _path(error: BaseException) -> str:
    if isinstance(error, (StepFailed, ResponderFailed)):
        return error.failure.path
    return error.path if isinstance(error, (ValidationError, SerializationError)) else ""


def _told(error: BaseException) -> tuple[str, ...]:
    """Its causes; of a step or a responder that failed, those that are known also after a
    restart.
    """
    if isinstance(error, (StepFailed, ResponderFailed)):
        failure = error.failure
        return (f"{failure.type}: {failure.message}", *failure.causes)[:CAUSES_KEPT]
    return tuple(f"{_type(each)}: {_text(each)}" for each in _causes(error))


def _type(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:  # an exception whose __str__ raises
        text = f"<its text cannot be made: {type(broken).__name__}>"
    return hidden(text.encode("utf-8", "backslashreplace").decode())[:MESSAGE_CUT]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Causes, nearest first: explicit ones, contexts, and what a group holds."""
    seen = {id(error)}
    for _ in range(CAUSES_KEPT):
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif error.__cause__ is not None:
            error = error.__cause__
        elif error.__context__ is not None and not error.__suppress_context__:
            error = error.__context__
        else:
            return
        if id(error) in seen:
            return
        seen.add(id(error))
        yield error


def _place(error: BaseException) -> str:
    """Where it left the handler's own file, whoever raised it: "file:line in function".

    The handler's file is the first one outside of Dagger; without one it is where the
    error was raised.
    """
    if isinstance(error, BaseExceptionGroup):
        return _place(error.exceptions[0])
    calls = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    outside = [code.co_filename for code, _ in calls if not code.co_filename.startswith(_DAGGER)]
    own = [call for call in calls if outside and call[0].co_filename == outside[0]] or calls
    return f"{own[-1][0].co_filename}:{own[-1][1]} in {own[-1][0].co_name}" if own else ""
