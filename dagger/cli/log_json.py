"""--log-json: what is said in runs of flows, and how their steps end, in lines of JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio

from dagger.cli.place import Place, place_of
from dagger.executor.events import Event, LogLine, Missed, Outcome
from dagger.views.wording import duration

if TYPE_CHECKING:
    from dagger.executor.watchers import Events

_WORDS = {"ok": "succeeded", "dead": "failed", "rejected": "failed"}

_LEVELS = {
    **dict.fromkeys(("ok", "joined", "duplicate"), logging.INFO),
    **dict.fromkeys(("dead", "rejected"), logging.ERROR),
}


Say = Callable[[str], None]
"""Says on stderr what is going on."""


class JsonLog:
    """Writes what a stream of events tells of these flows."""

    def __init__(self, events: Events, flows: Collection[str]) -> None:
        self._events = events
        self._flows = flows

    async def write(self) -> None:
        """Write all that there is by now."""
        with anyio.move_on_after(0):  # what is there does not have to be waited for
            async for event in self._events:
                self._tell(event)

    def _tell(self, event: Event) -> None:
        match event:
            case LogLine():
                self._said(event)
            case Outcome():
                self._ended(event)
            case Missed(count) if count:
                now = datetime.now(UTC).timestamp()
                write(now, logging.WARNING, f"{count:,} lines were not written: too many at once")
            case _:
                pass

    def _said(self, line: LogLine) -> None:
        place = place_of(line.channel, line.request, self._flows)
        about = {"run": line.run_id, **_where(place), "attempt": line.attempt}
        write(line.at, line.level, line.text, **about)

    def _ended(self, outcome: Outcome) -> None:
        place = place_of(outcome.channel, outcome.request, self._flows)
        if place is None:
            return
        about = {"run": outcome.run_id, **_where(place), "attempt": outcome.attempts}
        seconds = max(0.0, outcome.ended - outcome.started)
        failure = outcome.error
        why = f": {failure.type}: {failure.message}" if failure else f" after {duration(seconds)}"
        text = f"{place.title} {_WORDS.get(outcome.status, outcome.status)}{why}"
        level = _LEVELS.get(outcome.status, logging.WARNING)
        write(outcome.ended, level, text, **about, status=outcome.status, seconds=seconds)


async def nothing() -> None:
    """Nothing is told."""


def _where(place: Place | None) -> dict[str, Any]:
    if place is None:
        return {}
    return {"flow": place.flow, "step": place.step or None, "item": place.item}


def say(text: str) -> None:
    """Say it plainly."""
    print(text, file=sys.stderr, flush=True)


def saying(*, in_json: bool, level: int = logging.INFO) -> Say:
    """How a command says things itself: plainly, or as lines of JSON, at this level."""
    return (lambda text: write(time.time(), level, text)) if in_json else say


def write(at: float, level: int, text: str, **about: Any) -> None:
    """Write one line."""
    line = {
        "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "level": logging.getLevelName(level).lower(),
        **dict.fromkeys(("run", "flow", "step", "item", "attempt")),
        **about,
        "text": text,
    }
    print(json.dumps(line, ensure_ascii=False), file=sys.stderr, flush=True)
