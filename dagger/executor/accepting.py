"""Accepting: whether a delivery is what its agent takes, and whether it is its turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from dagger.authoring.origin import RunPlace
from dagger.authoring.upcasting import Steps, UpcastError, upcasted
from dagger.executor.keys import key_of
from dagger.rules.derive import BuildError, built
from dagger.state.joins import parts_of
from dagger.words.payload import decode

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.invocation import Invocation
    from dagger.rules.violation import Violation
    from dagger.state.queues import Delivery


class Refusing(Protocol):
    """Who is told of deliveries that are not accepted."""

    def reject(
        self, invocation: Invocation, found: Violation | None, cause: BaseException | None = None
    ) -> None:
        """A payload that is not what the agent takes."""

    def reject_part(self, invocation: Invocation, part: Delivery, found: Violation | None) -> None:
        """A part of a whole that is not what the agent takes of its channel."""

    def fail(self, invocation: Invocation, error: BaseException) -> None:
        """What the agent says of itself has raised."""


def _always(invocation: Invocation) -> bool:
    return True


class Acceptance:
    """One agent's conditions, worked out once; `accepts` is asked for each delivery.

    `turn` says whether one that has an idempotency key, or may have, is to be handled;
    `succession` whether one that comes soon after others is; `executor` is its number.
    """

    __slots__ = (
        "_bare",
        "_build",
        "_executor",
        "_join",
        "_key",
        "_known",
        "_parts",
        "_prepare",
        "_refusing",
        "_schema",
        "_succession",
        "_turn",
        "_upcast",
        "agreed",
    )

    def __init__(
        self,
        agent: Agent,
        refusing: Refusing,
        turn: Callable[[Invocation], bool] = _always,
        succession: Callable[[Invocation], bool] = _always,
        executor: int = 0,
    ) -> None:
        self._executor = executor
        self._refusing, self._turn = refusing, turn
        successive = agent.debounce is not None or agent.throttle is not None
        self._succession = succession if successive else None
        self._schema = agent.input
        origin = agent.origin
        self._prepare = origin.prepare if origin is not None and origin.prepares else None
        self._upcast = agent.upcast
        self._build = agent.build
        self._key = agent.key
        self._join, self._parts = agent.join, agent.parts
        self._known = agent.idempotency_key is not None
        alone = agent.build is None and agent.key is None and agent.join is None and not self._known
        alone = alone and not successive and origin is None
        self._bare = alone and agent.input is None and agent.upcast is None
        self.agreed = agent.input.number if agent.input is not None and alone else -1
        """A message that was checked against this schema needs no asking."""

    def accepts(self, invocation: Invocation) -> bool:
        """Whether to go on; if not, the delivery was settled, or stands in line, or the
        invocation holds the effects of the one it is a duplicate of.
        """
        if self._bare:
            return not invocation.publication.headers or self._turn(invocation)
        schema = self._schema
        if self._prepare is not None and not self._prepared(invocation, self._prepare):
            return False
        if self._join is not None and not self._whole(invocation):
            return False
        if self._upcast is not None and not self._upcasted(invocation, self._upcast):
            return False
        if (
            schema is not None
            and (self._join is not None or invocation.publication.checked != schema.number)
            and not schema.is_valid(invocation.data)
        ):
            self._refusing.reject(invocation, schema.violation(invocation.data))
            return False
        if self._build is not None and not self._built(invocation, self._build):
            return False
        if self._succession is not None and not self._succession(invocation):
            return False
        if (self._known or invocation.publication.headers) and not self._turn(invocation):
            return False
        return self._key is None or self._in_turn(invocation)

    def _prepared(
        self, invocation: Invocation, prepare: Callable[[Any, str, RunPlace], Any]
    ) -> bool:
        """Whether the payload could be made what the handler is given."""
        try:
            run = RunPlace(self._executor, invocation.run.id)
            data = prepare(invocation.data, invocation.channel, run)
        except Exception as error:
            self._refusing.fail(invocation, error)
            return False
        invocation.data = invocation.payload = data
        return True

    def _whole(self, invocation: Invocation) -> bool:
        """Whether each part is what it has to be; one that is not ends alone."""
        for part in parts_of(invocation.delivery):
            publication = part.envelope.publication
            schema = self._parts.get(publication.channel)
            if schema is not None and publication.checked != schema.number:
                value = decode(publication.payload)
                if not schema.is_valid(value):
                    self._refusing.reject_part(invocation, part, schema.violation(value))
                    return False
        return True

    def _upcasted(self, invocation: Invocation, steps: Steps) -> bool:
        """Whether the payload is of the version that the agent takes, or has become so."""
        try:
            data = upcasted(steps, invocation.publication.version, invocation.data)
        except UpcastError as error:
            self._refusing.reject(invocation, error.violation, error.__cause__)
            return False
        invocation.data = invocation.payload = data
        return True

    def _built(self, invocation: Invocation, build: Callable[[Any], Any]) -> bool:
        """Whether the payload becomes what the handler's annotation wants."""
        try:
            invocation.payload = built(build, invocation.data)
        except BuildError as error:
            self._refusing.reject(invocation, error.violation)
            return False
        return True

    def _in_turn(self, invocation: Invocation) -> bool:
        """Whether the invocation's key is free; if not, it stands in line for it."""
        try:
            key = key_of(invocation)
        except Exception as error:
            self._refusing.fail(invocation, error)
            return False
        return invocation.delivery.queue.hold(invocation.delivery, key)
