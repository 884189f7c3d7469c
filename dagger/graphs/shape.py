"""The shape of a state: its keys, what each has to be, and its reducers, as a type says them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin, get_type_hints, is_typeddict

from dagger.graphs.reducers import BUILT_IN, Reduce, name_of
from dagger.rules.derive import BuildError, Derived, built, derive
from dagger.rules.nearest import meant
from dagger.rules.schema import Schema, schema
from dagger.rules.validators import Source
from dagger.words.errors import ArgumentsRefused, DefinitionError, StateRefused


class Field:
    """One key of a state."""

    __slots__ = ("annotation", "default", "derived", "reducer", "required", "schema")

    def __init__(self, annotation: Any, required: bool, default: Any, where: str) -> None:
        self.reducer: str | Reduce | None = None
        bounded = annotation
        if get_origin(annotation) is Annotated:
            annotation, *said = get_args(annotation)
            self.reducer = next((x for x in said if x in BUILT_IN or callable(x)), None)
            for each in said:
                if isinstance(each, str) and (hint := meant(each, BUILT_IN)):
                    raise DefinitionError(f"no reducer {each!r}{hint}", where)
            rest = tuple(x for x in said if x is not self.reducer and not isinstance(x, str))
            bounded = Annotated[(annotation, *rest)] if rest else annotation
        self.annotation = annotation
        self.required = required
        self.default = default
        self.derived: Derived = derive(bounded, where)
        source = self.derived.schema
        self.schema: Schema | None = None if source is True else schema(source, where)


class Shape:
    """What a state may hold; `of` is a pydantic model, a dataclass, a TypedDict, or `dict`."""

    def __init__(self, of: Any, where: str) -> None:
        self.of = of
        self.where = where
        self.fields: dict[str, Field] | None = None
        """By key; None where anything may be in it."""
        if of is not dict:
            self.fields = _fields(of, where)

    @cached_property
    def is_typed(self) -> bool:
        """Whether a value is built of it, which is no plain mapping."""
        return self.of is not dict and not is_typeddict(self.of)

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
        if found.reducer is None and found.schema is not None and not found.schema.is_valid(value):
            violation = found.schema.violation(value)
            raise StateRefused(node, key, violation.problem if violation else "it does not fit")

    def annotation(self, key: str) -> Any:
        """The dataclass or pydantic model that values of a key are; None if they are none."""
        found = (self.fields or {}).get(key)
        of = None if found is None else found.annotation
        return of if dataclasses.is_dataclass(of) or hasattr(of, "model_fields") else None

    def schema(self, key: str) -> Source | None:
        """What the values of a key have to be; None where that is not said, or for updates."""
        found = (self.fields or {}).get(key)
        return None if found is None or found.reducer is not None else found.derived.schema

    def build(self, state: Mapping[str, Any]) -> Any:
        """A value of the type, of as much of a state as it has fields for. Raises StateRefused."""
        return build(self.of, {name: state[name] for name in self.fields or () if name in state})


def build(of: Any, data: Mapping[str, Any]) -> Any:
    """A value of a type, of plain data. Raises ArgumentsRefused."""
    derived = derive(of, str(of))
    if derived.build is None:
        return dict(data)
    try:
        return built(derived.build, dict(data))
    except BuildError as error:
        found = error.violation
        raise ArgumentsRefused(found.path, found.rule, found.problem, found.value) from error


def plain_of(value: Any) -> dict[str, Any]:
    """The keys of an update that a node returns: a mapping, a model or a dataclass."""
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    dump: Callable[..., dict[str, Any]] | None = getattr(value, "model_dump", None)
    if dump is None:
        problem = "a node returns None, a name or several, a Goto, or what it changes in the state"
        raise DefinitionError(f"{problem}, not {value!r}")
    # What nobody has set is no change.
    return dump(mode="json", include=set(value.model_fields_set))


def fields_of(of: Any) -> tuple[str, ...]:
    """The names of the keys that a type has."""
    return tuple(_hints(of))


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


def _fields(of: Any, where: str) -> dict[str, Field]:
    hints = _hints(of)
    defaults = _defaults(of)
    return {
        name: Field(hint, name not in defaults, defaults.get(name), where)
        for name, hint in hints.items()
    }


def _hints(of: Any) -> dict[str, Any]:
    if not (dataclasses.is_dataclass(of) or is_typeddict(of) or hasattr(of, "model_fields")):
        problem = "the state of a graph is dict, a TypedDict, a dataclass or a pydantic model"
        raise DefinitionError(f"{problem}, not {of!r}")
    known = getattr(of, "model_fields", None)
    if known is None:
        return get_type_hints(of, include_extras=True)
    return {
        name: Annotated[(each.annotation, *each.metadata)] if each.metadata else each.annotation
        for name, each in known.items()
    }


def _defaults(of: Any) -> dict[str, Any]:
    """The values of keys that need not be given."""
    if is_typeddict(of):
        return dict.fromkeys(getattr(of, "__annotations__", ()))
    if dataclasses.is_dataclass(of):
        return dict(found for each in dataclasses.fields(of) for found in _default(each))
    known = {name: each for name, each in of.model_fields.items() if not each.is_required()}
    return {name: each.get_default(call_default_factory=True) for name, each in known.items()}


def _default(field: dataclasses.Field[Any]) -> Iterator[tuple[str, Any]]:
    if field.default is not dataclasses.MISSING:
        yield field.name, field.default
    elif field.default_factory is not dataclasses.MISSING:
        yield field.name, field.default_factory()


def _listed(shape: Shape) -> str:
    return ", ".join(shape.fields or ())
