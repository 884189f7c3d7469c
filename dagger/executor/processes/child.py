"""What a worker process does: call what it is asked to, until its parent is gone.

Requests come on its standard input and answers go out on its standard output. Both are put
out of reach of the functions that it calls: those read nothing, and what they write comes
out on the standard error of the program they belong to.
"""

from __future__ import annotations

import io
import os
import pickle
import select
import signal
import sys
import threading
from typing import Any, BinaryIO

from dagger.executor.processes.importing import handler, main_module
from dagger.executor.processes.parcels import (
    SIZE,
    Answer,
    Program,
    framed,
    raised,
    sealed,
    stays_in,
)


def main() -> None:
    """Serve until there are no more requests."""
    _leave_signals_to_the_parent()
    requests, answers = _streams()
    watch = threading.Thread(
        target=_end_with_the_parent, args=(requests.fileno(),), name="dagger parent", daemon=True
    )
    watch.start()
    while size := requests.read(SIZE):
        answers.write(framed(answer(requests.read(int.from_bytes(size, "big")))))
        answers.flush()


def answer(request: bytes) -> bytes:
    """What a request comes to, whatever happens."""
    try:
        agent, program, at, given = pickle.loads(request)
        sys.argv[:], sys.path[:] = program.argv, program.path
        function = handler(program, at)
        value = function(**_FromParent(program, given).load())
    except BaseException as error:  # also SystemExit, which is no reason to go
        return sealed(Answer(None, raised(error)))
    try:
        return sealed(Answer(value, None))
    except Exception as error:  # whatever a class of the user's own raises
        return sealed(Answer(None, raised(stays_in(value, agent, error))))


class _FromParent(pickle.Unpickler):
    """Reads what is given to a handler, also where its types are in the main module."""

    def __init__(self, program: Program, given: bytes) -> None:
        super().__init__(io.BytesIO(given))
        self._program = program

    def find_class(self, module: str, name: str) -> Any:
        if module == "__main__":
            main_module(self._program)
        return super().find_class(module, name)


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Requests and answers, on descriptors that no function and no child of one has."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # the program has closed its stderr
        os.dup2(nothing, 1)
    os.close(nothing)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # or what it holds would die with it
    return open(requests, "rb"), open(answers, "wb")


def _leave_signals_to_the_parent() -> None:
    """What ends the program ends this process with it, and nothing else does: whoever sends
    SIGTERM to all processes of a service wants its handlers to be finished.

    Not with SIG_IGN, which the children of functions would inherit.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda number, frame: None)


def _end_with_the_parent(requests: int) -> None:
    """Wait until nobody holds the other end of a pipe; then end, in the middle of whatever.

    Only what keeps the interpreter to itself for long, such as a function in C, goes on until
    it lets it go. On Windows a function that is running is seen to its end.
    """
    if not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(requests, 0)  # tells of hanging up alone
    poll.poll()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with all that functions have started
    os._exit(1)
