"""What is known of a store, as plain data: reports, records and the shared cache."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from dagger.executor.exporting import exported
from dagger.executor.recovery import restored
from dagger.store.reader import StoreReader
from dagger.views.report import make_report

LONG = 500
"""Characters of a text that is not told in full."""

NOW = 2e9
"""When the reports are made, epoch seconds: after all that has happened."""


def facts(path: Path) -> dict[str, Any]:
    """All that a store says of itself."""
    with StoreReader(path) as reader:
        state = restored(reader)
        shared = state.shared
        found = {
            "position": state.position,
            "snapshot": reader.saved(),
            "shared": {
                name: {key: _value(shared, name, key) for key in shared.keys(name)}
                for name in shared.namespaces()
            },
            "channels": {
                name: [each.closed, each.dropped, each.forgotten]
                for name, each in state.channels.items()
            },
            "agents": {
                name: [list(each.subscriptions), each.hears_itself]
                for name, each in state.subscribers.items()
            },
            "reports": {run.id: make_report(run, NOW).to_dict() for run in state.runs.values()},
            "records": {run.id: list(exported(reader, run.number)) for run in state.runs.values()},
        }
    return dict(_shortened(found))


def _shortened(value: Any) -> Any:
    """The same, but for long texts what they begin with, their length and a digest."""
    if isinstance(value, dict):
        return {key: _shortened(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(each) for each in value]
    if isinstance(value, str) and len(value) > LONG:
        return [value[:20], len(value), blake2b(value.encode(), digest_size=16).hexdigest()]
    return value


def _value(shared: Any, name: str, key: str) -> Any:
    entry = shared.entry(name, key)
    return [entry.version, entry.value()]


def missing(known: Any, found: Any, where: str = "") -> list[str]:
    """Where what is known is not what is found; more may be found than is known."""
    if isinstance(known, dict) and isinstance(found, dict):
        return [
            each
            for key, value in known.items()
            for each in missing(value, found.get(key), f"{where}/{key}")
        ]
    if isinstance(known, list) and isinstance(found, list) and len(known) == len(found):
        pairs = enumerate(zip(known, found, strict=True))
        return [each for at, (one, two) in pairs for each in missing(one, two, f"{where}/{at}")]
    return [] if known == found else [f"{where}: {found!r} and not {known!r}"[:300]]
