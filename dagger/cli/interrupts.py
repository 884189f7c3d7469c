"""Ctrl-C and SIGTERM, while a run goes on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, Self

from dagger.cli.exits import Exit

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_SHOW_CURSOR = b"\x1b[?25h\n"


class Interrupts:
    """Inside of it the first signal is noted in `signal`, and the second one kills.

    Handlers of Python's own rather than anyio's receiver, which is served by the event
    loop: they work while an agent keeps the loop to itself, and that is when one wants
    them most.
    """

    def __init__(self) -> None:
        self.signal = ""
        """The name of the first signal; empty until it comes."""
        self.before_the_end: Callable[[], None] = lambda: None
        """Called between the second signal and the end."""
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {each: signal.signal(each, self._note) for each in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number).name
        for each in SIGNALS:
            signal.signal(each, self._kill)

    def _kill(self, number: int, frame: FrameType | None) -> None:
        try:
            self.before_the_end()
        finally:
            _end()


def _end() -> NoReturn:
    if sys.__stderr__ is not None and sys.__stderr__.isatty():
        os.write(sys.__stderr__.fileno(), _SHOW_CURSOR)
    os._exit(Exit.INTERRUPTED)
