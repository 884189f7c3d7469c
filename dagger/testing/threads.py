"""Plain functions without threads: each runs on the loop itself, whole, in its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dagger.executor.threads import Job
from dagger.store.posting import poster


class InlineThreads:
    """The `threads` of an executor whose time is virtual: a clock that jumps waits for no thread.

    A function begins once the loop comes to it, and nothing else happens until it returns.
    """

    def start(self, call: Callable[[], Any]) -> Job:
        """Run `call` once the loop comes to it; the job is over then."""
        job = Job(call)

        def run() -> None:
            job.run()
            job.over()

        poster(run)()
        return job

    def line(self) -> InlineThreads:
        """One is as good as another."""
        return self

    def end(self) -> None:
        """There is no thread to give back."""

    def on_loop(self, call: Callable[[], Any]) -> Any:
        """The result of `call`, which is on the loop's thread anyway."""
        return call()

    def close(self) -> None:
        """There is nothing to let go."""
