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

    __slots__ = ("_tell", "call", "done", "error", "result")

    def __init__(
        self, call: Callable[[], Any], tell: Callable[[Job], None] = lambda job: None
    ) -> None:
        self._tell = tell
        self.call = call
        self.done = anyio.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.call()
        except BaseException as error:
            self.error = error

    def over(self) -> None:
        """On the loop: it has an outcome."""
        self.done.set()
        self._tell(self)

    def outcome(self) -> Any:
        """What the call returned; raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.result


_Inbox = SimpleQueue["Job | None"]


class Line(Protocol):
    """Calls that run in one thread, one after the other."""

    def start(self, call: Callable[[], Any]) -> Job:
        """Begin `call`, once those before it are over."""

    def end(self) -> None:
        """There are no more of them."""


class Threads(Protocol):
    """Where the plain functions of one executor run; used from its loop, but for `on_loop`."""

    def start(self, call: Callable[[], Any]) -> Job:
        """Begin `call`, with the context variables of the caller; wait for `job.done`, then
        ask `job.outcome()`.
        """

    def line(self) -> Line:
        """A thread for several calls, with the context variables of the caller."""

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
        self._idle: list[_Inbox] = []

    def start(self, call: Callable[[], Any]) -> Job:
        line = self.line()
        job = line.start(call)
        line.end()
        return job

    def line(self) -> DaemonLine:
        return DaemonLine(self._idle.pop() if self._idle else self._thread(), self._free)

    def _thread(self) -> _Inbox:
        inbox: _Inbox = SimpleQueue()
        threading.Thread(
            target=self._serve, args=(inbox,), name="dagger handler", daemon=True
        ).start()
        return inbox

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

    def _serve(self, inbox: _Inbox) -> None:
        while (job := inbox.get()) is not None:
            job.run()
            try:
                anyio.from_thread.run_sync(job.over, token=self._token)
            except RuntimeError:  # the loop has ended: nobody waits for this any more
                return

    def _free(self, inbox: _Inbox) -> None:
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


class DaemonLine:
    """A daemon thread that is idle again once the line has ended, and its last call."""

    __slots__ = ("_context", "_ended", "_free", "_inbox", "_job")

    def __init__(self, inbox: _Inbox, free: Callable[[_Inbox], None]) -> None:
        self._inbox = inbox
        self._free = free
        self._context = _here()
        self._ended = False
        self._job: Job | None = None  # the last one

    def start(self, call: Callable[[], Any]) -> Job:
        self._job = job = Job(partial(self._context.run, call), self._over)
        self._inbox.put(job)
        return job

    def end(self) -> None:
        self._ended = True
        if self._job is None or self._job.done.is_set():
            self._free(self._inbox)

    def _over(self, job: Job) -> None:
        if self._ended and job is self._job:
            self._free(self._inbox)
