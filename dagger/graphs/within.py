"""Graphs within graphs: what of the state goes in, and what comes out."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from dagger.graphs.library import Library
from dagger.graphs.model import Node
from dagger.graphs.outcome import Outcome
from dagger.graphs.reducers import last
from dagger.graphs.shape import Shape
from dagger.graphs.values import REMOVED, Seen, View
from dagger.words.errors import InputsRefused
from dagger.words.payload import decode


def given_to(node: Node, view: View, shape: Shape) -> View:
    """What a graph within is given of the state of its branch, and the defaults of the rest."""
    given = view
    if node.inputs:
        given = View()
        for own, ours in node.inputs.items():
            given.put(own, view.blob(ours))
    absent = {key: blob for key, blob in shape.defaults.items() if key not in given}
    if absent:
        given = View(view) if given is view else given
        given.own.update(absent)
    return given


def check_given(node: Node, graph: str, given: View, shape: Shape) -> None:
    """Raise InputsRefused where a graph could not begin with what it is given."""
    for key, found in shape.misfits(Seen(given)):
        place = "" if found.path in ("$", f"$.{key}") else f"{found.path}: "
        problem = "it is missing" if found.path == "$" else f"{place}{found.problem}"
        raise InputsRefused(node.name, graph, key, problem)


def outcome_of(node: Node, view: View, outside: View, library: Library) -> Outcome:
    """What a graph within has changed, as its node has: updates of keys with a reducer are handed
    on one by one, and not with what was there before; where ours has none, the value is.

    Without outputs these are the keys that the state of our graph has. Raises StateRefused for a
    value that it cannot have.
    """
    reducers, shape = library.reducers, library.shape
    names = node.outputs or {key: key for key in view.own if shape.has(key)}
    changes: list[tuple[str, Any]] = []
    gone = [ours for own, ours in names.items() if own not in view and own in view.own]
    for own, ours in names.items():
        if own in view.raw and reducers.get(ours, last) is not last:
            said = view.raw[own]
            if REMOVED in said:
                gone.append(ours)
            latest = takewhile(lambda each: each is not REMOVED, reversed(said))
            changes += reversed([(ours, decode(each)) for each in latest if each is not REMOVED])
        elif own in view and (own in view.own or not _is_there(node, own, ours, outside)):
            changes.append((ours, view.get(own)))
    for key, value in changes:
        shape.check(key, value, node.name)
    return Outcome(tuple(changes), tuple(dict.fromkeys(gone)))


def _is_there(node: Node, own: str, ours: str, outside: View) -> bool:
    """Whether a key was given what a key of ours is, which is no default."""
    source = node.inputs.get(own) if node.inputs else own
    return source == ours and ours in outside
