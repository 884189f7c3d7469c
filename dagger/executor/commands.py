"""Commands of other processes, which come through the store's inbox.

Each is carried out exactly once: what it does and that it was done are durable together.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio

from dagger.executor.cancelling import cancel_invocation
from dagger.executor.forking import Fork
from dagger.executor.recovery import resume
from dagger.executor.redriving import Redrive, redriving
from dagger.executor.schedules import add
from dagger.store.inbox import Command, MemoryInbox, Unreadable
from dagger.words.errors import DaggerError, DatabaseError, ExecutionError
from dagger.words.payload import encode
from dagger.words.records import CommandTaken

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.executor.scheduler import Scheduler
    from dagger.executor.schedules import Terms
    from dagger.state.run import Run

    Call = Callable[[Engine, Run, str], None]

CarryOut = Callable[[], str]
"""Does what a command asks for, at once; why not, if it does not."""

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
                refusal = carry_out()
                engine.commit(CommandTaken(number, refusal))
            if refusal:
                logger.warning("a command of another process is refused: %s", refusal)

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

    async def _ready(self, command: Command | Unreadable) -> CarryOut:
        """What there is to do about a command; what of it takes time has been done."""
        if isinstance(command, Unreadable):
            return partial(str, f"it cannot be read: {command.reason}")
        match command.verb:
            case "fork":
                return await self._fork(command)
            case "redrive":
                return await self._redrive(command)
            case "cancel_invocation":
                return await self._cancel_invocation(command)
            case "answer":
                return partial(_tried, partial(self._answer, command))
            case "schedule":
                return partial(_tried, partial(self._schedule, command))
            case "schedules":
                return partial(_tried, partial(self._change, command))
            case "cancel" | "pause" | "resume":
                return partial(self._steer, command)
        return partial(str, f"{command.sender} asks for {command.verb!r}, which is not known")

    def _steer(self, command: Command) -> str:
        """Cancel, pause or resume one run, or all."""
        live = [each.state for each in self._engine.runs.live.values()]
        found = [run for run in live if command.run in ("", run.id)]
        for run in found:
            _STEERING[command.verb](self._engine, run, f"{command.verb} by {command.sender}")
        return f"{_what(command)}, which is not open" if command.run and not found else ""

    async def _fork(self, command: Command) -> CarryOut:
        try:
            begin = await self._engine.runs.fork(_wanted(self._engine, command))
        except DaggerError as error:
            return partial(str, f"{_what(command)}: {error}")
        return partial(_tried, begin)

    async def _redrive(self, command: Command) -> CarryOut:
        """Redrive a dead letter, or say why not."""
        try:
            redrive = await redriving(self._engine, _redrive(self._engine, command))
        except DaggerError as error:
            return partial(str, str(error))
        return partial(_tried, redrive)

    async def _cancel_invocation(self, command: Command) -> CarryOut:
        """Cancel one invocation, and wait for its end: if the process dies before that is on
        disk, the next one is asked again.
        """
        try:
            run = self._engine.runs.find(command.run).state
            await cancel_invocation(self._engine, run, str(command.fields.get("node")))
        except DaggerError as error:
            return partial(str, str(error))
        return str

    def _answer(self, command: Command) -> None:
        """Answer a question."""
        people, said = self._engine.people, command.fields
        run, question = people.find(str(said.get("question")))
        people.answer(run, question, said.get("value"), str(said.get("by", command.sender)))

    def _schedule(self, command: Command) -> None:
        """Let a schedule be there."""
        said = command.fields
        channel, when, terms = said.get("channel"), said.get("when"), said.get("terms")
        if type(channel) is not str or type(when) is not str or type(terms) is not dict:
            problem = "a schedule takes texts for its channel and when it is"
            raise ExecutionError(f"{problem}, not {said!r}")
        add(self._engine, channel, said.get("payload"), when, cast("Terms", terms))

    def _change(self, command: Command) -> None:
        """Pause, resume or remove a schedule."""
        change, id = str(command.fields.get("change")), str(command.fields.get("id"))
        if change not in _CHANGES:
            asks = f"{command.sender} asks to {change} schedule {id!r}"
            raise ExecutionError(f"{asks}, which is not known")
        _CHANGES[change](self._engine.scheduler, id)


def _wanted(engine: Engine, command: Command) -> Fork:
    """The fork that is asked for. Raises SerializationError, ExecutionError."""
    said = command.fields
    at, run_id = said.get("at"), said.get("id")
    if type(at) is not str or type(run_id) is not str:
        raise ExecutionError(f"a fork takes texts for its message and its id, not {said!r}")
    return Fork(command.run, at, run_id, _payload(engine, said), said.get("frontier") is True)


def _redrive(engine: Engine, command: Command) -> Redrive:
    """The redrive that is asked for. Raises SerializationError, ExecutionError."""
    said = command.fields
    node, run_id = said.get("node"), said.get("id")
    if type(node) is not str or type(run_id) is not str:
        raise ExecutionError(f"a redrive takes texts for its node and its run, not {said!r}")
    return Redrive(node, _payload(engine, said), run_id)


def _payload(engine: Engine, said: dict[str, Any]) -> bytes | None:
    """What a message is to say instead; None for what it says. Raises SerializationError."""
    if "payload" not in said:
        return None
    return encode(said["payload"], limit=engine.max_payload_bytes)


def _tried(carry_out: Callable[[], object]) -> str:
    """Why it could not be done; "" if it was."""
    try:
        carry_out()
    except DaggerError as error:
        return str(error)
    return ""


def _what(command: Command) -> str:
    return f"{command.sender} asks to {command.verb} run {command.run!r}"


def _resume(engine: Engine, run: Run, reason: str) -> None:
    engine.runs.resume(run)
    resume(engine, run)  # also one that was left alone


_STEERING: dict[str, Call] = {
    "cancel": lambda engine, run, reason: engine.runs.cancel(run, reason),
    "pause": lambda engine, run, reason: engine.runs.pause(run, reason),
    "resume": _resume,
}
"""What other processes may ask for of runs: they end up so, however often it is asked."""

_CHANGES: dict[str, Callable[[Scheduler, str], None]] = {
    "pause": lambda scheduler, id: scheduler.hold(id, True),
    "resume": lambda scheduler, id: scheduler.hold(id, False),
    "remove": lambda scheduler, id: scheduler.remove(id),
}
"""And of schedules."""
