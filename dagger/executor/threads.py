"""Worker threads for plain `def` handlers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

import anyio
import anyio.from_thread
import anyio.lowlevel


class Job:
    """One call in a thread: `done` is set on the loop when it has an outcome."""

    __slots__ = ("call", "done", "error", "result")

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.done = anyio.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.call()
        except BaseException as error:
            self.error = error

    def outcome(self) -> Any:
        """What the call returned; raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.result


class Threads(Protocol):
    """Where the plain functions of one executor run; used from its loop, but for `on_loop`."""

    def start(self, call: Callable[[], Any]) -> Job:
        """Begin `call`, with the context variables of the caller; wait for `job.done`, then
        ask `job.outcome()`.
        """

    def on_loop(self, call: Callable[[], Any]) -> Any:
        """Run `call` on the loop's thread and return its result, from whichever thread."""

    def close(self) -> None:
        """Nothing more is started; what is in a call is left to itself."""


class DaemonThreads:
    """Threads that are reused while they are idle.

    Daemon threads, and that is the whole reason they are ours: a thread cannot be
    ended from outside, and one that never returns must not keep the process alive.
    (anyio's own worker threads are joined at exit on asyncio.)
    """

    def __init__(self) -> None:
        self._token = anyio.lowlevel.current_token()
        self._home = threading.get_ident()
        self._idle: list[SimpleQueue[Job | None]] = []

    def start(self, call: Callable[[], Any]) -> Job:
        job = Job(partial(_here().run, call))
        if self._idle:
            self._idle.pop().put(job)
        else:
            inbox: SimpleQueue[Job | None] = SimpleQueue()
            inbox.put(job)
            threading.Thread(
                target=self._serve, args=(inbox,), name="dagger handler", daemon=True
            ).start()
        return job

    def on_loop(self, call: Callable[[], Any]) -> Any:
        if threading.get_ident() == self._home:
            return call()
        return anyio.from_thread.run_sync(call, token=self._token)

    def close(self) -> None:
        """Idle threads end; one that is in a call ends after it."""
        for inbox in self._idle:
            inbox.put(None)
        self._idle.clear()
        self._home = 0

    def _serve(self, inbox: SimpleQueue[Job | None]) -> None:
        while (job := inbox.get()) is not None:
            job.run()
            try:
                anyio.from_thread.run_sync(self._finished, job, inbox, token=self._token)
            except RuntimeError:  # the loop has ended: nobody waits for this any more
                return

    def _finished(self, job: Job, inbox: SimpleQueue[Job | None]) -> None:
        job.done.set()
        if self._home:
            self._idle.append(inbox)
        else:
            inbox.put(None)


def _here() -> Context:
    """The context variables of the caller, for a thread, in which no loop runs."""
    context = copy_context()
    sniffio = sys.modules.get("sniffio")
    if sniffio is not None:
        context.run(sniffio.current_async_library_cvar.set, None)
    return context
