"""One worker process, as its parent has it in hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Self

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from dagger.executor.processes.parcels import SIZE, Program, framed

PATIENCE = 5.0
"""Seconds for the system to take a process away that has been killed, or that has hung up."""

_GONE = (
    *(anyio.BrokenResourceError, anyio.ClosedResourceError),
    *(anyio.EndOfStream, anyio.IncompleteRead, OSError),
)


def program() -> Program:
    """What worker processes have to know of the program that they work for."""
    main = sys.modules["__main__"]
    file, package = (getattr(main, each, None) for each in ("__file__", "__package__"))
    return Program(sys.argv, sys.path, file, package)


def _command() -> list[str]:
    """A Python that finds Dagger where this one does, but the standard library first: it goes
    before a file of the program's that is called as one of its modules.
    """
    path = f"sys.path[:] = [each for each in sys.path if each] + {sys.path!r}"
    start = "from dagger.executor.processes.child import main; main()"
    return [sys.executable, "-c", f"import sys; {path}; {start}"]


class WorkerProcess:
    """A Python process that calls one function after the other.

    It leads a session of its own: Ctrl-C in a terminal does not reach it, and what it has
    started ends with it.
    """

    def __init__(self, process: Process, requests: ByteSendStream, answers: ByteReceiveStream):
        self._process = process
        self._requests = requests
        self._answers = BufferedByteReceiveStream(answers)
        self.modules: set[str] = set()
        """What it has imported handlers from."""

    @classmethod
    async def start(cls) -> Self:
        """A new one; that it works shows when it is asked."""
        # Shielded, for a process that is being made could not be killed.
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                _command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None,
                start_new_session=True,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        return cls(process, process.stdin, process.stdout)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, request: bytes) -> bytes | None:
        """Its answer; None if it has died. Whoever is interrupted here has to kill it."""
        try:
            await self._requests.send(framed(request))
            size = int.from_bytes(await self._answers.receive_exactly(SIZE), "big")
            return await self._answers.receive_exactly(size)
        except _GONE:
            return None

    async def kill(self) -> None:
        """End it at once, with all that it has started; returns once it is gone."""
        with anyio.move_on_after(PATIENCE, shield=True):
            if self.alive:
                with suppress(ProcessLookupError, PermissionError):  # it has just ended
                    self._kill()
            await self._process.aclose()

    async def died(self) -> int | None:
        """How one ended that answers no more, as `subprocess` tells it; None if it has not."""
        with anyio.move_on_after(PATIENCE, shield=True):
            await self._process.wait()
        code = self._process.returncode
        await self.kill()
        return code

    def _kill(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
        else:
            os.killpg(self._process.pid, signal.SIGKILL)
