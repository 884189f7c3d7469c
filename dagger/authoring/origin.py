"""What an agent was made from, where that is more than its handler: a flow, say, or a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dagger.authoring.context import Context
    from dagger.authoring.invocation import Invocation
    from dagger.state.queues import Delivery
    from dagger.words.secrets import Secrets


class RunPlace(NamedTuple):
    """A run in this process, where several executors may have one of the same id."""

    executor: int
    """A number that no other one has in this process."""
    run_id: str


class Origin:
    """What an executor asks whoever has made an agent; as it stands, one that changes nothing."""

    prepares = False
    """Whether `prepare` does anything."""

    def __init__(
        self,
        definition: str,
        secrets: Secrets | None = None,
        *,
        careful: bool = False,
        coordinates: bool = False,
    ) -> None:
        self.definition = definition
        """A digest of what it was made from: it is part of the agent's fingerprint."""
        self.secrets = secrets
        """What is not to be written down of what it handles."""
        self.careful = careful
        """Whether its handlers begin only once all that led to that is on disk."""
        self.coordinates = coordinates
        """Whether its handlers only put together what they are given without secrets, so that what
        they say needs no mask: it is full of names.
        """

    def context(self, invocation: Invocation) -> Context | None:
        """What a handler is given as `ctx`; None for what others are given."""
        return None

    def receive(self, payload: Any, run_id: str) -> Any:
        """The payload that a new run begins with, for what the outside gave: checked, and
        without secrets; `run_id` is "" for runs that begin later. Raises ValidationError.

        It may be called for a run that is there already, or that is not begun after all.
        """
        return payload

    def keep(self, payload: Any, run: RunPlace) -> None:
        """A run begins with what the outside gave, or is open already: what of that is not
        written down is kept here until it has `ended`. Raises ValidationError, SecretMissing, and
        keeps nothing, where something is missing.
        """

    def ended(self, run: RunPlace) -> None:
        """A run has ended, or its executor has: nothing more is to be kept of it. Only one of
        those that have the same `secrets` is told.
        """

    def prepare(self, payload: Any, channel: str, run: RunPlace) -> Any:
        """The payload as the handler gets it, for what has come; before it is checked."""
        return payload

    def obstacle(self, delivery: Delivery) -> str:
        """Why a delivery that was begun elsewhere cannot go on here; "" if it can."""
        return ""

    def missing(self, run: RunPlace) -> str:
        """What is not kept here that such a run needs, in a sentence; "" if all is."""
        return ""
