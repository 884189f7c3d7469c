"""The arguments of a function that is given them by name: which it takes, checked and built.

So step functions are called by flows, and tools by whoever chooses them: with plain data, of
which the annotations say what it has to be and what is made of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

from dagger.authoring.signature import resolve, underlying
from dagger.rules.bundling import object_of
from dagger.rules.derive import BuildError, Derived, built, derive, written
from dagger.rules.nearest import meant
from dagger.rules.schema import Schema, schema
from dagger.rules.validators import Source
from dagger.rules.violation import Violation, violation_at
from dagger.words.errors import DefinitionError, SerializationError

CONTEXT = "ctx"
"""The parameter that stands for the context, and for no argument."""

Refusal = Callable[[Violation, str], Exception]
"""The error for a violation, of "input" or "output"."""


class Parameters(NamedTuple):
    """What a function can be given."""

    required: tuple[str, ...]
    """Parameters without a default."""
    defaults: Mapping[str, Any]
    """Parameters with one, and what it is."""
    takes_any: bool
    """Whether it takes arguments of other names as well (`**arguments`)."""
    asked: frozenset[str]
    """Those that it asks for of the names that stand for no argument."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those that it has names for."""
        return (*self.required, *self.defaults)


def parameters_of(
    function: Callable[..., Any], reserved: Collection[str], where: str
) -> Parameters:
    """What a function can be given; `reserved` names stand for no argument.

    Raises DefinitionError for a parameter that cannot be given by name.
    """
    parameters = inspect.signature(function).parameters.values()
    for each in parameters:
        if each.kind in (each.POSITIONAL_ONLY, each.VAR_POSITIONAL):
            problem = f"arguments are given by name, so {each.name!r} cannot be filled"
            raise DefinitionError(problem, where)
    named = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    wanted = [each for each in named if each.name not in reserved]
    return Parameters(
        required=tuple(each.name for each in wanted if each.default is each.empty),
        defaults={each.name: each.default for each in wanted if each.default is not each.empty},
        takes_any=any(each.kind is each.VAR_KEYWORD for each in parameters),
        asked=frozenset(each.name for each in named if each.name in reserved),
    )


class _Value(NamedTuple):
    """One parameter, or the result: what it has to be, and how it is made."""

    schema: Schema | None
    build: Callable[[Any], Any] | None


class Arguments:
    """Checks and builds what one function is given, and makes what it returns plain.

    `names` are the local names that its annotations may use. Raises DefinitionError for them.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: Parameters,
        names: Mapping[str, Any],
        where: str,
        refusal: Refusal,
    ) -> None:
        known = _annotations(function, names, where)
        self._parameters = parameters
        self._values = {
            name: _value(derive(known.get(name, Any), where), where) for name in parameters.names
        }
        self._defaults = {
            name: partial(written, default, known.get(name, Any), where)
            for name, default in parameters.defaults.items()
        }
        returned = derive(known.get("return", Any), where, "serialization")
        self._returned = _value(returned, where)
        self._refusal = refusal

    def schemas(self) -> dict[str, Schema]:
        """What each argument has to be, of those that cannot be anything."""
        return {name: each.schema for name, each in self._values.items() if each.schema is not None}

    def source(self) -> dict[str, Any]:
        """The JSON Schema of all arguments, as an object; with the defaults that are JSON."""
        known = self._defaults
        properties = {
            name: _with_default(each, known[name]) if name in known else _source(each)
            for name, each in self._values.items()
        }
        return object_of(properties, self._parameters.required, self._parameters.takes_any)

    def built(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function wants them, of plain data. Raises what `refusal` makes."""
        for name in self._parameters.required:
            if name not in given:
                raise self._refused("required", f"{name!r} is missing", given)
        if not self._parameters.takes_any:
            for name in given:
                if name not in self._values:
                    hint = meant(name, self._values)
                    raise self._refused(
                        "additionalProperties", f"no {name!r} is taken{hint}", given
                    )
        return {
            name: self._checked(self._values[name], value, f"$.{name}")
            if name in self._values
            else value
            for name, value in given.items()
        }

    def result(self, value: Any) -> Any:
        """What the function returned, made plain as its annotation says.

        Raises what `refusal` makes.
        """
        returned = self._returned
        if returned.build is not None:
            return returned.build(value)
        if returned.schema is not None:
            self._check(returned.schema, value, "$", "output")
        return value

    def _checked(self, wanted: _Value, value: Any, path: str) -> Any:
        if wanted.schema is not None:
            self._check(wanted.schema, value, path, "input")
        if wanted.build is None:
            return value
        try:
            return built(wanted.build, value)
        except BuildError as error:
            raise self._refusal(_below(path, error.violation), "input") from error

    def _check(self, wanted: Schema, value: Any, path: str, direction: str) -> None:
        if not wanted.is_valid(value):
            found = wanted.violation(value)
            if found is not None:
                raise self._refusal(_below(path, found), direction)

    def _refused(self, rule: str, problem: str, given: Mapping[str, Any]) -> Exception:
        return self._refusal(violation_at((), rule, problem, given), "input")


def _below(path: str, found: Violation) -> Violation:
    return found._replace(path=f"{path}{found.path.removeprefix('$')}")


def _value(derived: Derived, where: str) -> _Value:
    anything = derived.schema is True
    return _Value(None if anything else schema(derived.schema, where), derived.build)


def _source(value: _Value) -> Source:
    return True if value.schema is None else value.schema.source


def _with_default(value: _Value, default: Callable[[], Any]) -> Source:
    """The schema of a parameter, with its default where that can be said in JSON and fits."""
    source = _source(value)
    try:
        said = default()
    except (SerializationError, DefinitionError):
        return source
    if isinstance(source, dict):
        fits = value.schema is None or value.schema.is_valid(said)
        return {**source, "default": said} if fits else source
    return {"default": said} if source else source


def _annotations(
    function: Callable[..., Any], names: Mapping[str, Any], where: str
) -> Mapping[str, Any]:
    """What the annotations of a function stand for. Raises DefinitionError."""
    return {
        name: resolve(each, function, names, f"the annotation of {name!r}", where)
        for name, each in getattr(underlying(function), "__annotations__", {}).items()
    }
