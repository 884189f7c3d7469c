"""Commands of other processes, which come through the store's inbox.

Each is carried out exactly once: what it does and that it was done are durable together.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from dagger.executor.recovery import resume
from dagger.store.inbox import Command, MemoryInbox, Unreadable
from dagger.words.errors import DatabaseError
from dagger.words.records import CommandTaken

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.run import Run

EVERY = 0.1
"""Seconds between two looks into the inbox. Another process cannot wake this loop in a
way that works everywhere, and a look costs a few microseconds."""

logger = logging.getLogger("dagger")


class Commands:
    """Carries out what other processes ask for; `serve` is run by the supervisor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._inbox = engine.store.inbox or MemoryInbox()
        self._dropped = 0
        self._stopped = anyio.Event()

    async def serve(self) -> None:
        """Look into the inbox, until `stop`."""
        while not self._stopped.is_set():
            try:
                self.look()
                await self._drop()
            except DatabaseError as error:
                logger.warning("commands of other processes cannot be read: %s", error)
            with anyio.move_on_after(EVERY, shield=True):
                await self._stopped.wait()

    def stop(self) -> None:
        """Nothing more is carried out."""
        self._stopped.set()

    def look(self) -> None:
        """Carry out what has come, unless it could not be written down."""
        engine = self._engine
        if engine.stuck or engine.closing:
            return
        for number, command in self._inbox.take(engine.state.commands):
            with engine.store.together():
                self._carry_out(command)
                engine.commit(CommandTaken(number))

    async def _drop(self) -> None:
        """Let go of what is done for good; in a thread, because that waits for the disk."""
        done = self._engine.state.commands
        if done > self._dropped and self._engine.store.durable == self._engine.store.position:
            job = self._engine.threads.start(lambda: self._inbox.drop(done))
            await job.done.wait()
            job.outcome()
            self._dropped = done

    def _carry_out(self, command: Command | Unreadable) -> None:
        if isinstance(command, Unreadable):
            logger.warning("a command of another process cannot be read: %s", command.reason)
            return
        call = _VERBS.get(command.verb)
        if call is None:
            logger.warning("%s asks for %r, which is not known", command.sender, command.verb)
            return
        for run in self._runs(command):
            call(self._engine, run, f"{command.verb} by {command.sender}")

    def _runs(self, command: Command) -> list[Run]:
        """The open runs that are meant: one, or all."""
        live = [each.state for each in self._engine.runs.live.values()]
        found = [run for run in live if command.run in ("", run.id)]
        if not found and command.run:
            logger.warning("%s asks to %s run %r, which is not open", *_who(command))
        return found


def _who(command: Command) -> tuple[str, str, str]:
    return command.sender, command.verb, command.run


def _resume(engine: Engine, run: Run, reason: str) -> None:
    engine.runs.resume(run)
    resume(engine, run)  # also one that was left alone


_VERBS: dict[str, Callable[[Engine, Run, str], None]] = {
    "cancel": lambda engine, run, reason: engine.runs.cancel(run, reason),
    "pause": lambda engine, run, reason: engine.runs.pause(run, reason),
    "resume": _resume,
}
"""What other processes may ask for; the run ends up so, however often it is asked."""
