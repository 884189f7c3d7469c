"""Folds of dead letters: let go of, or delivered once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.state.messages import close_scopes, part_came
from dagger.state.queues import ARRIVED, Answer, Delivery, Envelope
from dagger.state.streams import Stream
from dagger.words.effects import make
from dagger.words.records import LetterDiscarded, Redriven

if TYPE_CHECKING:
    from dagger.state.state import State


def letter_discarded(state: State, record: LetterDiscarded) -> None:
    """It is not kept any more, and stays counted."""
    state.runs[record.run].unearth(record.delivery)


def redriven(state: State, record: Redriven) -> None:
    """The delivery is pending, last in line; its end is taken back wherever it was counted.

    What came of it meanwhile stays: the attempts that it took, the tokens it spent, the
    first failure of the run, and the answer to whoever asked it.
    """
    run, number = state.runs[record.run], record.delivery
    queue = run.queue(state.subscribers[record.agent])
    tally = state.lane(run, record.publication.channel).tallies()[record.agent]
    tally[1 + record.disposition] -= 1
    run.blamed -= record.pardon
    run.letters -= 1
    run.unearth(number)
    run.tree.take_back(number)
    run.tree.note(number, "redriven")
    delivery = run.deliveries[number] = Delivery(number, _envelope(record), queue, tally)
    for name, key, value, digest in record.kept:
        delivery.keep(name, key, Answer(value, digest))
    if record.stream is not None:  # attempts are counted anew: what is there is of none of them
        delivery.stream = Stream(record.stream._replace(attempt=0))
    if queue.subscriber.join is not None:
        part_came(state, run, delivery, record.at)
        close_scopes(state, run, record.at)
        return
    if record.scopes:
        run.joining().begun(delivery)
    if state.lined_up:
        queue.push(delivery)
    else:
        delivery.stage = ARRIVED


def _envelope(record: Redriven) -> Envelope:
    envelope: Envelope = make(
        Envelope,
        (
            record.publication,
            record.parent,
            record.place,
            record.publisher,
            record.cause,
            record.published,
            record.scopes,
        ),
    )
    return envelope
