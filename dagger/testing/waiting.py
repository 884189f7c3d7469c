"""What a task waits for, as a person would look for it."""

from __future__ import annotations

import asyncio
import sysconfig
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


def waits(task: asyncio.Task[Any]) -> str:
    """The name of a task, and the innermost place in it that is no library's."""
    places = [(code, line) for code, line in _suspended(task.get_coro())]
    own = [each for each in places if not each[0].co_filename.startswith(_LIBRARIES)]
    if not places:
        return f"{task.get_name()!r}, which has not begun or is over"
    code, line = (own or places)[-1]
    return f"{task.get_name()!r} in {code.co_qualname} ({code.co_filename}:{line})"


def _suspended(thing: Any) -> Iterator[tuple[CodeType, int]]:
    """What is awaited by what, from the outermost frame to the innermost."""
    while thing is not None:
        frame: FrameType | None = None
        for kind in ("cr", "gi", "ag"):
            frame = frame or getattr(thing, f"{kind}_frame", None)
        if frame is not None:
            yield frame.f_code, frame.f_lineno
        thing = next(
            (
                getattr(thing, name)
                for name in ("cr_await", "gi_yieldfrom", "ag_await")
                if getattr(thing, name, None) is not None
            ),
            None,
        )
