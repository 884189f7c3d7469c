"""Diffing: two stored runs, read as what `dagger.views.diff` compares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dagger.executor.recovery import MANY
from dagger.executor.streamed import Items
from dagger.state.run import Keep
from dagger.state.state import State
from dagger.views.diff import Compared, Handled, Message, diff
from dagger.words.effects import Publication
from dagger.words.errors import RunNotFound
from dagger.words.outcomes import DISPOSITIONS, Disposition
from dagger.words.records import Record, Redriven, Settled

if TYPE_CHECKING:
    from dagger.state.run import Run
    from dagger.state.tree import Node
    from dagger.store.contract import Source


def diff_runs(source: Source, a: int, b: int, other: Source | None = None) -> list[Compared]:
    """Where run `a` and run `b`, of the same store or of `other`, part. Raises RunNotFound."""
    return diff(handled(source, a), handled(other or source, b))


def handled(source: Source, number: int) -> list[Handled]:
    """All deliveries of a run, in the order in which they ended, then those that have not.

    Costs in proportion to its history. Of what a fork has of its parent, payloads of what
    had ended are not known; what was put aside when it was made is no part of it. Raises
    RunNotFound.
    """
    reading = _Reading(number)
    for _, record in source.history(number):
        reading.read(record)
    return reading.handled()


class _Reading:
    """What is known of a run at one position of its history."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._state = State(Keep(outputs=0, dead_letters=0, nodes=MANY))
        self._seen = 0  # number of the latest delivery
        self._payloads: dict[int, bytes] = {}
        self._published: dict[int, tuple[Message, ...]] = {}
        self._items = Items()

    def read(self, record: Record) -> None:
        """The next record: what it publishes, and whom to."""
        self._items.read(record)
        if type(record) is Settled:
            items = self._items.of(record.delivery)
            held = [each for each in record.effects if type(each) is Publication]
            self._published[record.delivery] = tuple(each[:2] for each in (*items, *held))
        self._state.apply(record)
        run = self._state.runs.get(self._number)
        if type(record) is Redriven:
            self._payloads[record.delivery] = record.publication.payload
        if run is not None:
            for number in range(self._seen + 1, run.next + 1):
                delivery = run.deliveries.get(number)
                if delivery is not None:
                    self._payloads[number] = delivery.envelope.publication.payload
            self._seen = run.next

    def handled(self) -> list[Handled]:
        """Everything there was to be handled."""
        run = self._state.runs.get(self._number)
        if run is None:
            raise RunNotFound(f"number {self._number}")
        ended = [self._ended(run, node) for node in run.tree.nodes() if not _put_aside(run, node)]
        return [*ended, *self._open(run)]

    def _ended(self, run: Run, node: Node) -> Handled:
        failure = node.failure and f"{node.failure.type}: {node.failure.message}"
        return Handled(
            node.delivery,
            node.parent,
            node.place,
            node.agent,
            node.channel,
            DISPOSITIONS[node.disposition],
            _anonymous(failure or "", run.id),
            self._payloads.get(node.delivery),
            self._published.get(node.delivery),
        )

    def _open(self, run: Run) -> list[Handled]:
        return [
            Handled(
                number,
                each.envelope.parent,
                each.envelope.place,
                each.queue.subscriber.name,
                each.envelope.publication.channel,
                "open",
                payload=each.envelope.publication.payload,
            )
            for number, each in run.deliveries.items()
        ]


def _put_aside(run: Run, node: Node) -> bool:
    """Whether it was only discarded so that a fork begins with one message."""
    discarded = node.disposition == Disposition.DISCARDED
    return discarded and run.forked is not None and node.ended == run.opened_at


def _anonymous(text: str, run_id: str) -> str:
    """Without the run's own id, where ids of its nodes and messages begin with it."""
    return re.sub(rf"(?<![\w.-]){re.escape(run_id)}(?=\.\d)", "…", text)
