"""The supervisor: the one owner of an executor's tasks.

They run apart from the block of the user. What cancels the block does not reach them:
each shields itself, and ends when the executor stops. One that fails cancels the block,
which then raises the failure.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

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

    def start(self, serve: Callable[[], Awaitable[None]], name: str) -> None:
        """Start a task."""
        self._tasks.start_soon(self._watch, serve, name=name)

    async def _watch(self, serve: Callable[[], Awaitable[None]]) -> None:
        try:
            await serve()
        except BaseException as failure:
            self._failure = self._failure or failure
            self._block.cancel_scope.cancel()
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
