"""Driving a handler's coroutine step by step.

Between two suspensions a handler has the loop to itself; driving it ourselves lets
us time each of those steps, name the one that blocked the loop, and leave a
coroutine behind that ignores its cancellation. A handler that never suspends costs
one `send`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import cache
from queue import SimpleQueue
from threading import Thread
from types import coroutine
from typing import Any, Protocol

LONG_STEP = 0.001
"""Seconds a handler may have the loop before it is noted; then others get a turn."""


class Abandoned(Exception):
    """The handler ignored its cancellation for longer than the grace; it was left behind."""


class Watch(Protocol):
    """Who drives: told of slow steps and resumptions."""

    @property
    def monotonic(self) -> Callable[[], float]:
        """The stopwatch by which a step is slow."""

    def long_step(self, seconds: float, line: int) -> None:
        """A step that ended near `line` of the handler had the loop for over LONG_STEP."""

    def resumed(self) -> bool:
        """The loop gives control back. False if the handler must not have it any more."""


class Steps(Protocol):
    """What is driven: a coroutine, or what is resumed as one."""

    def send(self, value: Any, /) -> Any:
        """Go on until it suspends. Raises StopIteration with what it returns."""

    def throw(self, error: BaseException, /) -> Any:
        """Go on with an error, in the same way."""


def begin(handler: Steps, watch: Watch) -> tuple[bool, Any]:
    """The first step: (True, what it returned), or (False, what `drive` goes on with).

    Apart from `drive`, because most handlers never suspend and need no more than this.
    """
    time = watch.monotonic
    began = time()
    try:
        return False, handler.send(None)
    except StopIteration as end:
        return True, end.value
    finally:
        if time() - began > LONG_STEP:
            watch.long_step(time() - began, _line(handler))


@coroutine
def drive(handler: Steps, trap: Any, watch: Watch) -> Generator[Any, Any, Any]:
    """What a handler that has begun returns; raises what it raises, or Abandoned."""
    finished = False
    while not finished:
        error: BaseException | None = None
        value = None
        try:
            value = yield trap
        except BaseException as thrown:  # handed to the handler, whatever it is
            error = thrown
        finished, trap = resume(handler, value, error, watch)
    return trap


def resume(
    handler: Steps, value: Any, error: BaseException | None, watch: Watch
) -> tuple[bool, Any]:
    """Another step, with what the loop has given: as `begin`. Raises Abandoned."""
    if not watch.resumed():
        leave(handler)
        raise Abandoned
    time = watch.monotonic
    began = time()
    try:
        return False, handler.send(value) if error is None else handler.throw(error)
    except StopIteration as end:
        return True, end.value
    finally:
        if time() - began > LONG_STEP:
            watch.long_step(time() - began, _line(handler))


def _line(handler: Any) -> int:
    """The line where the handler is suspended; 0 where that cannot be seen."""
    frame = getattr(handler, "cr_frame", None)
    return frame.f_lineno if frame is not None else 0


def leave(suspended: object) -> None:
    """Leave a handler where it is, suspended for ever.

    Not even the garbage collector may close it: closing runs code of the handler, which
    has shown that it does not end when it is told to, and might begin to wait in the name
    of a task that is gone. A daemon thread holds it for as long as the process lives.
    """
    _start_keeper()
    _LEFT.put(suspended)


_LEFT: SimpleQueue[object] = SimpleQueue()


@cache
def _start_keeper() -> None:
    Thread(target=_keep, name="dagger abandoned handlers", daemon=True).start()


def _keep() -> None:
    kept = []
    while True:
        kept.append(_LEFT.get())
