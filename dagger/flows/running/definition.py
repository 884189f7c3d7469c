"""A flow's definition as a run keeps it: the flow and those that its steps use, as plain data."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dagger.flows.dumping import dump
from dagger.flows.flow import Flow
from dagger.flows.reading import data_of, flow_from
from dagger.words.payload import canonical, encode

DIGITS = 16


def definition_of(flow: Flow) -> dict[str, Any]:
    """All that says what a flow does: the flow, and each of those within it once, in `files`.

    What its steps use are their numbers there, in `uses`; what a flow uses stands before it.
    """
    files: dict[str, dict[str, Any]] = {}
    told = _told(flow, files, {})
    return {**told, "files": [*files.values()]} if files else told


def _told(flow: Flow, files: dict[str, dict[str, Any]], known: dict[int, int]) -> dict[str, Any]:
    """A flow without those within it, which are added to `files`, by what they say."""
    uses = {}
    for name, each in flow.subflows.items():
        if id(each) not in known:
            told = _told(each, files, known)
            digest = digest_of(told)
            files.setdefault(digest, told)
            known[id(each)] = [*files].index(digest)
        uses[name] = known[id(each)]
    return {"flow": data_of(flow), "uses": uses} if uses else {"flow": data_of(flow)}


def flow_of(definition: Mapping[str, Any]) -> Flow:
    """The flow that a definition is of."""
    within: list[Flow] = []
    for each in definition.get("files", ()):
        within.append(_flow(each, within))
    return _flow(definition, within)


def _flow(told: Mapping[str, Any], within: Sequence[Flow]) -> Flow:
    uses = told.get("uses", {})
    subflows = {name: within[number] for name, number in uses.items()}
    return replace(flow_from(told["flow"]), subflows=subflows)


def digest_of(definition: Mapping[str, Any]) -> str:
    """Hexadecimal digits that are the same for the same definition, in every process."""
    said = canonical(encode(definition, limit=2**31))
    return hashlib.sha256(said.encode()).hexdigest()[:DIGITS]


def difference(was: Flow, now: Flow) -> str:
    """What has changed from one flow to another, line by line, as `diff` tells it."""
    lines: list[str] = []
    for name in dict.fromkeys(["", *was.subflows, *now.subflows]):
        before, after = (each if not name else each.subflows.get(name) for each in (was, now))
        one, other = (
            dump(each).splitlines() if each is not None else [] for each in (before, after)
        )
        title = name or was.name
        titles = f"{title}, as it was begun", f"{title}, as it is now"
        lines += difflib.unified_diff(one, other, *titles, n=1, lineterm="")
    return "\n".join(lines)
