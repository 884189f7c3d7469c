"""The values of a run's state: what a branch sees, and what it has changed.

Each value is kept as its bytes: whoever reads one gets a copy of his own, and a node costs
nothing for keys that it does not touch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from dagger.words.payload import decode, encode

REMOVED = None
"""Stands for the bytes of a key that is not there any more."""


class View:
    """The state as one branch sees it: what it lies on, what came to it at a join or a split, and
    its own changes.
    """

    __slots__ = ("below", "by", "holders", "layers", "own", "raw", "shadow")

    def __init__(
        self,
        below: View | None = None,
        layers: tuple[View, ...] = (),
        shadow: Mapping[str, bytes | None] | None = None,
    ) -> None:
        self.below = below
        self.layers = layers
        """The changes that came before its own and are not part of `below` yet, in order."""
        self.shadow = {} if shadow is None else shadow
        """What `layers` have made of the keys that they changed."""
        self.own: dict[str, bytes | None] = {}
        # Of keys with a reducer, its own updates in their order: a join applies them again.
        self.raw: dict[str, list[bytes | None]] = {}
        self.by: dict[str, str] = {}  # which node changed a key last
        self.holders = 1  # how many views have it among their layers

    def blob(self, key: str) -> bytes | None:
        """The encoded value; None where there is none."""
        view: View | None = self
        while view is not None:
            if key in view.own:
                return view.own[key]
            if key in view.shadow:
                return view.shadow[key]
            view = view.below
        return None

    def get(self, key: str, default: Any = None) -> Any:
        """A fresh copy of a value, or `default`."""
        found = self.blob(key)
        return default if found is None else decode(found)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.blob(key) is not None

    def names(self) -> list[str]:
        """The keys that there are, the oldest first."""
        chain: list[View] = []
        view: View | None = self
        while view is not None:
            chain.append(view)
            view = view.below
        known: dict[str, bool] = {}
        for each in reversed(chain):
            known.update((key, blob is not None) for key, blob in each.shadow.items())
            known.update((key, blob is not None) for key, blob in each.own.items())
        return [key for key, there in known.items() if there]

    def plain(self) -> dict[str, Any]:
        """All of it, as fresh copies."""
        return {key: self.get(key) for key in self.names()}

    def put(self, key: str, blob: bytes | None) -> None:
        """A value from now on; None to remove it."""
        if blob is None and self.below is None:
            self.own.pop(key, None)
        else:
            self.own[key] = blob

    # -- to JSON and back ------------------------------------------------------------

    def data(self) -> dict[str, Any]:
        """Its own changes, as plain data."""
        removed = [key for key, blob in self.own.items() if blob is None]
        found: dict[str, Any] = {
            "set": {key: decode(blob) for key, blob in self.own.items() if blob is not None}
        }
        if removed:
            found["removed"] = removed
        if self.raw:
            found["raw"] = {key: [_said(each) for each in said] for key, said in self.raw.items()}
        if self.by:
            found["by"] = dict(self.by)
        return found

    def take(self, data: Mapping[str, Any]) -> None:
        """Have the own changes that some data is of."""
        self.own.update((key, encode(value)) for key, value in data["set"].items())
        self.own.update(dict.fromkeys(data.get("removed", ())))
        self.raw = {
            key: [encode(each[0]) if each else REMOVED for each in said]
            for key, said in data.get("raw", {}).items()
        }
        self.by = dict(data.get("by", {}))


def _said(update: bytes | None) -> list[Any]:
    """An update of a key as data: empty where it was removed."""
    return [] if update is None else [decode(update)]


class Seen(Mapping[str, Any]):
    """A view as nodes and conditions read it: a mapping, whose values are copies.

    It cannot be changed: a node returns what it changes, or says it to its context.
    """

    __slots__ = ("_view",)

    def __init__(self, view: View) -> None:
        self._view = view

    def __getitem__(self, key: str) -> Any:
        blob = self._view.blob(key)
        if blob is None:
            raise KeyError(key)
        return decode(blob)

    def __setitem__(self, key: str, value: Any) -> NoReturn:
        raise TypeError(f"state cannot be changed: return {{{key!r}: ...}}, or ctx.set_state(...)")

    def __iter__(self) -> Iterator[str]:
        return iter(self._view.names())

    def __len__(self) -> int:
        return len(self._view.names())

    def __contains__(self, key: object) -> bool:
        return key in self._view

    def __repr__(self) -> str:
        return f"<state {', '.join(self._view.names())}>"
