"""The entrance: a first message from outside becomes a run, or comes to the one that is there.

checked  ──>  a run of that id is there  ──>  begun with the same message: that one
│ not so                     with another: RunConflict
v
there is room              ──>  a new run
│ not so
v
waits for its turn, or ExecutorBusy
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.authoring.publishing import addressed, sent
from dagger.executor.recovery import look_again
from dagger.executor.specs import default_limits, limits_of
from dagger.words.effects import is_request
from dagger.words.errors import (
    ExecutionError,
    ExecutorBusy,
    ExecutorStopped,
    NoAgentsRegistered,
    RunConflict,
)
from dagger.words.ids import new_id
from dagger.words.payload import same, string

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.executor.live import LiveRun
    from dagger.executor.specs import Opening
    from dagger.words.effects import Publication


def _nothing() -> None:
    """There is nothing to be kept."""


class Received(NamedTuple):
    """What a run is to begin with."""

    payload: Any
    run_id: str | None
    keep: Callable[[], None] = _nothing
    """Keeps what is not written down, once the run begins."""


class Entrance:
    """Where runs are begun from outside; part of one executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._limits = default_limits(engine.config)

    def received(self, channel: str, payload: Any, run_id: str | None) -> Received:
        """What a new run begins with, where somebody looks at what comes first on its channel:
        without secrets, which are kept for the run of that id alone.

        Raises ValidationError.
        """
        door = self._engine.doors.get(channel)
        if door is None:
            return Received(payload, run_id)
        run_id = new_id() if run_id is None else run_id
        keep = partial(door.keep, payload, self._engine.place(run_id))
        return Received(door.receive(payload, run_id), run_id, keep)

    def message(self, channel: str, payload: Any, options: Opening) -> Publication:
        """The first message of a run, checked.

        Raises NoAgentsRegistered, ChannelNotFound, ChannelClosed, SerializationError,
        ValidationError, and StoreUnavailable while nothing can be written.
        """
        engine = self._engine
        engine.writable()
        if not engine.crews:
            raise NoAgentsRegistered
        declared = engine.channel_schema(channel)
        ready = addressed(channel, payload, declared, None, engine.max_payload_bytes)
        return sent(ready, options, engine.now()) if options else ready

    def bounds(self, options: Opening) -> dict[str, Any]:
        """The limits of a run: those that are said, or else those of the config."""
        return limits_of(self._limits, options) if options else self._limits

    async def open(
        self, channel: str, payload: Any, run_id: str | None, wait: bool, options: Opening
    ) -> LiveRun:
        """The run of that id, or a new one with this first message, as soon as there is room."""
        engine = self._engine
        given = self.received(channel, payload, run_id)
        first, bounds = self.message(channel, given.payload, options), self.bounds(options)
        if given.run_id is None and not engine.runs.crowded():
            return engine.runs.open(engine.stamped(first), None, bounds)
        return await self.enter(first, given, bounds, wait)

    async def enter(
        self, first: Publication, given: Received, bounds: dict[str, Any], wait: bool = True
    ) -> LiveRun:
        """The same for a message that was checked. Raises RunConflict, ExecutorBusy, and what
        whoever keeps what is not written down raises.
        """
        runs, run_id = self._engine.runs, given.run_id
        if run_id is not None and (type(run_id) is not str or not string(run_id, "a run id")):
            raise ExecutionError(f"a run id is a text that is not empty, not {run_id!r}")

        def enter() -> LiveRun:
            known = self._known(run_id, first)
            if known is not None:
                self._go_on(known, given)
                return known
            stamped = self._engine.stamped(first)
            given.keep()
            return runs.open(stamped, run_id, bounds)

        if not runs.crowded() or self._known(run_id, first) is not None:
            return enter()
        if not wait:
            raise ExecutorBusy(self._engine.state.open_runs)
        return await runs.in_turn(enter)

    def _known(self, run_id: str | None, first: Publication) -> LiveRun | None:
        """The run of that id, if there is one and it began with the same message."""
        engine = self._engine
        if engine.closing:
            raise ExecutorStopped("executor.start()")
        if run_id is None or run_id not in engine.state.run_numbers:
            return None
        live = engine.runs.find(run_id)
        opening = live.state.opening
        payload = engine.veiling.first(first).payload  # as it was when the run began
        alike = first.channel == opening.channel and is_request(first) is is_request(opening)
        if not alike or not same(payload, opening.payload):
            raise RunConflict(run_id)
        return live

    def _go_on(self, live: LiveRun, given: Received) -> None:
        """What an open run lacked may have come with what was received."""
        if live.state.ended_at is None and given.keep is not _nothing:
            given.keep()
            look_again(self._engine, live)
