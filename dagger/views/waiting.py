"""Waiting: what each invocation of a run waits for, as far as that is known.

What the records say is known to whoever reads them: retries, times, questions, requests, parts
of joins, and turns that were waited for so long that it was told. An executor knows besides who
stands in a line now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dagger.state.queues import HELD, WAITING, Delivery
from dagger.views.questions import question_id
from dagger.words.payload import decode

if TYPE_CHECKING:
    from dagger.state.run import Run


class Waiting(NamedTuple):
    """An invocation that waits, and for what."""

    node_id: str
    """The invocation."""
    agent: str
    """Whose it is."""
    what: str
    """In words for people, such as "gpu", "rate limit api = '7'" or "its next attempt"."""
    since: float | None = None
    """Epoch seconds, where it is known."""
    until: float | None = None
    """Epoch seconds, where it is a time that it waits for."""


Reason = tuple[str, float | None, float | None]
"""What for, since when, and until when."""


def waiting(run: Run, now: float, lines: Mapping[int, Reason]) -> tuple[Waiting, ...]:
    """Who waits, oldest first. `lines` is what an executor knows, by number of delivery."""
    turns: dict[int, Reason] = {
        number: (what, since, None) for number, (what, since) in run.waits.items()
    }
    turns |= lines
    return tuple(
        Waiting(
            delivery.node_id,
            delivery.queue.subscriber.name,
            *reason,
        )
        for delivery in run.deliveries.values()
        for reason in _reasons(run, delivery, now, turns.get(delivery.number))
    )


def _reasons(run: Run, delivery: Delivery, now: float, turn: Reason | None) -> Iterator[Reason]:
    """All that one delivery waits for: a handler may wait in several tasks."""
    if turn is not None:
        yield turn
    elif delivery.stage == HELD:
        yield "other messages, to be handled together with them", delivery.envelope.at, None
    elif run.keyed is not None and delivery.number in run.keyed.lined:
        key = run.keyed.lined[delivery.number][1]
        yield f"the first of idempotency key {key!r}", None, None
    elif delivery.stage == WAITING and delivery.attempts:
        yield "its next attempt", None, delivery.due
    elif delivery.stage == WAITING and delivery.due:
        yield "its time", delivery.envelope.at, delivery.due
    yield from _asked(run, delivery, now)


def _asked(run: Run, delivery: Delivery, now: float) -> Iterator[Reason]:
    """What a handler has asked for, and has not got yet."""
    for question in run.questions.get(delivery.number, {}).values():
        asked = question_id(run.id, delivery.number, question.name)
        yield f"an answer to question {asked}", question.at, question.due or None
    kept = delivery.kept or {}
    for (name, key), told in kept.items():
        if name == "requested" and ("request", key) not in kept:
            due = kept.get(("request due", key))
            until = None if due is None else decode(due.value)
            yield f"the reply to request {key}", None, until
        elif name.startswith("sleep:") and (until := decode(told.value)) > now:
            yield "the end of its sleep", None, until
