"""What an agent was made from, where that is more than its handler: a flow, say, or a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagger.words.secrets import Secrets

if TYPE_CHECKING:
    from dagger.authoring.context import Context
    from dagger.authoring.invocation import Invocation
    from dagger.state.queues import Delivery


class Origin:
    """What an executor asks whoever has made an agent; as it stands, one that changes nothing."""

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
        self.secrets = Secrets() if secrets is None else secrets
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
        without secrets. Raises ValidationError.

        It may be called for a run that is there already, or that is not begun after all.
        """
        return payload

    def prepare(self, payload: Any, channel: str, run_id: str) -> Any:
        """The payload as the handler gets it, for what has come; before it is checked."""
        return payload

    def obstacle(self, delivery: Delivery) -> str:
        """Why a delivery that was begun elsewhere cannot go on here; "" if it can."""
        return ""
