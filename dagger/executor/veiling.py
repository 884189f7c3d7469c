"""Veiling: what is secret becomes no part of a record.

- Payloads and texts are masked: data or people have brought them.
- So are names that data may have made, such as keys of messages and of the cache, but for plain
  words.
- What the program goes by is not, or it would not be found again: agents, channels that are there,
  runs, statuses. Nor is what a reply or an answer is known by: that is masked before, where a
  handler says it (`name`).
- What a coordinator says is not: it sees no secret, and what it has of others was masked before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from dagger.words import records
from dagger.words.effects import IDEMPOTENCY_KEY, OURS, CacheWrite, Publication, Reply, TaskWrite
from dagger.words.payload import decode, encode
from dagger.words.secrets import masked, named

if TYPE_CHECKING:
    from dagger.authoring.origin import Origin
    from dagger.state.state import State
    from dagger.words.effects import Effect
    from dagger.words.records import Failure, Record
    from dagger.words.secrets import Secrets

T = TypeVar("T")


class Veiling:
    """Takes secrets out of what is about to become true in one executor."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.veils: list[Secrets] = []
        """All that have something to hide here, or may have."""
        self._coordinators: set[str] = set()
        self._openings: set[str] = set()  # the channels on which their runs begin

    def know(self, agent: str, channels: Iterable[str], origin: Origin) -> bool:
        """An agent was made from something: its secrets are ours from now on. Whether they were
        not before.
        """
        if origin.coordinates:
            self._coordinators.add(agent)
            self._openings.update(channels)
        secrets = origin.secrets
        if secrets is None or any(each is secrets for each in self.veils):
            return False
        self.veils.append(secrets)
        return True

    # -- values ----------------------------------------------------------------------

    def value(self, value: T) -> T:
        """What data or people have brought: a text, or the bytes of a payload."""
        return masked(value, [each for each in self.veils if each])

    def name(self, agent: str, name: str) -> str:
        """What a handler of an agent calls something by."""
        return self._name(name) if self.veils and agent not in self._coordinators else name

    def text(self, agent: str, text: str) -> str:
        """What a handler of an agent says."""
        return self.value(text) if self.veils and agent not in self._coordinators else text

    def first(self, message: Publication) -> Publication:
        """The message that a run begins with; the inputs of a flow keep their names."""
        found = self._message(message)
        if message.channel not in self._openings or found.payload is message.payload:
            return found
        given = decode(message.payload)
        if not isinstance(given, Mapping):
            return found
        inputs = {name: decode(self.value(encode(each))) for name, each in given.items()}
        return found._replace(payload=encode(inputs))

    def _name(self, name: T) -> T:
        return named(name, self.veils)

    # -- what they are in ------------------------------------------------------------

    def record(self, record: Record) -> Record:
        """The record as it may become true."""
        rule = _RULES.get(type(record))
        if rule is None or self._is_a_coordinators(record):
            return record
        found: Record = rule(self, record)
        return found

    def _is_a_coordinators(self, record: Any) -> bool:
        """Whether a coordinator says this. Answers that are kept for it others have given."""
        if not self._coordinators or type(record) not in _SAID:
            return False
        if type(record) is records.Kept and not record.name.startswith("step:"):
            return False
        run = self._state.runs.get(record.run)
        delivery = None if run is None else run.deliveries.get(record.delivery)
        return delivery is not None and delivery.queue.subscriber.name in self._coordinators

    def _message(self, message: Publication) -> Publication:
        known = message.channel in self._state.channels
        return message._replace(
            channel=message.channel if known else self._name(message.channel),
            payload=self.value(message.payload),
            key=self._name(message.key),
            task_id=self._name(message.task_id),
            headers=tuple((name, self._header(name, each)) for name, each in message.headers),
            source=self._name(message.source),
            id=self._name(message.id),
        )

    def _header(self, name: str, value: str) -> str:
        if name == IDEMPOTENCY_KEY:
            return self._name(value)
        return value if name in OURS else self.value(value)

    def _effect(self, effect: Effect) -> Effect:
        match effect:
            case Publication():
                return self._message(effect)
            case CacheWrite():
                key, value = self._name(effect.key), self.value(effect.value)
                return effect._replace(key=key, value=value)
            case TaskWrite():
                kind, data = self._name(effect.task_type), self.value(effect.data)
                return effect._replace(task_type=kind, data=data)
            case Reply():
                return effect._replace(value=self.value(effect.value))
            case _:
                return effect

    def _failure(self, failure: Failure | None) -> Failure | None:
        if failure is None:
            return None
        path, causes = self.value(failure.path), tuple(map(self.value, failure.causes))
        return failure._replace(message=self.value(failure.message), path=path, causes=causes)

    # -- records, by their type ------------------------------------------------------

    def _of_message(self, record: Any) -> Any:
        return record._replace(publication=self._message(record.publication))

    def _of_first(self, record: Any) -> Any:
        return record._replace(first=self.first(record.first))

    def _of_effects(self, record: Any) -> Any:
        return record._replace(effects=tuple(map(self._effect, record.effects)))

    def _of_end(self, record: records.Settled) -> records.Settled:
        effects = tuple(map(self._effect, record.effects))
        return record._replace(effects=effects, failure=self._failure(record.failure))

    def _of_failure(self, record: Any) -> Any:
        return record._replace(failure=self._failure(record.failure))

    def _of_value(self, record: Any) -> Any:
        return record._replace(value=self.value(record.value))

    def _of_question(self, record: records.Asked) -> records.Asked:
        return record._replace(
            question=self.value(record.question),
            schema=self.value(record.schema),
            to=self.value(record.to),
            default=self.value(record.default),
        )

    def _of_text(self, record: Any) -> Any:
        return record._replace(text=self.value(record.text))

    def _of_reason(self, record: Any) -> Any:
        return record._replace(reason=self.value(record.reason))

    def _of_refusal(self, record: records.CommandTaken) -> records.CommandTaken:
        return record._replace(refusal=self.value(record.refusal))


_RULES: Mapping[type[Any], Callable[[Veiling, Any], Any]] = {
    records.RunOpened: Veiling._of_first,
    records.Scheduled: Veiling._of_first,
    records.Published: Veiling._of_message,
    records.Requested: Veiling._of_message,
    records.Streamed: Veiling._of_message,
    records.Redriven: Veiling._of_message,
    records.Settled: Veiling._of_end,
    records.AttemptFailed: Veiling._of_failure,
    records.Wrote: Veiling._of_effects,
    records.Kept: Veiling._of_value,
    records.Condensed: Veiling._of_value,
    records.Asked: Veiling._of_question,
    records.Logged: Veiling._of_text,
    records.RunCancelling: Veiling._of_reason,
    records.RunEnded: Veiling._of_reason,
    records.RunPaused: Veiling._of_reason,
    records.CommandTaken: Veiling._of_refusal,
}
"""What is done to those records that data or people have a part in."""

_SAID = frozenset(
    {
        *(records.Settled, records.AttemptFailed, records.Requested, records.Streamed),
        *(records.Kept, records.Condensed, records.Logged),
    }
)
"""Records of what a handler says."""
