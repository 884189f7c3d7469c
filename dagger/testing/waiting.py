"""What a task waits for, as a person would look for it."""

from __future__ import annotations

import asyncio
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from dagger.executor.drive import drive
from dagger.executor.worker import Worker

_NOT_YOURS = (
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]),  # Dagger itself, wherever it is installed
)

_BY_HAND = (drive.__code__, Worker.drive.__code__)
"""What awaits a handler by hand, and cannot be asked for it."""

_KINDS = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))
"""What coroutines and generators call their frame, and what they wait for."""


def waits(task: asyncio.Task[Any]) -> str:
    """The name of a task, and the innermost place in it that is of the program under test."""
    places = list(_places(task.get_coro()))
    if not places:
        return f"{task.get_name()!r}, which has not begun"
    yours = [each for each in places if not each[0].co_filename.startswith(_NOT_YOURS)]
    code, line = (yours or places)[-1]
    return f"{task.get_name()!r} in {code.co_qualname} ({code.co_filename}:{line})"


def _places(waiting: Any) -> Iterator[tuple[CodeType, int]]:
    """Code and line of what waits for what, from the outermost to the innermost."""
    while waiting is not None:
        awaited = None
        for frame_of, await_of in _KINDS:
            frame = getattr(waiting, frame_of, None)
            if frame is not None:
                yield frame.f_code, frame.f_lineno
                awaited = getattr(waiting, await_of)
                if frame.f_code in _BY_HAND:
                    awaited = frame.f_locals["handler"]
        waiting = awaited
