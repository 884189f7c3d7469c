"""Whether what one schema describes can ever be what another one takes.

Told before anything runs, from the schemas alone, and only where they decide it:

- NO: nothing the publisher declares fits the subscriber. Their kinds, constants or
  enumerations have nothing in common, in the whole or in a part that is always there;
  the subscriber forbids a property that is always sent; or it requires a property
  that the publisher never declares.
- YES: everything fits, and plainly: the schemas are equal, or the subscriber's asks
  for no more than kinds.
- UNDECIDED: all else.

A property is never declared where the publisher names others, or closes its objects,
and does not name this one under `properties` or `required`. Strictly, most schemas
allow properties they do not name; but who lists what they send is taken at their
word. That word is not taken where `additionalProperties` is given (and not false), or
`patternProperties`, or anything else that could bring properties in.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from enum import Enum
from typing import NamedTuple

from dagger.rules.alternatives import Document, Parts, TooComplex
from dagger.rules.parts import (
    constants,
    forbids,
    frozen,
    item_of,
    kinds,
    may_carry,
    property_of,
    required,
)
from dagger.rules.validators import Source
from dagger.rules.violation import json_path, shown

Schemas = tuple[Source, ...]
"""Schemas of one document that hold for one value at once."""

MAX_DEPTH = 16
"""Levels of properties and items that are compared; deeper ones count as fitting."""

MAX_ITEMS = 8
"""Leading items of an array that are compared."""

_ASKS_FOR_KINDS = {
    "type",
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
    *("format", "$comment", "$defs", "definitions", "version"),
}
"""Keywords of a schema that asks for no more than kinds of value."""


class Answer(Enum):
    """Whether a publisher can serve a subscriber."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "not decided"


class Serves(NamedTuple):
    """The answer; why, in a sentence; and for NO the JSON path of what does not fit."""

    answer: Answer
    reason: str = ""
    path: str = "$"


class _Clash(NamedTuple):
    """Why no value can be both sent and taken."""

    reason: str
    path: tuple[str | int, ...] = ()


def serves(sent: Source, taken: Source) -> Serves:
    """Whether values of the schema `sent` can be values of the schema `taken`.

    Both are valid JSON Schemas, as `Schema.source` is.
    """
    comparison = _Comparison(Document(sent), Document(taken))
    try:
        if comparison.plainly_fits():
            return Serves(Answer.YES)
        clash = comparison.clash((sent,), (taken,))
    except TooComplex:
        return Serves(Answer.UNDECIDED, "the schemas have too many alternatives to compare")
    if clash is None:
        return Serves(
            Answer.UNDECIDED, "nothing rules it out, and nothing shows that all of it fits"
        )
    return Serves(Answer.NO, clash.reason, json_path(clash.path))


class _Comparison:
    """Compares two documents, each pair of their parts once."""

    def __init__(self, publisher: Document, subscriber: Document) -> None:
        self.publisher = publisher
        self.subscriber = subscriber
        self._found: dict[Hashable, _Clash | None] = {}

    def plainly_fits(self) -> bool:
        sent, taken = self.publisher.root, self.subscriber.root
        if taken is True or frozen(sent) == frozen(taken):
            return True
        if taken is False or not taken.keys() <= _ASKS_FOR_KINDS:
            return False
        ways = self.publisher.alternatives((sent,))
        return bool(ways) and all(kinds(each) <= kinds((taken,)) for each in ways)

    def clash(self, sent: Schemas, taken: Schemas, depth: int = 0) -> _Clash | None:
        """Why no value of all of `sent` is one of all of `taken`, if that is so.

        A pair met again inside itself counts as fitting, like what lies too deep.
        """
        pair = tuple(map(id, sent)), tuple(map(id, taken))
        if depth > MAX_DEPTH or pair in self._found:
            return self._found.get(pair)
        self._found[pair] = None
        self._found[pair] = clash = self._clash(sent, taken, depth)
        return clash

    def _clash(self, sent: Schemas, taken: Schemas, depth: int) -> _Clash | None:
        ways_sent = self.publisher.alternatives(sent)
        ways_taken = self.subscriber.alternatives(taken)
        if not ways_sent:
            return _Clash("the publisher's schema allows nothing")
        if not ways_taken:
            return _Clash("the subscriber's schema allows nothing")
        return _first_of_all(
            self._clash_of_parts(one, other, depth) for one in ways_sent for other in ways_taken
        )

    def _clash_of_parts(self, sent: Parts, taken: Parts, depth: int) -> _Clash | None:
        common = kinds(sent) & kinds(taken)
        if not common:
            return _Clash(
                f"the publisher sends {_named(kinds(sent))}, "
                f"the subscriber takes {_named(kinds(taken))}"
            )
        offered, accepted = constants(sent), constants(taken)
        if offered is not None and accepted is not None and offered.keys().isdisjoint(accepted):
            return _Clash(
                f"the publisher sends one of {shown([*offered.values()])}, "
                f"the subscriber takes one of {shown([*accepted.values()])}"
            )
        return _first_of_all(
            self._objects(sent, taken, depth)
            if kind == "object"
            else self._arrays(sent, taken, depth)
            if kind == "array"
            else None
            for kind in sorted(common)
        )

    def _objects(self, sent: Parts, taken: Parts, depth: int) -> _Clash | None:
        always, needed = required(sent), required(taken)
        for name in sorted(needed):
            if not may_carry(sent, name):
                reason = f"the subscriber requires {name!r}, which the publisher never declares"
                return _Clash(reason)
        for name in sorted(always):
            if any(forbids(part, name) for part in taken):
                reason = f"the subscriber forbids {name!r}, which the publisher always sends"
                return _Clash(reason)
        return _first(
            self._within(
                name,
                tuple(property_of(part, name) for part in sent),
                tuple(property_of(part, name) for part in taken),
                depth,
            )
            for name in sorted(always | needed)
        )

    def _arrays(self, sent: Parts, taken: Parts, depth: int) -> _Clash | None:
        shortest = max((int(part.get("minItems", 0)) for part in (*sent, *taken)), default=0)
        return _first(
            self._within(
                index,
                tuple(item_of(part, index, self.publisher.legacy) for part in sent),
                tuple(item_of(part, index, self.subscriber.legacy) for part in taken),
                depth,
            )
            for index in range(min(shortest, MAX_ITEMS))
        )

    def _within(self, place: str | int, sent: Schemas, taken: Schemas, depth: int) -> _Clash | None:
        clash = self.clash(sent, taken, depth + 1)
        return clash and clash._replace(path=(place, *clash.path))


def _first(clashes: Iterable[_Clash | None]) -> _Clash | None:
    return next(filter(None, clashes), None)


def _first_of_all(clashes: Iterable[_Clash | None]) -> _Clash | None:
    """The first of `clashes`, if every one is a clash."""
    first = None
    for clash in clashes:
        if clash is None:
            return None
        first = first or clash
    return first


def _named(kinds: frozenset[str]) -> str:
    names = kinds - {"integer"} if "number" in kinds else kinds
    return " or ".join(sorted(names)) or "nothing"
