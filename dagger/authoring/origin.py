"""What an agent was made from, where that is more than its handler: a flow, say, or a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dagger.authoring.context import Context
    from dagger.authoring.invocation import Invocation
    from dagger.state.queues import Delivery
    from dagger.words.secrets import Secrets


class Origin(Protocol):
    """What an executor asks whoever has made an agent."""

    @property
    def definition(self) -> str:
        """A digest of what it was made from: it is part of the agent's fingerprint."""

    @property
    def careful(self) -> bool:
        """Whether its handlers begin only once all that led to that is on disk."""

    @property
    def secrets(self) -> Secrets:
        """What is not to be written down of what it handles."""

    def context(self, invocation: Invocation) -> Context:
        """What a handler is given as `ctx`."""

    def receive(self, payload: Any, run_id: str) -> Any:
        """The payload that a new run begins with, for what the outside gave: checked, and
        without secrets. Raises ValidationError.

        It may be called for a run that is there already, or that is not begun after all.
        """

    def prepare(self, payload: Any, channel: str, run_id: str) -> Any:
        """The payload as the handler gets it, for what has come; before it is checked."""

    def obstacle(self, delivery: Delivery) -> str:
        """Why a delivery that was begun elsewhere cannot go on here; "" if it can."""
