"""The supervisor: the one owner of an executor's tasks.

They run apart from the block of the user. What cancels the block does not reach them:
each shields itself, and ends when the executor stops. One that fails cancels the block,
which then raises the failure.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio


class Supervisor:
    """Starts tasks, and holds them until they have ended."""

    def __init__(self) -> None:
        self._block = anyio.create_task_group()
        self._tasks = anyio.create_task_group()
        self._begun = anyio.Event()
        self._over = anyio.Event()
        self._failure: BaseException | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tasks may be started in this block; leaving it waits for their ends."""
        async with self._block:
            self._block.start_soon(self._hold)
            with anyio.CancelScope(shield=True):
                await self._begun.wait()
            try:
                yield
            finally:
                self._over.set()

    def start(
        self, serve: Callable[[], Coroutine[Any, Any, None]], name: str, *, tells: bool = False
    ) -> None:
        """Start a task. One that `tells` says itself that it has `failed`, which saves memory
        where there are very many.
        """
        if tells:
            self._tasks.start_soon(serve, name=name)
        else:
            self._tasks.start_soon(self._watch, serve, name=name)

    def failed(self, failure: BaseException) -> None:
        """A task ends with a failure: everything else is to end as well."""
        self._failure = self._failure or failure
        self._block.cancel_scope.cancel()

    async def _watch(self, serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await serve()
        except BaseException as failure:
            self.failed(failure)
            raise

    async def _hold(self) -> None:
        try:
            with anyio.CancelScope(shield=True):
                async with self._tasks:
                    self._begun.set()
                    await self._over.wait()
        except BaseExceptionGroup:
            # A handler that was given up left scopes of its own open in a task that has
            # ended: a complaint that says no more than that it was abandoned.
            pass
        if self._failure is not None:
            raise self._failure
