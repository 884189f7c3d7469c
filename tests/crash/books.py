"""The books: what a store must hold, whenever its owner was killed.

Everything that was shown is there and says the same; all counts add up; and what is in
caches and tasks is exactly what the settled invocations have written, each once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagger.authoring.cache import DEFAULT_NAMESPACE
from dagger.executor.recovery import restored
from dagger.executor.verifying import verify
from dagger.state.cache import Cache
from dagger.state.run import Run
from dagger.state.state import State
from dagger.store.reader import StoreReader
from dagger.views.report import Report, make_report
from dagger.words.ids import message_id
from dagger.words.outcomes import TaskStatus
from dagger.words.payload import decode
from dagger.words.records import Published, RunOpened
from tests.state.meaning import audit


@dataclass
class Shown:
    """What came out of a store's owners, one after the other."""

    kept: dict[tuple[str, str], Any] = field(default_factory=dict)
    """Run and message -> payload, of all publications that were acknowledged."""
    outcomes: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    def take(self, heard: list[tuple[Any, ...]]) -> None:
        """Note what one owner has said. An outcome is shown once, a report is always the same."""
        for what, *said in heard:
            match what, said:
                case "kept", [run, message, payload]:
                    assert self.kept.setdefault((run, message), payload) == payload
                case "outcome", [node, *how]:
                    assert node not in self.outcomes
                    self.outcomes[node] = tuple(how)
                case "report", [run, report]:
                    assert self.reports.setdefault(run, report) == report
                case "answered", [run]:
                    self.answered.add(run)


def examine(path: Path, shown: Shown) -> State:
    """Fail unless a store that nobody owns holds what it must; what is in it."""
    if not (path / "journal").exists():  # killed before it was made
        assert shown == Shown()
        return State()
    with StoreReader(path) as reader:
        assert reader.owner() is None
        assert list(verify(reader)) == []
        state = restored(reader)
        audit(state)
        for run in state.runs.values():
            _written_once(run)
        _written_once_by_all(state)
        _there(reader, state, shown)
    return state


def _there(reader: StoreReader, state: State, shown: Shown) -> None:
    """What was shown is there, and says the same."""
    known: dict[tuple[str, str], Any] = {}
    nodes: dict[str, tuple[Any, ...]] = {}
    for number, run in state.runs.items():
        known |= _brought(reader, number, run.id)
        nodes |= {each.id: (each.status, each.attempts, each.ended) for each in _ended(run)}
        if run.id in shown.reports:
            assert shown.reports[run.id] == make_report(run, 0).to_dict()
        if run.id in shown.answered:
            assert not run.questions
    assert shown.reports.keys() <= state.run_numbers.keys()
    assert shown.kept.items() <= known.items()
    assert shown.outcomes.items() <= nodes.items()


def _brought(reader: StoreReader, number: int, run_id: str) -> dict[tuple[str, str], Any]:
    """Run and id of each message that the outside has published into a run, and its payload."""
    published = [
        each.first if isinstance(each, RunOpened) else each.publication
        for _, each in reader.history(number)
        if isinstance(each, RunOpened | Published)
    ]
    return {
        (run_id, message_id(run_id, 0, place)): decode(each.payload)
        for place, each in enumerate(published)
    }


def _ended(run: Run) -> list[Any]:
    return [each for each in make_report(run, 0).tree.nodes() if each.ended is not None]


def _written_once(run: Run) -> None:
    """Each invocation that has settled has written what it writes, and no other has."""
    done = Counter(each.agent for each in _ended(run) if each.status == "ok")
    worked = written(run, "worked")
    assert len(worked) == len(set(worked)) == done["work"]
    assert _value(run.cache, "sum", 0) == sum(worked)
    for agent, key in (("flaky", "flaky"), ("narrow", "narrowed"), ("carry_out", "jobs")):
        items = written(run, key)
        assert len(items) == len(set(items)) == done[agent]
    orders = [written(run, f"order {key}") for key in range(3)]
    assert all(each == sorted(set(each)) for each in orders)
    assert sum(map(len, orders)) == done["ordered"]
    assert _value(run.cache, "naps", 0) == done["nap"]
    assert run.tasks.count(TaskStatus.COMPLETED) == done["carry_out"]
    assert run.tasks.count(TaskStatus.FAILED) == 0


def _written_once_by_all(state: State) -> None:
    """The shared cache has what the runs have written together."""
    worked = sorted(each for run in state.runs.values() for each in written(run, "worked"))
    assert sorted(_value(state.shared, "worked", [])) == worked
    assert _value(state.shared, "sum", 0) == sum(worked)


def written(run: Run, key: str) -> list[Any]:
    """The list that a run's cache holds."""
    items: list[Any] = _value(run.cache, key, [])
    return items


def _value(cache: Cache, key: str, default: Any) -> Any:
    entry = cache.entry(DEFAULT_NAMESPACE, key)
    return default if entry is None else entry.value()


def _keys(cache: Cache) -> list[str]:
    return cache.keys(DEFAULT_NAMESPACE)


def contents(state: State) -> dict[str, Any]:
    """What the runs have come to, without times and whatever else a kill may change."""
    return {run.id: _content(run, make_report(run, 0)) for run in state.runs.values()}


def _content(run: Run, report: Report) -> dict[str, Any]:
    said = report.to_dict()
    for name in ("started", "ended", "seconds", "error"):
        del said[name]
    for amounts in (said["spent"], said["budget"]["used"]):
        del amounts["seconds"]
    return said | {
        "outputs": {name: sorted(each) for name, each in report.outputs.items()},
        "dead_letters": sorted((each.agent, each.payload) for each in report.dead_letters),
        "nodes": Counter((n.agent, n.channel, n.status, n.attempts) for n in report.tree.nodes()),
        "cache": {key: _sorted(_value(run.cache, key, None)) for key in _keys(run.cache)},
        "tasks": sorted((decode(each.data), each.status) for each in _tasks(run)),
    }


def _tasks(run: Run) -> list[Any]:
    return [task for status in TaskStatus for task in run.tasks.of_status(status)]


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value
