"""JSON Schemas that follow from annotations, and the values that follow from JSON.

What JSON says by itself (None, bool, int, float, str, list, dict, Literal, unions
of these, a TypedDict of these) is derived here, and a decoded payload already is
the annotated value. Everything else (pydantic models, dataclasses, enums, dates,
sets, ...) is left to pydantic, which is imported when the first such annotation
is met.

JSON knows one kind of number: `float` accepts integers, and `int` accepts 1.0.
"""

from __future__ import annotations

import inspect
import types
from collections import abc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from dagger.rules.typed_dict import fields, is_typed_dict, portable
from dagger.rules.validators import Source
from dagger.rules.violation import Violation, violation_at
from dagger.words.errors import DefinitionError, SerializationError, shortened
from dagger.words.payload import plain

Mode = Literal["validation", "serialization"]


class Derived(NamedTuple):
    """What an annotation says about JSON."""

    schema: Source
    build: Callable[[Any], Any] | None
    """Turns plain data into the annotated value (in mode "serialization": the annotated
    value into plain data); None where they are the same. Call it through `built`."""


class BuildError(Exception):
    """`build` failed: data that fits the schema of an annotation is still no value of it."""

    def __init__(self, violation: Violation) -> None:
        self.violation = violation
        super().__init__(f"{violation.problem} at {violation.path}")


def derive(annotation: Any, where: str, mode: Mode = "validation") -> Derived:
    """The schema of an annotation, and how to build its values.

    `mode` is "validation" for what a handler is given and "serialization" for what it
    returns; with defaults, aliases and computed fields the two differ. `Any`, `object`
    and a missing annotation accept everything. Raises DefinitionError, naming `where`,
    for a name that stands for nothing and for a type that is not JSON data.
    """
    simple = _plain(annotation, ())
    return _with_pydantic(annotation, where, mode) if simple is None else Derived(simple, None)


def built(build: Callable[[Any], Any], value: Any) -> Any:
    """`build(value)`. Raises BuildError, caused by what was raised, where that fails."""
    try:
        return build(value)
    except Exception as error:
        raise BuildError(violation_of(error, value)) from error


def written(value: Any, annotation: Any, where: str) -> Any:
    """Plain data of a value, as its annotation writes it, or else its own type.

    Raises SerializationError for a value that neither can write, and what `derive` does.
    """
    if is_plain(value):
        return value
    dump = derive(annotation, where, "serialization").build
    if dump is None:  # as of Any, or where the value is not what its annotation says
        dump = derive(type(value), where, "serialization").build
    try:
        return plain(value if dump is None else dump(value))
    except SerializationError:
        raise
    except Exception as error:  # of pydantic, or of the class of the value
        raise SerializationError("$", shortened(str(error))) from error


def is_plain(value: Any) -> bool:
    """Whether a value is plain JSON data as it is."""
    try:
        return plain(value) is value
    except SerializationError:
        return False


def violation_of(error: Exception, value: Any) -> Violation:
    """What an exception raised while building says about `value`.

    A pydantic error gives the deepest of its faults; the rule is pydantic's type of
    it ("required", "value_error", ...), or the class of any other exception.
    """
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return violation_at((), type(error).__name__, str(error), value)
    faults = [
        (_path(fault["loc"], value), _RULES.get(fault["type"], fault["type"]), fault["msg"])
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    path, rule, problem = max(faults, key=lambda fault: len(fault[0]))
    return violation_at(path, rule, problem, value)


_RULES = {"missing": "required", "extra_forbidden": "additionalProperties"}
"""JSON Schema's names for what pydantic calls otherwise."""


def _path(location: Sequence[str | int], value: Any) -> tuple[str | int, ...]:
    """The part of pydantic's location that leads into `value`.

    A location also names union members, validators, and properties that are missing.
    """
    path: list[str | int] = []
    for place in location:
        try:
            value = value[place]
        except (LookupError, TypeError):
            continue
        path.append(place)
    return tuple(path)


_ARRAYS = (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
_OBJECTS = (dict, abc.Mapping, abc.MutableMapping)
_STREAMS = (abc.Iterator, abc.Generator, abc.AsyncIterable, abc.AsyncIterator, abc.AsyncGenerator)


def element(annotation: Any) -> Any | None:
    """The T of list[T], Sequence[T], tuple[T, ...], AsyncIterator[T] and the like.

    A generator's T is what it yields; a `| None` is overlooked; T is Any where it is
    not said. None for an annotation that is no collection or stream of one type.
    """
    if _is_union(annotation):
        members = [each for each in get_args(annotation) if each is not types.NoneType]
        return element(members[0]) if len(members) == 1 else None
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if origin is tuple:
        return Any if not args else args[0] if args[1:] == (...,) else None
    if origin in _ARRAYS or origin in _STREAMS:
        return args[0] if args else Any
    return None


_SIMPLE: dict[Any, Source] = {
    Any: True,
    object: True,
    inspect.Parameter.empty: True,
    None: {"type": "null"},
    types.NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    **{each: {"type": "array"} for each in _ARRAYS},
    **{each: {"type": "object"} for each in _OBJECTS},
}


def _plain(annotation: Any, within: tuple[Any, ...]) -> Source | None:
    """The schema of an annotation whose values are what JSON decodes to, else None.

    `within` are the TypedDicts it is a field of; one that holds itself is not plain.
    """
    if isinstance(annotation, abc.Hashable) and annotation in _SIMPLE:
        simple = _SIMPLE[annotation]
        return {**simple} if isinstance(simple, dict) else simple
    if is_typed_dict(annotation):
        return None if annotation in within else _typed_dict(annotation, (*within, annotation))
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"enum": [*args]} if {*map(type, args)} <= _LITERAL else None
    if _is_union(annotation):
        return _any_of([_plain(each, within) for each in args])
    if origin in _ARRAYS:
        return _filled("array", "items", _plain(args[0], within) if args else True)
    if origin in _OBJECTS and (not args or args[0] is str):
        return _filled("object", "additionalProperties", _plain(args[1], within) if args else True)
    return None


_LITERAL = {str, int, bool, types.NoneType}


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _filled(kind: str, keyword: str, inner: Source | None) -> Source | None:
    if inner is None:
        return None
    return {"type": kind} if inner is True else {"type": kind, keyword: inner}


def _any_of(members: Sequence[Source | None]) -> Source | None:
    """One `type` with several names where that says it all: its errors read better."""
    known = [each for each in members if each is not None]
    if len(known) < len(members):
        return None
    if True in known:
        return True
    if all(isinstance(each, dict) and [*each] == ["type"] for each in known):
        return {"type": [each["type"] for each in known if isinstance(each, dict)]}
    return {"anyOf": known}


def _typed_dict(kind: Any, within: tuple[Any, ...]) -> Source | None:
    if hasattr(kind, "__pydantic_config__"):
        return None
    try:
        known = fields(kind)
    except NameError:
        return None
    properties = {key: _plain(field.annotation, within) for key, field in known.items()}
    if None in properties.values():
        return None
    required = [key for key, field in known.items() if field.required]
    return {
        "title": kind.__name__,
        "type": "object",
        "properties": properties,
        "required": required,
    }


def _with_pydantic(annotation: Any, where: str, mode: Mode) -> Derived:
    from pydantic import TypeAdapter

    if inspect.isroutine(annotation):  # pydantic would derive a schema from its parameters
        raise _not_json(annotation, TypeError("it is a function"), where)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(portable(annotation))
        schema = adapter.json_schema(mode=mode)
    except Exception as error:  # of pydantic, or of the annotated class itself
        raise _not_json(annotation, error, where) from error
    if mode == "validation":
        return Derived(schema, partial(adapter.validator.validate_python, strict=False))
    dump = partial(adapter.dump_python, mode="json", by_alias=True, warnings="none")
    return Derived(schema, dump)


def _not_json(annotation: Any, error: Exception, where: str) -> DefinitionError:
    shown = annotation if isinstance(annotation, str) else repr(annotation)
    if isinstance(error, NameError) or getattr(error, "code", "") == "class-not-fully-defined":
        problem = f"the annotation {shown} names something that is not defined"
    else:
        reason = str(error).partition("\n")[0].partition(". ")[0]
        problem = (
            f"the annotation {shown} is not JSON data ({shortened(reason)}); use builtins, "
            "a TypedDict, a dataclass, a pydantic model, or Any"
        )
    return DefinitionError(problem, where)
