"""What a record means to somebody who watches: a line, and the same as data."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.executor.events import Answered, Emission, Event, LogLine, Outcome, Retraction
from dagger.executor.watchers import told
from dagger.views.letters import failure_to_dict
from dagger.views.questions import OpenQuestion
from dagger.views.wording import duration, plural, times
from dagger.words.ids import node_id
from dagger.words.payload import decode
from dagger.words.records import (
    AttemptFailed,
    Failure,
    Record,
    Redriven,
    Restarted,
    RunCancelling,
    RunEnded,
    RunForked,
    RunOpened,
    RunPaused,
    RunResumed,
)

if TYPE_CHECKING:
    from dagger.state.state import State


class Line(NamedTuple):
    """One thing that happened in a run."""

    run: str
    at: float
    """Epoch seconds."""
    event: str
    """Of which kind it is: "outcome", "log", "opened", ..."""
    word: str
    """What it is in one word: how an outcome ended, how grave a log line is, ..."""
    text: str
    more: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"event": self.event, "run_id": self.run, "at": self.at, **self.more}


def lines(state: State, record: Record) -> Iterator[Line]:
    """What there is to tell of a record, before it is applied to `state`."""
    tell = _OF_RECORDS.get(type(record))
    if tell is not None:
        yield tell(state, record)
    for _, event in told(state, record):
        if event is not None:
            yield _OF_EVENTS[type(event)](event)


# -- runs ----------------------------------------------------------------------------


def _opened(state: State, record: RunOpened) -> Line:
    channel = record.first.channel
    more = {"channel": channel, "payload": decode(record.first.payload)}
    return Line(record.id, record.at, "opened", "opened", f"on {channel}", more)


def _forked(state: State, record: RunForked) -> Line:
    more = {"parent": record.parent, "message_id": record.message}
    text = f"from {record.parent} at {record.message}"
    return Line(record.id, record.at, "forked", "forked", text, more)


def _ended(state: State, record: RunEnded) -> Line:
    run = state.runs[record.run]
    text = " · ".join(filter(None, [f"after {duration(record.at - run.opened_at)}", record.reason]))
    more = {"status": record.status, "reason": record.reason}
    return Line(run.id, record.at, "ended", record.status, text, more)


def _turned(event: str) -> Callable[[State, Any], Line]:
    """Tells that a run goes on in another way than before, and why."""

    def tell(state: State, record: RunPaused | RunResumed | RunCancelling) -> Line:
        reason = getattr(record, "reason", "")
        return Line(_id(state, record), record.at, event, event, reason, {"reason": reason})

    return tell


def _restarted(state: State, record: Restarted) -> Line:
    died = len(record.died)
    under = "1 delivery" if died == 1 else f"{died:,} deliveries"
    text = f"the process died under {under}" if died else "in another process"
    if record.changed:
        text = f"under other code of: {', '.join(record.changed)}"
    more = {"died": died, "changed": list(record.changed)}
    return Line(_id(state, record), record.at, "restarted", "restarted", text, more)


# -- deliveries ----------------------------------------------------------------------


def _failed(state: State, record: AttemptFailed) -> Line:
    node, agent, channel = _delivery(state, record)
    wait = duration(max(0.0, record.due - record.ended))
    text = (
        f"{agent} · {channel} · attempt {record.attempt}, again in {wait} · {_why(record.failure)}"
    )
    more = {
        "node_id": node,
        "agent": agent,
        "channel": channel,
        "attempt": record.attempt,
        "error": failure_to_dict(record.failure),
        "due": record.due,
    }
    return Line(_id(state, record), record.ended, "attempt_failed", "failed", text, more)


def _redriven(state: State, record: Redriven) -> Line:
    run_id, channel = _id(state, record), record.publication.channel
    more = {
        "node_id": node_id(record.agent, run_id, record.delivery),
        "agent": record.agent,
        "channel": channel,
        "payload": decode(record.publication.payload),
    }
    text = f"{record.agent} · {channel} · {_json(more['payload'])}"
    return Line(run_id, record.at, "redriven", "redriven", text, more)


def _asked(asked: OpenQuestion) -> Line:
    agent = asked.node_id.partition(":")[0]
    text = f"{agent} · {asked.name}: {_json(asked.question)}"
    return Line(asked.run_id, asked.at, "asked", "asks", text, {"agent": agent, **asked.to_dict()})


def _answered(answered: Answered) -> Line:
    agent = answered.node_id.partition(":")[0]
    nothing = answered.payload is None
    by = f" by {answered.by}" if answered.by else ""
    said = "nobody answered in time" if nothing else f"{_json(answered.value)}{by}"
    more = {
        "node_id": answered.node_id,
        "agent": agent,
        "question": answered.question,
        "value": answered.value,
        "by": answered.by,
    }
    word = "overdue" if nothing else "answer"
    text = f"{agent} · {answered.question}: {said}"
    return Line(answered.run_id, answered.at, "answered", word, text, more)


def _outcome(outcome: Outcome) -> Line:
    published = Counter(each.channel for each in outcome.publications)
    parts = [
        outcome.agent,
        outcome.channel,
        plural(outcome.attempts, "attempt") if outcome.attempts > 1 else "",
        duration(outcome.ended - outcome.started) if outcome.attempts else "",
        ", ".join(f"→ {name}{times(number)}" for name, number in published.items()),
        _why(outcome.error) if outcome.error else "",
    ]
    more = {
        "node_id": outcome.node_id,
        "agent": outcome.agent,
        "channel": outcome.channel,
        "message_id": outcome.message_id,
        "status": outcome.status,
        "attempts": outcome.attempts,
        "started": outcome.started,
        "ended": outcome.ended,
        "error": failure_to_dict(outcome.error) if outcome.error else None,
        "outputs": [{"channel": name, "payload": value} for name, value in outcome.outputs],
    }
    text = " · ".join(filter(None, parts))
    return Line(outcome.run_id, outcome.ended, "outcome", outcome.status, text, more)


def _logged(line: LogLine) -> Line:
    level = logging.getLevelName(line.level).lower()
    names = ("node_id", "agent", "channel", "attempt", "text")
    more = {"level": level, **{name: getattr(line, name) for name in names}}
    return Line(line.run_id, line.at, "log", level, f"{line.agent} · {line.text}", more)


def _emitted(emission: Emission) -> Line:
    names = ("node_id", "agent", "channel", "message_id", "attempt", "index", "restarted", "value")
    more = {name: getattr(emission, name) for name in names}
    parts = [
        emission.agent,
        f"→ {emission.channel}",
        f"anew from item {emission.index}" if emission.restarted else "",
        _json(emission.value),
    ]
    text = " · ".join(filter(None, parts))
    return Line(emission.run_id, emission.at, "emitted", "emits", text, more)


def _retracted(told: Retraction) -> Line:
    more = {name: getattr(told, name) for name in ("node_id", "agent", "index", "count")}
    text = f"{told.agent} · {plural(told.count, 'item')} from {told.index} on"
    return Line(told.run_id, told.at, "retracted", "retracts", text, more)


def _id(state: State, record: Any) -> str:
    return state.runs[record.run].id


def _delivery(state: State, record: AttemptFailed) -> tuple[str, str, str]:
    """The node, agent and channel of a delivery that is open."""
    run = state.runs[record.run]
    delivery = run.deliveries[record.delivery]
    agent = delivery.queue.subscriber.name
    return node_id(agent, run.id, delivery.number), agent, delivery.envelope.publication.channel


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _why(failure: Failure) -> str:
    return f"{failure.type}: {failure.message}"


_OF_RECORDS: dict[type[Any], Callable[[State, Any], Line]] = {
    RunOpened: _opened,
    RunForked: _forked,
    RunEnded: _ended,
    RunPaused: _turned("paused"),
    RunResumed: _turned("resumed"),
    RunCancelling: _turned("cancelling"),
    Restarted: _restarted,
    AttemptFailed: _failed,
    Redriven: _redriven,
}
_OF_EVENTS: dict[type[Event], Callable[[Any], Line]] = {
    Outcome: _outcome,
    LogLine: _logged,
    Emission: _emitted,
    Retraction: _retracted,
    OpenQuestion: _asked,
    Answered: _answered,
}
