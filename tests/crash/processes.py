"""Programs in processes of their own, which may die at any moment, and what they said by then.

Each is forked off a server that has imported everything and opened nothing, so that one
more process costs milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from threading import Lock
from time import monotonic
from typing import Any, Concatenate, ParamSpec

P = ParamSpec("P")

Say = Callable[..., None]
"""`say(word, ...)`: tells the parent, whatever becomes of this process afterwards."""

Program = Callable[Concatenate[Say, P], None]
"""A function of a module: what a process does."""

PATIENCE = 30.0
"""Seconds after which a process that says nothing more fails the test."""

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    [
        "anyio._backends._asyncio",
        "anyio._backends._trio",
        "lmdb",
        "dagger.executor.executor",
        "dagger.store.lmdb",
        "dagger.store.reader",
        "dagger.views.report",
        "dagger.words.config",
        "tests.crash.owners",
        "tests.crash.poison",
        "tests.crash.policed",
        "tests.crash.workload",
    ]
)

_ends = Lock()
"""Who starts a process asks how others have ended, and two threads must not ask at once."""


class Child:
    """A process that runs a program, and says what it does; `heard` is all of it so far."""

    def __init__(self, program: Program[P], *args: P.args, **kwargs: P.kwargs) -> None:
        self._ear, mouth = _forks.Pipe(duplex=False)
        self._process = _forks.Process(
            target=_run, args=(mouth, program, args, kwargs), daemon=True
        )
        self.heard: list[tuple[Any, ...]] = []
        with _ends:
            self._process.start()
        mouth.close()
        self.pid = self._process.pid

    def hear(self, seconds: float = PATIENCE) -> tuple[Any, ...] | None:
        """What it says next; None if it has ended, or says nothing for so long."""
        try:
            if not self._ear.poll(seconds):
                return None
            words: tuple[Any, ...] = self._ear.recv()
        except (EOFError, OSError):  # also in the midst of a word
            return None
        assert words[0] != "error", words[1]
        self.heard.append(words)
        return words

    def until(self, *words: Any) -> None:
        """Wait until it has said this."""
        while (said := self.hear()) != words:
            assert said is not None, f"it never said {words}, but {self.heard}"

    def listen(self, count: int | None = None, seconds: float = PATIENCE) -> None:
        """Hear so many of its words, for so long, or all until its end."""
        until = monotonic() + seconds
        while count is None or count > 0:
            if self.hear(max(0.0, until - monotonic())) is None:
                return
            count = None if count is None else count - 1

    def kill(self) -> None:
        """End it at once, with a signal that it cannot catch, and hear the rest."""
        self._process.kill()
        self.ended()

    def ended(self) -> int:
        """Wait for its end, as long as it has something to say: its exit code, negative for a
        signal.
        """
        while self.hear() is not None:
            pass
        with _ends:
            self._process.join(PATIENCE)
        code = self._process.exitcode
        assert code is not None, f"it goes on for ever, and last said {self.heard[-1:]}"
        return code


@contextmanager
def running(program: Program[P], *args: P.args, **kwargs: P.kwargs) -> Iterator[Child]:
    """A process, which is gone afterwards."""
    child = Child(program, *args, **kwargs)
    try:
        yield child
    finally:
        child.kill()


def finished(program: Program[P], *args: P.args, **kwargs: P.kwargs) -> list[tuple[Any, ...]]:
    """What a program says that is seen through to its end."""
    with running(program, *args, **kwargs) as child:
        assert child.ended() == 0, child.heard
    return child.heard


def _run(mouth: Connection, program: Program[...], args: Any, kwargs: Any) -> None:
    try:
        program(lambda *words: mouth.send(words), *args, **kwargs)
    except BaseException:
        mouth.send(("error", traceback.format_exc()))
        os._exit(1)
