"""What a state means: two states that agree here differ in leases only.

Which worker has a delivery in hand, and where it stands in a queue because of that, is
not a fact; everything else must come out the same when the journal is folded again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

from dagger.executor.executor import Executor
from dagger.executor.recovery import restored, restored_run
from dagger.state.cache import Cache
from dagger.state.joins import Group, Joins, parts_of
from dagger.state.queues import HELD, PENDING, WAITING, Delivery, Subscriber
from dagger.state.repeats import Repeats
from dagger.state.run import Keep, Run
from dagger.state.state import State
from dagger.state.tasks import Tasks
from dagger.state.tokens import Tokens
from dagger.state.tree import Tree
from dagger.store.contract import Source
from dagger.store.memory import MemoryStore
from dagger.views.conservation import check
from dagger.words.effects import Publication
from dagger.words.outcomes import TaskStatus


def live_state(executor: Executor) -> State:
    """The state of a running executor: the one place where tests look inside of it."""
    engine = executor._engine
    assert engine is not None
    return engine.state


def replayed(store: Source, keep: Keep | None = None) -> State:
    """The state that a journal amounts to, which nothing was taken from."""
    state = State(keep)
    for record in store.read():
        state.apply(record)
    return state


def agree(live: State, store: Source) -> None:
    """Fail unless what is stored gives the live state again, and each run by itself does;
    check what adds up on the way.
    """
    told = meaning(live)
    again = restored(store, live.keep)
    assert not (found := list(differences(meaning(again), told))), found
    audit(again)
    audit(live)
    for number, run in live.runs.items():
        alone = restored_run(store, number, live.keep)
        assert not (found := list(differences(meaning(alone), meaning(run)))), found
    if isinstance(store, MemoryStore):  # it keeps all records, snapshot or not
        agreed = meaning(replayed(store, live.keep))
        assert not (found := list(differences(agreed, told))), found


def differences(left: Any, right: Any, path: str = "") -> Iterator[str]:
    """Where two meanings differ, each with its path and both values."""
    if left == right:
        return
    if type(left) is type(right) is dict and left.keys() == right.keys():
        for key in left:
            yield from differences(left[key], right[key], f"{path}.{key}")
    elif type(left) is type(right) and isinstance(left, list | tuple) and len(left) == len(right):
        for at, pair in enumerate(zip(left, right, strict=True)):
            yield from differences(*pair, f"{path}[{at}]")
    else:
        yield f"{path}: {left!r} != {right!r}"


def audit(state: State) -> None:
    """Fail unless all that a state counts in several places adds up."""
    assert state.open_runs == sum(run.ended_at is None for run in state.runs.values())
    assert state.run_numbers == {run.id: number for number, run in state.runs.items()}
    for run in state.runs.values():
        check(run)
        pending = Counter(
            each.queue.subscriber.name for each in run.deliveries.values() if each.stage == PENDING
        )
        depths = {name: queue.depth for name, queue in run.queues.items() if queue.depth}
        assert depths == dict(pending)
        assert run.ended_at is None or not run.deliveries
    _audit_repeats(state)


def _audit_repeats(state: State) -> None:
    """Fail unless each claim of a delivery is in flight, and what waits waits for one that is."""
    repeats = state.repeats
    keyed = [run.keyed for run in state.runs.values() if run.keyed is not None]
    assert len(repeats.flights) == sum(len(each.claims) for each in keyed)
    for (agent, key), (run, number) in repeats.flights.items():
        delivery, known = state.runs[run].deliveries[number], state.runs[run].keyed
        assert known is not None
        assert (delivery.queue.subscriber.name, known.claims[number]) == (agent, key)
    assert repeats.lines.keys() <= repeats.flights.keys()
    lined = [each for line in repeats.lines.values() for each in line]
    assert all(each.stage == WAITING for each in lined)
    assert len(lined) == sum(len(each.lined) for each in keyed)
    assert repeats.bytes == sum(each.size for each in repeats.done.values())


LEASES: dict[type[Any], tuple[str, ...]] = {
    State: ("wiring", "timekeeper", "allotted"),
    Subscriber: ("ready", "bell"),
    Run: (
        "bell",
        *("paused", "obstacle", "queues", "tallies", "lanes", "keep", "names"),
        *("outputs", "cache_fold", "task_fold", "tree_fold", "joins", "keyed", "accounts"),
        "waits_told",
    ),
    Repeats: ("lines",),
    Delivery: ("stage", "queue", "tally", "bells", "awaits", "kept", "bond"),
}
"""What is no fact of each class, or is told in another form by `_TOLD`."""

_TOLD: dict[type[Any], Callable[[Any], Any]] = {
    Run: lambda run: {
        "tallies": {pair: tuple(tally) for pair, tally in run.tallies.items() if any(tally)},
        "lanes": {
            name: (lane.messages, lane.outputs) for name, lane in run.lanes.items() if lane.messages
        },
        "outputs": meaning(run.kept_outputs()),
        "cache": meaning(run.cache),
        "tasks": meaning(run.tasks),
        "tree": meaning(run.tree),
        "joins": _joins(run),
        "waits": run.waits,
        "accounts": run.accounts
        and (run.accounts.opened, [meaning(each) for each in run.accounts.kept(run)]),
        "claims": run.keyed.claims if run.keyed is not None else {},
    },
    Tokens: lambda tokens: list(tokens.buckets.values()),
    Delivery: lambda delivery: (
        delivery.queue.subscriber.name,
        delivery.kept or {},
        delivery.stage == HELD,
        _bond(delivery),
    ),
}


def _bond(delivery: Delivery) -> Any:
    bond = delivery.bond
    return bond and (bond.lead, [each.number for each in parts_of(delivery)], bond.scopes)


def _joins(run: Run) -> Any:
    """What is held, who has won, and how much descends from each open scope."""
    joins = run.joins or Joins()
    groups = {
        (name, shared): (group.won, [each.number for each in sorted_parts(group)])
        for shared, by_name in joins.groups.items()
        for name, group in by_name.items()
        if group.won or len(group)
    }
    return groups, joins.held, {scope: count for scope, count in joins.live.items() if count}


def sorted_parts(group: Group) -> list[Delivery]:
    """What is held in a group, oldest first."""
    found = [each for line in group.parts.values() for each in line]
    return sorted(found, key=lambda each: each.number)


_PLAIN = frozenset({bool, bytes, float, int, str, type(None)})


def meaning(value: Any) -> Any:
    """All facts of a state, or of a part of it, as plain values."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Publication):
        return tuple(value)
    if isinstance(value, Cache):
        return {name: _entries(value, name) for name in value.namespaces()}
    if isinstance(value, Tasks):
        return _turns(value), [meaning(value.of_status(status)) for status in TaskStatus]
    if isinstance(value, Tree):
        return (
            value.forgotten,
            list(value.nodes()),
            *(dict(each) for each in (value.tokens, value.failures, value.notes, value.leads)),
            dict(value.costs),
        )
    if isinstance(value, Mapping):
        return {key: meaning(each) for key, each in value.items()}
    if isinstance(value, list | tuple | deque):
        return [meaning(each) for each in value]
    if type(value).__module__.startswith("dagger.") and not isinstance(value, Enum):
        told = _TOLD[type(value)](value) if type(value) in _TOLD else None
        return told, {name: meaning(getattr(value, name)) for name in _facts(value)}
    return value


def _facts(value: Any) -> list[str]:
    """Names of what is remembered: the private ones are worked out from the others."""
    names = getattr(type(value), "__slots__", None) or vars(value)
    leases = LEASES.get(type(value), ())
    return [name for name in names if name not in leases and not name.startswith("_")]


def _entries(cache: Cache, namespace: str) -> dict[str, Any]:
    found = {key: cache.entry(namespace, key) for key in cache.keys(namespace)}
    return {key: (entry.version, entry.value()) for key, entry in found.items() if entry}


def _turns(tasks: Tasks) -> dict[str, list[str]]:
    """In which order the pending tasks of each type will be claimed."""
    types = sorted({task.type for task in tasks.of_status(TaskStatus.PENDING)})
    return {each: [task.id for task in tasks.pending(each)] for each in types}
