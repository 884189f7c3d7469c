"""A question as a handler asks it: what it says, what an answer has to be, and by when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from dagger.rules.derive import BuildError, Derived, built, derive
from dagger.rules.schema import Schema
from dagger.rules.schema import schema as compiled
from dagger.words.errors import ExecutionError
from dagger.words.payload import decode, encode

Guard = Callable[[Any], None]
"""Raises ValueError, saying why, for an answer that will not do."""


class _NoDefault:
    """Stands where no default was given: None may be one."""

    def __repr__(self) -> str:
        return "<none>"


NO_DEFAULT = _NoDefault()


class Asked(NamedTuple):
    """One question, ready to be put."""

    name: str
    prompt: bytes
    schema: Schema | None
    build: Callable[[Any], Any] | None
    """Makes of an answer what the handler wants."""
    guard: Guard | None
    to: str
    timeout: float | None
    """Seconds until it is overdue, infinity for never; None leaves it to the Config."""
    default: bytes
    """Encoded; empty for nothing."""

    def answer(self, value: bytes) -> Any:
        """An answer as the handler gets it."""
        plain = decode(value)
        return plain if self.build is None else built(self.build, plain)


def asked(
    node_id: str,
    name: str,
    prompt: Any,
    *,
    schema: Mapping[str, Any] | str | bool | None,
    type: Any,
    choices: Iterable[Any] | None,
    timeout: float | None,
    default: Any,
    validator: Callable[[Any], Any] | None,
    to: str,
) -> Asked:
    """A question of an invocation's. Raises ExecutionError, SchemaError, SerializationError."""
    where = f"question {name!r} of {node_id}"
    if sum(each is not None for each in (schema, type, choices)) > 1:
        raise ExecutionError(f"{where} takes one of schema=, type= and choices=")
    if timeout is not None and not timeout > 0:
        raise ExecutionError(f"{where}: timeout={timeout!r} is no number of seconds above 0")
    derived = derive(type, where) if type is not None else Derived(True, None)
    choices = None if choices is None else list(choices)
    if choices == []:
        raise ExecutionError(f"{where}: choices=[] leaves nothing to be said")
    source = {"enum": choices} if choices is not None else schema or derived.schema
    fits = None if source is True else compiled(source, where)
    made = Asked(
        name=name,
        prompt=encode(prompt, node_id),
        schema=fits,
        build=derived.build,
        guard=_guard(derived.build, validator),
        to=to,
        timeout=timeout,
        default=b"" if default is NO_DEFAULT else encode(default, node_id),
    )
    if made.default and (problem := refusal(fits, made.guard, decode(made.default))):
        raise ExecutionError(f"{where}: its default will not do: {problem}")
    return made


def refusal(schema: Schema | None, guard: Guard | None, value: Any) -> str:
    """Why an answer will not do; "" if it will."""
    if schema is not None and (found := schema.violation(value)) is not None:
        return f"{found.path}: {found.problem}"
    try:
        if guard is not None:
            guard(value)
    except Exception as error:  # the user's own, whatever it is
        return str(error) or type(error).__name__
    return ""


def _guard(
    build: Callable[[Any], Any] | None, validator: Callable[[Any], Any] | None
) -> Guard | None:
    if build is None and validator is None:
        return None

    def guard(value: Any) -> None:
        made = _built(build, value) if build is not None else value
        if validator is not None and validator(made) is False:
            raise ValueError("it is not accepted")

    return guard


def _built(build: Callable[[Any], Any], value: Any) -> Any:
    try:
        return built(build, value)
    except BuildError as error:
        raise ValueError(f"{error.violation.path}: {error.violation.problem}") from error
