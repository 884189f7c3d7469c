"""JSON Schemas, checked and compiled once, when they are declared.

A schema is draft 2020-12 unless its `$schema` names another (2019-09, 7, 6, 4).
`format` is an annotation in every draft: it never fails a value, whichever
validator is at work (an annotated type checks its own). Patterns follow the
regular expressions of the validator; contentEncoding and contentMediaType, which
drafts 6 and 7 left optional, are looked into by jsonschema-rs only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from weakref import WeakValueDictionary

from dagger.rules.references import reference_problem
from dagger.rules.validators import Source, compiled
from dagger.rules.violation import Fault, Violation, explained, shown
from dagger.words import payload
from dagger.words.errors import SchemaError, SerializationError, shortened

DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"
DIALECTS = (
    DEFAULT_DIALECT,
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
)
"""What `$schema` may say, with or without a trailing "#"."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Schema:
    """A compiled schema; declaring equal JSON again gives this same object.

    So a publisher and a subscriber that share a schema share its `number`, and what
    was checked against that number need not be checked again.
    """

    number: int
    """Of what was declared, from 1: in every process the same, and of no other schema."""
    source: Source
    """What was declared, as plain JSON data; not to be changed."""
    version: int
    """What its keyword "version" says, 1 or more; 0 without one."""
    is_valid: Callable[[Any], bool] = field(repr=False)
    """Whether a plain value (see words.payload) fits: the validator's own method."""
    _fault: Callable[[Any], Fault | None] = field(repr=False)

    def violation(self, value: Any) -> Violation | None:
        """The first thing wrong with `value`, or None if it fits."""
        fault = self._fault(value)
        return None if fault is None else explained(fault, value)


_known: WeakValueDictionary[str, Schema] = WeakValueDictionary()
_lock = threading.Lock()


def schema(declared: Mapping[str, Any] | str | bool, where: str) -> Schema:
    """The compiled form of a schema given as a mapping, a JSON text or a boolean.

    Raises SchemaError, naming `where`, for anything that is not a valid schema of a
    known draft, that refers to something outside itself, or that would never end.
    """
    source = _source(declared, where)
    text = json.dumps(source, sort_keys=True)
    with _lock:
        known = _known.get(text)
        if known is None:
            _check(source, where)
            version = _version(source, where)
            is_valid, fault = compiled(source, where)
            known = _known[text] = Schema(_number(text), source, version, is_valid, fault)
        return known


def _number(text: str) -> int:
    """A number from 1 to 2**63 for a schema's text: two of one number are not to be feared."""
    return (int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1) + 1


def _source(declared: Any, where: str) -> Source:
    """A private copy of what was declared, made of plain JSON data."""
    try:
        given = payload.plain(json.loads(declared) if isinstance(declared, str) else declared)
        source = json.loads(json.dumps(given, ensure_ascii=False).encode())
    except SerializationError as error:
        raise SchemaError(
            f"the schema is not JSON at {error.path}: {error.problem}", where
        ) from None
    except ValueError as error:
        raise SchemaError(f"the schema is not JSON: {error}", where) from None
    except RecursionError:
        raise SchemaError("the schema is nested too deep", where) from None
    if not isinstance(source, (dict, bool)):
        raise SchemaError(f"a schema is an object or a boolean, not {shown(source)}", where)
    return source


def _version(source: Source, where: str) -> int:
    if isinstance(source, bool) or "version" not in source:
        return 0
    version = source["version"]
    if type(version) is not int or version < 1:
        problem = f'the "version" of a schema is a whole number from 1 on, not {shown(version)}'
        raise SchemaError(problem, where)
    return version


def _check(source: Source, where: str) -> None:
    """Raise SchemaError unless `source` is a sound schema of a known draft.

    Whether its regular expressions are any is for the validator that runs them to say.
    """
    if isinstance(source, bool):
        return
    dialect = source.get("$schema", DEFAULT_DIALECT)
    if not isinstance(dialect, str) or dialect.removesuffix("#") not in DIALECTS:
        known = ", ".join(DIALECTS)
        raise SchemaError(f"unknown $schema {shown(dialect)}; known: {known}", where)
    try:
        problem = _problem(source, dialect)
    except RecursionError:
        problem = "is nested too deep"
    if problem:
        raise SchemaError(f"the schema {problem}", where)


def _problem(source: dict[str, Any], dialect: str) -> str | None:
    from jsonschema import validators
    from jsonschema.exceptions import best_match

    draft: Any = validators.validator_for({"$schema": dialect})
    meta_schema = draft(draft.META_SCHEMA)
    if error := best_match(meta_schema.iter_errors(source)):
        return f"is not valid at {error.json_path}: {shortened(error.message)}"
    problem = reference_problem(source, dialect, meta_schema.is_valid)
    return problem and f"cannot be used: {problem}"
