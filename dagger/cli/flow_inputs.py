"""--input of commands about flows: a mapping, or one input by its name, as often as wanted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.cli.exits import Refused
from dagger.cli.payloads import read_payload, read_text
from dagger.flows.running.inputs import cannot_be_kept, check_inputs
from dagger.words.errors import ValidationError

if TYPE_CHECKING:
    from dagger.flows.running.program import Program

OPTION = "--input"


class Inputs(NamedTuple):
    """What was given."""

    values: dict[str, Any]
    exposed: tuple[str, ...]
    """Secret ones that stand on the command line."""


def inputs_of(program: Program, given: Sequence[str]) -> Inputs:
    """The inputs of a flow, not checked; the last of a name counts. Raises Refused."""
    values: dict[str, Any] = {}
    exposed: list[str] = []
    for each in given:
        found = dict(_read(program, each))
        values |= found
        if not _is_elsewhere(each):
            exposed += program.secret & found.keys()
    return Inputs(values, tuple(sorted({*exposed})))


def checked_inputs(program: Program, given: Sequence[str]) -> Inputs:
    """Those of a run that begins here. Raises Refused."""
    found = inputs_of(program, given)
    for name in sorted(program.secret - program.defaults.keys() - found.values.keys()):
        if name not in os.environ:
            ways = f"set the environment variable {name}, or give {OPTION} {name}=@FILE"
            raise Refused(f"the secret input {name!r} is missing; {ways}")
    _check(program, found.values)
    return found


def kept_inputs(program: Program, said: Mapping[str, Any], given: Sequence[str]) -> dict[str, Any]:
    """Those that a schedule keeps: what the file says, and what is given besides.

    Raises Refused, ValidationError.
    """
    values = {**said, **inputs_of(program, given).values}
    secret = program.secret & values.keys()
    if secret:
        raise cannot_be_kept(program, min(secret))
    _check(program, values)
    return values


def _check(program: Program, values: Mapping[str, Any]) -> None:
    """Raise Refused for inputs that are not what the flow says."""
    try:
        check_inputs(program, values, absent=program.secret)
    except ValidationError as error:
        at = error.path.removeprefix("$").removeprefix(".")
        name = at.partition(".")[0].partition("[")[0]
        where = f" at {at}" if name in program.flow.inputs else ""
        raise Refused(
            f"the inputs of flow {program.flow.name!r}: {error.problem}{where}"
        ) from error


def _read(program: Program, given: str) -> Iterator[tuple[str, Any]]:
    """By name, what one --input says."""
    if given == "-" or given.startswith("@") or given.lstrip().startswith("{"):
        mapping = read_payload(given, OPTION)
        if not isinstance(mapping, dict):
            raise Refused(f"{OPTION} {given} is no mapping; the inputs of a flow are one, by name")
        yield from mapping.items()
        return
    name, equals, text = given.partition("=")
    if not equals:
        ways = "write name=value, a JSON mapping, @file or - (stdin)"
        raise Refused(f"{OPTION} {given!r} names no input; {ways}")
    yield name, _value(program, name, text)


def _is_elsewhere(given: str) -> bool:
    """Whether the command line only says where something is: in a file, or on stdin."""
    value = given if given.lstrip().startswith(("{", "@")) else given.partition("=")[2] or given
    return value == "-" or value.startswith("@")


def _value(program: Program, name: str, given: str) -> Any:
    """JSON if it is that, unless the input is a text."""
    text = read_text(given, f"{OPTION} {name}=")
    text = text.removesuffix("\n").removesuffix("\r") if text is not given else text
    if _is_text(program, name):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_text(program: Program, name: str) -> bool:
    schema = program.flow.inputs.get(name)
    said = schema.get("type") if isinstance(schema, Mapping) else None
    return said == "string" or (said is None and name in program.secret)
