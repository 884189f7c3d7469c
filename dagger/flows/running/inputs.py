"""The inputs of a run: checked when it begins, and with defaults for what is not given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dagger.flows.names import is_required
from dagger.flows.running.program import Program
from dagger.rules.nearest import meant
from dagger.rules.violation import Violation
from dagger.words.errors import ValidationError
from dagger.words.secrets import MASK


def check_inputs(program: Program, given: Any, *, absent: Collection[str] = ()) -> None:
    """Raise ValidationError for inputs that are not what the flow says.

    Those in `absent` need not be there.
    """
    if not isinstance(given, Mapping):
        value = MASK if program.secret else given
        raise _refused(program, "$", "type", "the inputs of a flow are a mapping", value)
    for name in given:
        if name not in program.flow.inputs:
            problem = f"the flow has no input {name!r}{meant(name, program.flow.inputs)}"
            value = MASK if program.secret else given[name]  # it may be one whose name is misspelt
            raise _refused(program, f"$.{name}", "additionalProperties", problem, value)
    for name, source in program.flow.inputs.items():
        if name in given:
            _check(program, name, given[name])
        elif is_required(source) and name not in absent:
            raise is_missing(program, name, given)


def is_missing(program: Program, name: str, given: Mapping[str, Any]) -> ValidationError:
    """The error for an input that is not given."""
    return _refused(program, "$", "required", f"the input {name!r} is missing", sorted(given))


def cannot_be_kept(program: Program, name: str) -> ValidationError:
    """The error for a secret input of runs that begin later."""
    problem = (
        f"the input {name!r} is secret, and a schedule keeps what it gives; set the environment "
        f"variable {name} where its runs are carried out"
    )
    return _refused(program, f"$.{name}", "secret", problem, MASK)


def _check(program: Program, name: str, value: Any) -> None:
    if name in program.secret and isinstance(value, int | float):
        problem = f"the input {name!r} is secret, and only texts can be hidden; give it as a text"
        raise _refused(program, f"$.{name}", "secret", problem, MASK)
    violation: Violation | None = program.schemas[name].violation(value)
    if violation is None:
        return
    if name in program.secret:
        problem = f"the secret input {name!r} does not fit its schema"
        raise _refused(program, f"$.{name}", violation.rule, problem, MASK)
    path = f"$.{name}{violation.path.removeprefix('$')}"
    raise _refused(program, path, violation.rule, violation.problem, violation.value)


def _refused(program: Program, path: str, rule: str, problem: str, value: Any) -> ValidationError:
    name = program.flow.name
    shown = value if isinstance(value, str) else repr(value)
    return ValidationError(
        path, rule, problem, shown, agent=name, channel=program.channel, direction="input"
    )
