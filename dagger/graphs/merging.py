"""Merging: what several branches have changed becomes part of one view.

What a branch changes between a split and a join is one layer, whoever comes after it has it in his
history, and no layer takes effect twice: branches that share a part of their way share its layers.
Of two layers of which one came before the other, the later one counts; only where neither knew of
the other is it a conflict that both set one key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dagger.graphs.reducers import Reduce
from dagger.graphs.values import REMOVED, View
from dagger.words.errors import MergeConflict
from dagger.words.payload import canonical, decode, encode

Reducers = Mapping[str, Reduce]


def update(view: View, changes: Iterable[tuple[str, Any]], node: str, reducers: Reducers) -> None:
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


def remove(view: View, keys: Iterable[str], node: str, reducers: Reducers) -> None:
    """Remove keys from the view of a branch."""
    for key in keys:
        view.put(key, None)
        if view.below is not None:
            view.by[key] = node
            if key in reducers:
                view.raw[key] = [REMOVED]


def split(view: View, base: View, count: int) -> list[View]:
    """So many views that go on from one, which is not changed any more."""
    if view is base:
        return [View(base) for _ in range(count)]
    layers = _stacked((*view.layers, view))
    for each in layers:
        each.holders += count - 1
    shadow = {**view.shadow, **view.own}
    view.layers, view.shadow = (), {}
    return [View(base, layers, shadow) for _ in range(count)]


def join(views: Sequence[View], base: View, reducers: Reducers) -> View:
    """The view that goes on from several, beside others that have not come.

    Raises MergeConflict, and what a reducer raises.
    """
    seen = joined(views, base, reducers)
    chains = [_chain(each) for each in views]
    first, added = dict.fromkeys(chains[0]), _added(chains)
    for chain in chains[1:]:
        for each in chain:
            if each in first:
                each.holders -= 1
            first[each] = None
    for view in views:
        view.layers, view.shadow = (), {}
    return View(base, _stacked((*chains[0], *added)), seen.own)


def joined(views: Sequence[View], base: View, reducers: Reducers) -> View:
    """What whoever goes on from several will see, which stay as they are.

    Raises what `join` does.
    """
    chains = [_chain(each) for each in views]
    _check(chains)
    seen = View(base)
    seen.own = {**views[0].shadow, **views[0].own}
    _apply(seen, _added(chains), reducers)
    return seen


def merge(onto: View, views: Iterable[View], reducers: Reducers) -> None:
    """Have what they lie on changed as the views say, in the order that they are given.

    Raises MergeConflict where several that knew nothing of each other have set one key that has
    no reducer to different values, and what a reducer raises.
    """
    chains = [_chain(each) for each in views]
    _check(chains)
    layers = _distinct(chains)
    _apply(onto, layers, reducers)
    if onto.below is not None:  # whose changes are handed on
        _note(onto, layers)


def seen_of(layers: tuple[View, ...], base: View, reducers: Reducers) -> View:
    """The view of a branch that comes after some layers."""
    seen = View(base)
    _apply(seen, layers, reducers)
    return View(base, layers, seen.own)


def edit(view: View, changes: Mapping[str, bytes], *, everywhere: bool) -> None:
    """Have a view see other values of some keys; or only of those that it does not see below."""
    for key, blob in changes.items():
        if everywhere or key in view.own or key in view.shadow:
            view.put(key, blob)
            view.raw.pop(key, None)


def release(view: View) -> bool:
    """Whether nothing is lost with a view that has come to its end; then it holds nothing more."""
    if view.own or any(each.holders == 1 for each in view.layers):
        return False
    for each in view.layers:
        each.holders -= 1
    return True


def _chain(view: View) -> tuple[View, ...]:
    return (*view.layers, view) if view.own else view.layers


def _added(chains: Sequence[tuple[View, ...]]) -> list[View]:
    """The layers that are not in the first chain."""
    first = set(chains[0])
    return [each for each in _distinct(chains) if each not in first]


def _distinct(chains: Iterable[Iterable[View]]) -> list[View]:
    return list(dict.fromkeys(each for chain in chains for each in chain))


def _check(chains: Iterable[Sequence[View]]) -> None:
    """Raise MergeConflict where none of two layers that set a key came before the other."""
    known: dict[str, tuple[View, Sequence[View]]] = {}
    for chain in chains:
        last = {key: layer for layer in chain for key in layer.own if key not in layer.raw}
        for key, layer in last.items():
            other, others = known.get(key, (layer, chain))
            if other in chain:
                known[key] = layer, chain
            elif layer not in others and not _same(other.own[key], layer.own[key]):
                raise MergeConflict(key, other.by.get(key, ""), layer.by.get(key, ""))


def _same(one: bytes | None, other: bytes | None) -> bool:
    """Whether two are the same value: the keys of a mapping may stand in another order."""
    if one == other or one is None or other is None:
        return one == other
    return canonical(one) == canonical(other)


def _apply(onto: View, layers: Iterable[View], reducers: Reducers) -> None:
    reduced: dict[str, Any] = {}
    for layer in layers:
        for key, blob in layer.own.items():
            if key in layer.raw:
                value = reduced[key] if key in reduced else onto.get(key)
                for each in layer.raw[key]:
                    value = _reduced(value, each, reducers[key])
                reduced[key] = value
                onto.own.setdefault(key, blob)  # its place among the others
            else:
                onto.put(key, blob)
    for key, value in reduced.items():
        onto.put(key, REMOVED if value is _GONE else encode(value))


_GONE: Any = object()


def _reduced(value: Any, said: bytes | None, reduce: Reduce) -> Any:
    if said is REMOVED:
        return _GONE
    return reduce(None if value is _GONE else value, decode(said))


def _stacked(layers: Iterable[View]) -> tuple[View, ...]:
    """The same changes in fewer layers: what nobody else has is put together."""
    found: list[View] = []
    for each in layers:
        if not each.own:
            continue
        if found and found[-1].holders == each.holders == 1:
            found[-1].own.update(each.own)
            _note(found[-1], [each])
        else:
            found.append(each)
    return tuple(found)


def _note(onto: View, layers: Iterable[View]) -> None:
    """Whose changes they were, and the updates of keys with a reducer."""
    for layer in layers:
        onto.by.update(layer.by)
        for key, said in layer.raw.items():
            onto.raw.setdefault(key, []).extend(said)
