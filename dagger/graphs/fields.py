"""The keys of a state, as a type says them: what each has to be, its default and its reducer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from dagger.graphs.reducers import BUILT_IN, Reduce
from dagger.rules import typed_dict
from dagger.rules.derive import Derived, derive, written
from dagger.rules.nearest import meant
from dagger.rules.schema import Schema, schema
from dagger.rules.violation import Violation
from dagger.words.errors import DefinitionError, SerializationError

Make = Callable[[], Any]


class Field:
    """One key of a state."""

    __slots__ = (
        *("_bounded", "_make", "_name", "_where"),
        *("annotation", "changes", "default", "derived", "reducer", "required", "schema"),
    )

    def __init__(
        self, name: str, annotation: Any, required: bool, make: Make | None, where: str
    ) -> None:
        self._name, self._make, self._where = name, make, where
        self.reducer: str | Reduce | None = None
        self.annotation, self._bounded = self._taken_apart(annotation)
        self.required = required
        """Whether a run has to be given it."""
        self.derived: Derived = derive(self._bounded, where)
        source = self.derived.schema
        self.schema: Schema | None = None if source is True else schema(source, where)
        self.default = self.made()
        """What it is where it is not given, as plain data; None for nothing."""
        self.changes = self.made() != self.default
        """Whether its default is another one each time that it is made."""

    def made(self) -> Any:
        """Its default, made anew. Raises DefinitionError for one that is no JSON data, or that the
        key cannot have.
        """
        if self._make is None:
            return None
        try:
            found = written(self._make(), self._bounded, self._where)
        except SerializationError as error:
            raise self._refused(f"is no JSON data: {error.problem}") from None
        except Exception as error:  # of a factory, which is the user's
            raise self._refused(f"cannot be made: {type(error).__name__}: {error}") from error
        if found is not None and (violation := self.violation(found)) is not None:
            raise self._refused(f"does not fit: {violation.problem}")
        return found

    def violation(self, value: Any) -> Violation | None:
        """What is wrong with a value; None if it fits."""
        if self.schema is None or self.schema.is_valid(value):
            return None
        return self.schema.violation(value)

    def _taken_apart(self, annotation: Any) -> tuple[Any, Any]:
        """The type alone, and with its bounds; what else was said of it is its reducer."""
        if get_origin(annotation) is not Annotated:
            return annotation, annotation
        of, *said = get_args(annotation)
        self.reducer = next((x for x in said if x in BUILT_IN or callable(x)), None)
        for each in said:
            if isinstance(each, str) and (hint := meant(each, BUILT_IN)):
                raise DefinitionError(f"no reducer {each!r}{hint}", self._where)
        bounds = tuple(x for x in said if x is not self.reducer and not isinstance(x, str))
        return of, Annotated[(of, *bounds)] if bounds else of

    def _refused(self, problem: str) -> DefinitionError:
        return DefinitionError(f"the default of the key {self._name!r} {problem}", self._where)


def fields(of: Any, where: str) -> dict[str, Field]:
    """The keys that a type has, by name. Raises DefinitionError."""
    known, is_dict = hints(of), typed_dict.is_typed_dict(of)
    makers = _makers(of)
    return {
        name: Field(name, hint, not is_dict and name not in makers, makers.get(name), where)
        for name, hint in known.items()
    }


def hints(of: Any) -> dict[str, Any]:
    """The annotations of the keys that a type has. Raises DefinitionError for one without any."""
    if typed_dict.is_typed_dict(of):
        return {name: each.annotation for name, each in typed_dict.fields(of).items()}
    if dataclasses.is_dataclass(of):
        known = get_type_hints(of, include_extras=True)
        return {each.name: known[each.name] for each in dataclasses.fields(of)}
    if not hasattr(of, "model_fields"):
        problem = "the state of a graph is dict, a TypedDict, a dataclass or a pydantic model"
        raise DefinitionError(f"{problem}, not {of!r}")
    return {
        name: Annotated[(each.annotation, *each.metadata)] if each.metadata else each.annotation
        for name, each in of.model_fields.items()
    }


def _makers(of: Any) -> dict[str, Make]:
    """What makes the defaults, by key, of those that have one."""
    if typed_dict.is_typed_dict(of):
        return {}
    if dataclasses.is_dataclass(of):
        return {each.name: make for each in dataclasses.fields(of) if (make := _make(each))}
    known = {name: each for name, each in of.model_fields.items() if not each.is_required()}
    return {name: _model_default(each) for name, each in known.items()}


def _make(field: dataclasses.Field[Any]) -> Make | None:
    if field.default is not dataclasses.MISSING:
        return lambda: field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory


def _model_default(field: Any) -> Make:
    return lambda: field.get_default(call_default_factory=True)
