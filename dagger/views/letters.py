"""Dead letters as people see them: what was not handled, by whom, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dagger.state import run as state
from dagger.words import ids
from dagger.words.outcomes import DISPOSITIONS
from dagger.words.payload import decode
from dagger.words.records import Failure


@dataclass(frozen=True)
class DeadLetter:
    """A message that an agent rejected as bad input, or failed on for good."""

    id: str
    """The id of the message."""
    run_id: str
    """The run it is of."""
    node_id: str
    """The invocation that ended so: its node in the execution tree."""
    agent: str
    """Who rejected it, or failed on it."""
    channel: str
    """Where it was published."""
    disposition: str
    """"rejected" or "dead"."""
    attempts: int
    """Attempts made; 0 where the handler was never called."""
    failure: Failure
    """Why the last of them failed."""
    at: float
    """When it ended so, epoch seconds."""
    encoded: bytes = field(repr=False)
    """The payload as it was published, encoded."""

    @cached_property
    def payload(self) -> Any:
        """The message's payload, decoded when it is first looked at."""
        return decode(self.encoded)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "id": self.id,
            "run_id": self.run_id,
            "node_id": self.node_id,
            "agent": self.agent,
            "channel": self.channel,
            "payload": decode(self.encoded),
            "disposition": self.disposition,
            "attempts": self.attempts,
            "failure": failure_to_dict(self.failure),
            "at": self.at,
        }


def dead_letter(run_id: str, letter: state.DeadLetter) -> DeadLetter:
    """The view of a dead letter of a run."""
    envelope, publication = letter.envelope, letter.envelope.publication
    return DeadLetter(
        id=publication.id or ids.message_id(run_id, envelope.parent, envelope.place),
        run_id=run_id,
        node_id=ids.node_id(letter.agent, run_id, letter.delivery),
        agent=letter.agent,
        channel=publication.channel,
        disposition=DISPOSITIONS[letter.disposition],
        attempts=letter.attempts,
        failure=letter.failure,
        at=letter.at,
        encoded=publication.payload,
    )


def failure_to_dict(failure: Failure) -> dict[str, Any]:
    """Plain JSON data."""
    return failure._asdict() | {"causes": list(failure.causes)}
