"""Merging: what several branches have changed becomes part of what they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dagger.graphs.reducers import Reduce
from dagger.graphs.values import View
from dagger.words.errors import MergeConflict
from dagger.words.payload import decode, encode


def update(
    view: View, changes: Iterable[tuple[str, Any]], node: str, reducers: Mapping[str, Reduce]
) -> None:
    """Apply the changes of a node to the view of its branch: all, or none if it raises what a
    reducer raises.
    """
    said = [(key, encode(value)) for key, value in changes]
    now: dict[str, bytes | None] = {}
    for key, blob in said:
        if key in reducers:
            before = now[key] if key in now else view.blob(key)
            value = None if before is None else decode(before)
            now[key] = encode(reducers[key](value, decode(blob)))
        else:
            now[key] = blob
    for key, made in now.items():
        view.put(key, made)
    if view.below is not None:
        for key, blob in said:
            view.by[key] = node
            if key in reducers:
                view.raw.setdefault(key, []).append(blob)


def remove(view: View, keys: Iterable[str], node: str) -> None:
    """Remove keys from the view of a branch."""
    for key in keys:
        view.put(key, None)
        view.raw.pop(key, None)
        if view.below is not None:
            view.by[key] = node


def merge(onto: View, views: Iterable[View], reducers: Mapping[str, Reduce]) -> None:
    """Apply what branches have changed to what they came from, in the order that they are given.

    Raises MergeConflict where several have set one key that has no reducer to different values,
    and what a reducer raises.
    """
    set_by: dict[str, tuple[int, str]] = {}
    reduced: dict[str, Any] = {}
    for number, view in enumerate(views):
        for key, blob in view.own.items():
            node = view.by.get(key, "")
            if key in view.raw:
                value = reduced[key] if key in reduced else onto.get(key)
                for each in view.raw[key]:
                    value = reducers[key](value, decode(each))
                reduced[key] = value
                if onto.below is not None:
                    onto.raw.setdefault(key, []).extend(view.raw[key])
            else:
                _set(onto, key, blob, (number, node), set_by)
            if onto.below is not None:
                onto.by[key] = node
    for key, value in reduced.items():
        onto.put(key, encode(value))


def _set(
    onto: View,
    key: str,
    blob: bytes | None,
    who: tuple[int, str],
    set_by: dict[str, tuple[int, str]],
) -> None:
    other = set_by.setdefault(key, who)
    if other[0] != who[0] and onto.blob(key) != blob:
        raise MergeConflict(key, other[1], who[1])
    onto.put(key, blob)
