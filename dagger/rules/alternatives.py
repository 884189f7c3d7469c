"""A JSON Schema as alternatives, each a list of simple schemas that hold together.

References are followed and allOf, anyOf and oneOf multiplied out, so that whoever
compares two schemas meets properties, items, kinds and constants only. What a
schema allows, at least one of its alternatives allows: oneOf is taken for anyOf,
and not, if and the like are left to stand in the parts, unread.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, product
from typing import Any, NamedTuple
from urllib.parse import unquote

from dagger.rules.validators import Source

Parts = tuple[dict[str, Any], ...]
"""Schemas that hold for one value at once; free of references and combinations."""

MAX_ALTERNATIVES = 64
MAX_DEPTH = 64

UNKNOWN: dict[str, Any] = {"additionalProperties": True}
"""Stands for a schema that is not looked into: it allows everything."""


class TooComplex(Exception):
    """More alternatives than are worth looking at, or a reference without end."""


class Document(NamedTuple):
    """Where the references of a schema are looked up."""

    root: Source

    @property
    def legacy(self) -> bool:
        """Whether its draft, 4 to 7, overlooks what stands next to a $ref."""
        dialect = self.root.get("$schema", "") if isinstance(self.root, dict) else ""
        return isinstance(dialect, str) and "/draft-0" in dialect

    def alternatives(self, schemas: Iterable[Source]) -> list[Parts]:
        """The ways in which one value can satisfy all of `schemas`, none if it cannot.

        Raises TooComplex.
        """
        return _together([self._alternatives(each, 0) for each in schemas])

    def _alternatives(self, schema: Source, depth: int) -> list[Parts]:
        if depth > MAX_DEPTH:
            raise TooComplex
        if isinstance(schema, bool):
            return [()] if schema else []
        if schema is not self.root and ("$id" in schema or "id" in schema):
            return [(UNKNOWN,)]  # references inside it start from elsewhere
        target = self._target(schema["$ref"]) if "$ref" in schema else True
        if "$ref" in schema and self.legacy:
            return self._alternatives(target, depth + 1)
        choices: list[list[Parts]] = [[(schema,)], self._alternatives(target, depth + 1)]
        choices += [self._alternatives(each, depth + 1) for each in schema.get("allOf", ())]
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                ways = [self._alternatives(each, depth + 1) for each in schema[keyword]]
                choices.append([*chain.from_iterable(ways)])
        return _together(choices)

    def _target(self, reference: str) -> Source:
        """What a JSON pointer into this document leads to; UNKNOWN for other references."""
        start, *steps = reference.split("/")
        found: Any = self.root if start == "#" else UNKNOWN
        for step in steps if start == "#" else ():
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict) and key in found:
                found = found[key]
            else:
                return UNKNOWN
        return found if isinstance(found, (dict, bool)) else UNKNOWN


def _together(choices: list[list[Parts]]) -> list[Parts]:
    """Every combination of one of each of `choices`."""
    count = 1
    for each in choices:
        count *= len(each)
    if count > MAX_ALTERNATIVES:
        raise TooComplex
    return [tuple(chain.from_iterable(each)) for each in product(*choices)]
