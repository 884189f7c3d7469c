"""Folds of streams: an item is published, or items are void."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.state.messages import publish_now
from dagger.state.streams import Stream
from dagger.words.records import Retracted, Streamed

if TYPE_CHECKING:
    from dagger.state.state import State


def streamed(state: State, record: Streamed) -> None:
    """An item, published at once and remembered."""
    run = state.runs[record.run]
    delivery = run.deliveries[record.delivery]
    if delivery.stream is None:
        delivery.stream = Stream()
    delivery.stream.say(record.attempt, record.item, record.mark)
    if record.restarted:
        run.tree.note(record.delivery, f"streamed anew from item {record.item}")
    publish_now(state, run, delivery, record)


def retracted(state: State, record: Retracted) -> None:
    """Items are void that nothing has come in the place of."""
    run = state.runs[record.run]
    stream = run.deliveries[record.delivery].stream
    if stream is not None:
        stream.cut(record.length)
    run.tree.note(record.delivery, f"retracted its items from {record.length} on")
