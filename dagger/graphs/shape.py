"""The shape of a state: its keys, what each has to be, and its reducers, as a type says them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from dagger.graphs.fields import Field, fields, hints
from dagger.graphs.reducers import Reduce, name_of
from dagger.rules.derive import BuildError, Derived, built, derive, is_plain, written
from dagger.rules.schema import schema
from dagger.rules.typed_dict import is_typed_dict
from dagger.rules.validators import Source
from dagger.rules.violation import Violation, violation_at
from dagger.words.errors import ArgumentsRefused, DefinitionError, SerializationError, StateRefused
from dagger.words.payload import encode


class Shape:
    """What a state may hold; `of` is a pydantic model, a dataclass, a TypedDict, or `dict`."""

    def __init__(self, of: Any, where: str) -> None:
        self.of = of
        self.where = where
        self.fields: dict[str, Field] | None = None
        """By key; None where anything may be in it."""
        if of is not dict:
            self.fields = fields(of, where)

    @cached_property
    def is_typed(self) -> bool:
        """Whether a value is built of it, which is no plain mapping."""
        return self.of is not dict and not is_typed_dict(self.of)

    def reducers(self) -> dict[str, str | Reduce]:
        """Those that the annotations say."""
        fields = (self.fields or {}).items()
        return {name: each.reducer for name, each in fields if each.reducer is not None}

    def reduce(self, said: Mapping[str, str | Reduce]) -> None:
        """Let updates of keys be no values of theirs, as the annotations of others say it."""
        for key, each in said.items():
            if self.fields is not None and key in self.fields:
                self.fields[key].reducer = each

    def has(self, key: str) -> bool:
        """Whether a state may have a key."""
        return self.fields is None or key in self.fields

    def check(self, key: str, value: Any, node: str) -> None:
        """Raise StateRefused for a key that there is none of, or a value that it cannot have."""
        if type(key) is not str:
            raise StateRefused(node, key, "a key is a text")
        if self.fields is None:
            return
        found = self.fields.get(key)
        if found is None:
            raise StateRefused(node, key, f"the state has no such key; it has {_listed(self)}")
        if found.reducer is None and (violation := found.violation(value)) is not None:
            raise StateRefused(node, key, violation.problem)

    def check_value(self, key: str, value: Any, node: str) -> None:
        """The same of what is set without a reducer, whether the key has one or not."""
        found = (self.fields or {}).get(key)
        if found is None:
            self.check(key, value, node)
        elif (violation := found.violation(value)) is not None:
            raise StateRefused(node, key, violation.problem)

    def misfits(self, state: Mapping[str, Any]) -> Iterator[tuple[str, Violation]]:
        """The keys that keep a run from beginning with a state, and why; a key that the state has
        and this shape has not is none of them.
        """
        for key, field in (self.fields or {}).items():
            if key in state:
                found = field.violation(state[key])
                if found is not None:
                    yield key, found._replace(path=f"$.{key}{found.path.removeprefix('$')}")
            elif field.required:
                yield key, violation_at((), "required", f"the key {key!r} is missing", {})

    def given(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults of the keys that a state has not, but for those that change."""
        known = (self.fields or {}).items()
        absent = ((key, each) for key, each in known if key not in state and not each.changes)
        return {key: each.default for key, each in absent if each.default is not None}

    def fresh(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults that change of the keys that a state has not, made anew."""
        known = (self.fields or {}).items()
        return {key: each.made() for key, each in known if key not in state and each.changes}

    @cached_property
    def defaults(self) -> Mapping[str, bytes]:
        """The defaults of keys, encoded, as they were made with the shape."""
        known = (self.fields or {}).items()
        return {key: encode(each.default) for key, each in known if each.default is not None}

    def changing(self) -> Iterator[str]:
        """The keys whose default is another one each time that it is made."""
        return (key for key, each in (self.fields or {}).items() if each.changes)

    def annotation(self, key: str) -> Any:
        """The dataclass or pydantic model that values of a key are; None if they are none."""
        found = (self.fields or {}).get(key)
        of = None if found is None else found.annotation
        if get_origin(of) in (Union, UnionType):
            one = [each for each in get_args(of) if each is not NoneType]
            of = one[0] if len(one) == 1 else None
        return of if has_fields(of) else None

    def schema(self, key: str) -> Source | None:
        """What the values of a key have to be; None where that is not said, or for updates."""
        found = (self.fields or {}).get(key)
        return None if found is None or found.reducer is not None else found.derived.schema


def build(of: Any, data: Any) -> Any:
    """A value of a type, of plain data. Raises ArgumentsRefused, and DefinitionError for a type
    that is no JSON data.
    """
    derived = _derived(of) if isinstance(of, type) else derive(of, str(of))
    if derived.build is None:
        violation = schema(derived.schema, str(of)).violation(data)
        if violation is not None:
            raise ArgumentsRefused(*violation)
        return data
    try:
        return built(derived.build, data)
    except BuildError as error:
        raise ArgumentsRefused(*error.violation) from error


@lru_cache(maxsize=512)
def _derived(of: Any) -> Derived:
    return derive(of, str(of))


def has_fields(of: Any) -> bool:
    """Whether it is a type whose values have fields: a dataclass, a pydantic model."""
    return isinstance(of, type) and (dataclasses.is_dataclass(of) or hasattr(of, "model_fields"))


def plain_of(value: Any) -> dict[str, Any]:
    """The keys of an update that a node returns: a mapping, a model or a dataclass."""
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return found | _written(type(value), found)
    dump: Callable[..., dict[str, Any]] | None = getattr(value, "model_dump", None)
    if dump is None:
        problem = "a node returns None, a name or several, a Goto, or what it changes in the state"
        raise DefinitionError(f"{problem}, not {value!r}")
    # What nobody has set is no change.
    return dump(mode="json", include=set(value.model_fields_set))


def _written(of: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the fields of a dataclass that are no plain data, as their types write them; what
    these cannot write is for who encodes it to refuse.
    """
    odd = [name for name, each in found.items() if not is_plain(each)]
    known: Mapping[str, Any] = {}
    with suppress(NameError):  # of an annotation that means nothing here
        known = hints(of) if odd else {}
    told: dict[str, Any] = {}
    for name in odd:
        with suppress(SerializationError, DefinitionError):
            told[name] = written(found[name], known.get(name, Any), str(of))
    return told


def fields_of(of: Any) -> tuple[str, ...]:
    """The names of the keys that a type has."""
    return tuple(hints(of))


def foreign(of: Any, data: Mapping[str, Any]) -> list[str]:
    """The names in plain data that a type with fields has none for."""
    if getattr(of, "model_config", {}).get("extra") == "allow":
        return []
    known = getattr(of, "model_fields", {}).values()
    aliases = {each for field in known for each in (field.alias, field.serialization_alias)}
    names = {*fields_of(of), *aliases, *getattr(of, "model_computed_fields", ())}
    return [name for name in data if name not in names]


def reducer_names(said: Mapping[str, str | Reduce]) -> tuple[dict[str, str], dict[str, Reduce]]:
    """Reducers by the names that a definition has of them, and the functions that are not ours."""
    names: dict[str, str] = {}
    functions: dict[str, Reduce] = {}
    for key, each in said.items():
        # After the key, since two functions may have one name, as lambdas do, or that of a node.
        names[key] = each if isinstance(each, str) else name_of(each) or f"{key}:reducer"
        if callable(each) and name_of(each) is None:
            functions[names[key]] = each
    return names, functions


def _listed(shape: Shape) -> str:
    return ", ".join(shape.fields or ())
