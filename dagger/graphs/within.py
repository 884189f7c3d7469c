"""Graphs within graphs: what of the state goes in, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from dagger.graphs.model import Node
from dagger.graphs.outcome import Outcome
from dagger.graphs.reducers import Reduce, last
from dagger.graphs.values import REMOVED, View
from dagger.words.payload import decode


def given_to(node: Node, view: View) -> View:
    """What a graph within is given of the state of its branch."""
    if not node.inputs:
        return view
    given = View()
    for own, ours in node.inputs.items():
        given.put(own, view.blob(ours))
    return given


def outcome_of(node: Node, view: View, reducers: Mapping[str, Reduce]) -> Outcome:
    """What a graph within has changed, as its node has: updates of keys with a reducer are handed
    on one by one, and not with what was there before; where ours has none, the value is.
    """
    names = node.outputs or {key: key for key in view.own}
    changes: list[tuple[str, Any]] = []
    gone = [ours for own, ours in names.items() if own not in view and own in view.own]
    for own, ours in names.items():
        if own in view.raw and reducers.get(ours, last) is not last:
            said = view.raw[own]
            if REMOVED in said:
                gone.append(ours)
            latest = takewhile(lambda each: each is not REMOVED, reversed(said))
            changes += reversed([(ours, decode(each)) for each in latest if each is not REMOVED])
        elif own in view and (own in view.own or node.inputs.get(own, own) != ours):
            changes.append((ours, view.get(own)))
    return Outcome(tuple(changes), tuple(dict.fromkeys(gone)))
