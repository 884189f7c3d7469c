"""The two validators behind a schema, made to answer alike.

Both treat `format` as an annotation in every draft and fetch nothing. They are
given schemas that words.payload and the meta-schema have accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dagger.rules.violation import Fault, json_path, shown
from dagger.words.errors import SchemaError, shortened

Source = dict[str, Any] | bool
"""A JSON Schema as plain data."""


class Compiled(NamedTuple):
    """What a validator can be asked."""

    is_valid: Callable[[Any], bool]
    fault: Callable[[Any], Fault | None]
    """The first error of a value; finding all would take seconds where there are many."""


def compiled(source: Source, where: str) -> Compiled:
    """`source` in the fastest validator at hand. Raises SchemaError if it refuses it."""
    try:
        return with_jsonschema_rs(source, where)
    except ImportError:
        return with_jsonschema(source, where)


def with_jsonschema_rs(source: Source, where: str) -> Compiled:
    """`source` as native code: a fraction of a microsecond for a small value."""
    import jsonschema_rs

    try:
        validator = jsonschema_rs.validator_for(
            source, validate_formats=False, offline=True, mask="value"
        )
    except jsonschema_rs.ValidationError as error:
        problem = error.message.replace("value", shown(error.instance), 1)
        raise _invalid(json_path(error.instance_path), problem, where) from None
    except ValueError as error:
        raise SchemaError(f"the schema cannot be compiled: {error}", where) from None

    def fault(value: Any) -> Fault | None:
        try:
            validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return _native_fault(error)
        return None

    return Compiled(validator.is_valid, fault)


def with_jsonschema(source: Source, where: str) -> Compiled:
    """`source` in pure Python, a hundred times slower, for where no wheel exists."""
    from jsonschema import SchemaError as Invalid
    from jsonschema import validators
    from referencing import Registry

    draft: Any = validators.validator_for(source, default=validators.Draft202012Validator)
    try:
        draft.check_schema(source)  # its formats too: a "regex" must be one of Python's
    except Invalid as error:
        raise _invalid(error.json_path, error.message, where) from None
    validator = draft(source, registry=Registry())

    def is_valid(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except RecursionError:
            return False

    def fault(value: Any) -> Fault | None:
        try:
            return next(map(_python_fault, validator.iter_errors(value)), None)
        except RecursionError:
            return Fault((), "$ref", "value is nested too deep for this validator", list)

    return Compiled(is_valid, fault)


def _invalid(path: str, problem: str, where: str) -> SchemaError:
    """The error for a schema that breaks its meta-schema at `path`."""
    return SchemaError(f"the schema is not valid at {path}: {shortened(problem)}", where)


def _native_fault(error: Any) -> Fault:
    return Fault(
        tuple(error.instance_path),
        error.kind.name,
        error.message,
        lambda: [[*map(_native_fault, branch)] for branch in getattr(error.kind, "context", ())],
    )


def _python_fault(error: Any) -> Fault:
    problem = error.message.replace(repr(error.instance), "value", 1)
    path = tuple(error.absolute_path)
    return Fault(path, error.validator or "falseSchema", problem, lambda: _branches(error.context))


def _branches(context: Iterable[Any]) -> list[list[Fault]]:
    """The errors of a failed anyOf or oneOf by alternative, whose index leads their path."""
    branches: dict[Any, list[Fault]] = {}
    for error in context:
        index = error.schema_path[0] if error.schema_path else error  # alternative `false`
        branches.setdefault(index, []).append(_python_fault(error))
    return [*branches.values()]
