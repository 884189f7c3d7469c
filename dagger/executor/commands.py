"""Commands of other processes, which come through the store's inbox.

Each is carried out exactly once: what it does and that it was done are durable together.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import anyio

from dagger.executor.forking import Fork
from dagger.executor.recovery import resume
from dagger.store.inbox import Command, MemoryInbox, Unreadable
from dagger.words.errors import DaggerError, DatabaseError, ExecutionError
from dagger.words.payload import encode
from dagger.words.records import CommandTaken

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.run import Run

    Call = Callable[[Engine, Run, str], None]

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
                await self.look()
                await self._drop()
            except DatabaseError as error:
                logger.warning("commands of other processes cannot be read: %s", error)
            with anyio.move_on_after(EVERY, shield=True):
                await self._stopped.wait()

    def stop(self) -> None:
        """Nothing more is carried out."""
        self._stopped.set()

    async def look(self) -> None:
        """Carry out what has come, unless it cannot be written down."""
        engine = self._engine
        for number, command in [] if self._deaf() else self._inbox.take(engine.state.commands):
            carry_out = await self._ready(command)
            if self._deaf():
                return
            with engine.store.together():
                carry_out()
                engine.commit(CommandTaken(number))

    def _deaf(self) -> bool:
        return self._engine.stuck or self._engine.closing

    async def _drop(self) -> None:
        """Let go of what is done for good; in a thread, because that waits for the disk."""
        done = self._engine.state.commands
        if done > self._dropped and self._engine.store.durable == self._engine.store.position:
            job = self._engine.threads.start(lambda: self._inbox.drop(done))
            await job.done.wait()
            job.outcome()
            self._dropped = done

    async def _ready(self, command: Command | Unreadable) -> Callable[[], object]:
        """What there is to do about a command; what of it takes time has been done."""
        if isinstance(command, Unreadable):
            told = "a command of another process cannot be read: %s"
            return partial(logger.warning, told, command.reason)
        if command.verb == "fork":
            return await self._fork(command)
        call = _VERBS.get(command.verb)
        if call is None:
            told = "%s asks for %r, which is not known"
            return partial(logger.warning, told, command.sender, command.verb)
        return partial(self._carry_out, command, call)

    def _carry_out(self, command: Command, call: Call) -> None:
        for run in self._runs(command):
            call(self._engine, run, f"{command.verb} by {command.sender}")

    async def _fork(self, command: Command) -> Callable[[], object]:
        try:
            begin = await self._engine.runs.fork(_wanted(self._engine, command))
        except DaggerError as error:
            return partial(logger.warning, "%s asks to %s run %r: %s", *_who(command), error)
        return begin

    def _runs(self, command: Command) -> list[Run]:
        """The open runs that are meant: one, or all."""
        live = [each.state for each in self._engine.runs.live.values()]
        found = [run for run in live if command.run in ("", run.id)]
        if not found and command.run:
            logger.warning("%s asks to %s run %r, which is not open", *_who(command))
        return found


def _wanted(engine: Engine, command: Command) -> Fork:
    """The fork that is asked for. Raises SerializationError, ExecutionError."""
    said = command.fields
    at, run_id = said.get("at"), said.get("id")
    if type(at) is not str or type(run_id) is not str:
        raise ExecutionError(f"a fork takes texts for its message and its id, not {said!r}")
    payload = None
    if "payload" in said:
        payload = encode(said["payload"], limit=engine.max_payload_bytes)
    return Fork(command.run, at, run_id, payload, said.get("frontier") is True)


def _who(command: Command) -> tuple[str, str, str]:
    return command.sender, command.verb, command.run


def _resume(engine: Engine, run: Run, reason: str) -> None:
    engine.runs.resume(run)
    resume(engine, run)  # also one that was left alone


_VERBS: dict[str, Call] = {
    "cancel": lambda engine, run, reason: engine.runs.cancel(run, reason),
    "pause": lambda engine, run, reason: engine.runs.pause(run, reason),
    "resume": _resume,
}
"""What other processes may ask for besides forks; the run ends up so, however often it is
asked.
"""
