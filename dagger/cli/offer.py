"""What a command runs, from whatever file it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.executor.executor import Executor
    from dagger.executor.specs import EventDriven
    from dagger.words.config import Config


class Offer(Protocol):
    """Agents and their settings."""

    @property
    def agents(self) -> Sequence[Agent]:
        """Those that are to be there."""

    @property
    def config(self) -> Config | None:
        """The settings; None for those in force."""

    @property
    def flows(self) -> Sequence[str]:
        """The flows that some of the agents carry out, by name."""

    def run_id(self, spec: EventDriven) -> str:
        """The id of a run that is kept and that nobody has named: the same for the same command.

        Raises SerializationError.
        """

    async def begin(self, executor: Executor) -> None:
        """See to what is to be there as soon as an executor has the agents."""
