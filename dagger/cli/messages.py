"""The messages of a stored run: what a fork of it may begin with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.cli.following import LITTLE
from dagger.executor.forking import Sent, sent
from dagger.state.state import State
from dagger.words.ids import node_id
from dagger.words.payload import decode

if TYPE_CHECKING:
    from dagger.state.run import Run
    from dagger.store.contract import Source


class Message(NamedTuple):
    """Something that was published in a run."""

    id: str
    position: int
    """The record that published it."""
    channel: str
    agent: str | None
    """Who published it; None for the outside world."""
    node_id: str | None
    """The invocation that did."""
    heard_by: tuple[str, ...]
    """The agents that it was delivered to."""
    payload: Any


def messages(source: Source, number: int) -> Iterator[Message]:
    """The messages of a run in the order in which they were published, from its history.

    A run that was forked or imported begins after some; those are not in it.
    """
    state = State(LITTLE)
    for position, record in source.history(number):
        run = state.runs.get(number)
        found = [(each, *_publisher(run, each)) for each in sent(run, record)]
        before = run.next if run is not None else 0
        state.apply(record)
        for message, agent, node in found:
            publication = message.publication
            heard_by = tuple(_heard(state.runs[number], before, message))
            value = decode(publication.payload)
            yield Message(message.id, position, publication.channel, agent, node, heard_by, value)


def _publisher(run: Run | None, message: Sent) -> tuple[str | None, str | None]:
    """The agent and the invocation that publish a message: its delivery is still open."""
    if run is None or not message.parent:
        return None, None
    agent = run.deliveries[message.parent].queue.subscriber.name
    return agent, node_id(agent, run.id, message.parent)


def _heard(run: Run, before: int, message: Sent) -> Iterator[str]:
    """The agents that a message was just delivered to."""
    for number in range(before + 1, run.next + 1):
        delivery = run.deliveries.get(number)
        if delivery is not None and delivery.envelope[1:3] == message[1:3]:
            yield delivery.queue.subscriber.name
