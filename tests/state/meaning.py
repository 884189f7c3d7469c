"""What a state means: two states that agree here differ in leases only.

Which worker has a delivery in hand, and where it stands in a queue because of that, is
not a fact; everything else must come out the same when the journal is folded again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from dagger.executor.executor import Executor
from dagger.state.cache import Cache
from dagger.state.queues import PENDING, Delivery
from dagger.state.run import Keep, Run
from dagger.state.state import State
from dagger.state.tasks import Tasks
from dagger.store.contract import Store
from dagger.views.conservation import check
from dagger.words.effects import Publication
from dagger.words.outcomes import TaskStatus


def live_state(executor: Executor) -> State:
    """The state of a running executor: the one place where tests look inside of it."""
    engine = executor._engine
    assert engine is not None
    return engine.state


def replayed(store: Store, keep: Keep | None = None) -> State:
    """The state that a journal amounts to."""
    state = State(keep)
    for record in store.read():
        state.apply(record)
    return state


def agree(live: State, store: Store) -> None:
    """Fail unless the journal, folded again, gives the live state; check both on the way."""
    again = replayed(store, live.keep)
    assert meaning(again) == meaning(live)
    audit(again)
    audit(live)


def audit(state: State) -> None:
    """Fail unless all that a state counts in several places adds up."""
    assert state.open_runs == sum(run.ended_at is None for run in state.runs.values())
    assert state.run_numbers == {run.id: number for number, run in state.runs.items()}
    bytes_open = 0
    for run in state.runs.values():
        check(run)
        pending: Counter[str] = Counter()
        for delivery in run.deliveries.values():
            bytes_open += len(delivery.envelope.publication.payload)
            pending[delivery.queue.subscriber.name] += delivery.stage == PENDING
        depths = {name: queue.depth for name, queue in run.queues.items() if queue.depth}
        assert depths == {name: count for name, count in pending.items() if count}
        assert run.ended_at is None or not run.deliveries
    assert state.backlog == bytes_open


def meaning(state: State) -> dict[str, Any]:
    """All facts of a state, as plain values."""
    return {
        "position": state.position,
        "next_run": state.next_run,
        "open_runs": state.open_runs,
        "backlog": state.backlog,
        "subscribers": {
            each.name: (tuple(each.subscriptions), each.hears_itself)
            for each in state.subscribers.values()
        },
        "channels": {
            each.name: (each.created_at, each.closed, each.messages, each.dropped)
            for each in state.channels.values()
        },
        "runs": {number: _run(run) for number, run in state.runs.items()},
        "shared": _cache(state.shared),
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "opening": _sent(run.opening),
        "limits": run.limits,
        "times": (run.opened_at, run.ended_at),
        "standing": (run.status, run.target, "" if run.paused else run.reason),
        "next": run.next,
        "outside": run.outside,
        "counts": (run.messages, run.handled, run.retries, run.dropped, run.tokens, run.letters),
        "blamed": run.blamed,
        "abandoned": list(run.abandoned),
        "failure": run.failure,
        "deliveries": {number: _delivery(each) for number, each in run.deliveries.items()},
        "tallies": {pair: tuple(tally) for pair, tally in run.tallies.items() if any(tally)},
        "lanes": {name: (lane.messages, lane.outputs) for name, lane in run.lanes.items()},
        "outputs": list(run.outputs or ()),
        "dead_letters": [
            (*letter[:1], _enveloped(letter.envelope), *letter[2:])
            for letter in run.dead_letters or ()
        ],
        "questions": run.questions,
        "cache": _cache(run.cache_fold),
        "tasks": _tasks(run.task_fold),
        "tree": run.tree.dump(),
    }


def _delivery(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.queue.subscriber.name,
        _enveloped(delivery.envelope),
        delivery.attempts,
        delivery.due,
        delivery.kept or {},
    )


def _enveloped(envelope: Any) -> tuple[Any, ...]:
    return (
        _sent(envelope.publication),
        envelope.parent,
        envelope.place,
        envelope.agent,
        envelope.cause,
        envelope.at,
    )


def _sent(publication: Publication) -> Publication:
    """Which schema a message was checked against is live only."""
    return publication._replace(checked=0)


def _cache(cache: Cache | None) -> dict[str, Any]:
    if cache is None:
        return {}
    return {
        namespace: {
            key: (entry.version, entry.value())
            for key in cache.keys(namespace)
            if (entry := cache.entry(namespace, key)) is not None
        }
        for namespace in cache.namespaces()
    }


def _tasks(tasks: Tasks | None) -> list[Any]:
    if tasks is None:
        return []
    return [task for status in TaskStatus for task in tasks.of_status(status)]
