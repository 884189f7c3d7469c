"""Steps made in Python, of what `Flow.step` is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

from dagger.authoring.agent import Agent
from dagger.authoring.options import check_options
from dagger.flows.functions import StepFunction
from dagger.flows.model import Compensation, OnError, Rescue, Step
from dagger.words.errors import DefinitionError

Used = str | StepFunction | Agent
"""What a step may use, beside a flow: something by its name, or the thing itself."""

FileOf = Callable[[object], str | None]
"""What stands in a document for a flow; None for what is no flow."""

_NameOf = Callable[[Any], str]

_OPTIONS = tuple(each.name for each in fields(Step) if each.name not in ("id", "uses"))


def step_of(id: str, uses: object, options: Mapping[str, Any], file_of: FileOf, where: str) -> Step:
    """The step that some options say. Raises DefinitionError, naming `where`."""
    check_options(options, _OPTIONS, "a step", where)
    name_of = partial(_name_of, file_of=file_of, where=where)
    return Step(id, name_of(uses), **_values(options, name_of, where))


def _values(options: Mapping[str, Any], name_of: _NameOf, where: str) -> dict[str, Any]:
    """The options as a Step holds them."""
    found = dict(options)
    if "needs" in found:
        found["needs"] = _needs(found["needs"], where)
    if found.get("on_error") is not None:
        found["on_error"] = _on_error(found["on_error"], where)
    if "rescue" in found:
        found["rescue"] = _all_rescue(found["rescue"], name_of, where)
    if found.get("compensate") is not None:
        found["compensate"] = _compensation(found["compensate"], name_of, where)
    return found


def _needs(given: object, where: str) -> tuple[str, ...]:
    needs = [given] if isinstance(given, str) else given
    if not isinstance(needs, Iterable) or not all(isinstance(each, str) for each in needs):
        raise DefinitionError(f"needs must be the id of a step, or several, not {given!r}", where)
    return tuple(needs)


def _all_rescue(given: object, name_of: _NameOf, where: str) -> tuple[Rescue, ...]:
    if not isinstance(given, Iterable) or isinstance(given, str | Mapping):
        raise DefinitionError(f"rescue must be a list of steps, not {given!r}", where)
    return tuple(_rescue(each, name_of, where) for each in given)


def _rescue(given: object, name_of: _NameOf, where: str) -> Rescue:
    if isinstance(given, Rescue):
        return given
    if not isinstance(given, Mapping):
        problem = f"a rescue step must be a mapping or Rescue(...), not {given!r}"
        raise DefinitionError(problem, where)
    said = _fields(Rescue, given, name_of, "a rescue step", where)
    if said.get("compensate") is not None:
        said["compensate"] = _compensation(said["compensate"], name_of, where)
    return Rescue(**said)


def _compensation(given: object, name_of: _NameOf, where: str) -> Compensation:
    if isinstance(given, Compensation):
        return given
    if isinstance(given, Mapping):
        return Compensation(**_fields(Compensation, given, name_of, "a compensation", where))
    return Compensation(name_of(given))


def _fields(
    kind: type[Rescue | Compensation],
    given: Mapping[Any, Any],
    name_of: _NameOf,
    called: str,
    where: str,
) -> dict[str, Any]:
    """What a mapping says, by the fields of its kind."""
    said = {"with_" if name == "with" else str(name): each for name, each in given.items()}
    known = fields(kind)
    check_options(said, [each.name for each in known], called, where)
    for each in known:
        required = each.default is MISSING and each.default_factory is MISSING
        if required and each.name not in said:
            raise DefinitionError(f"{called} lacks {each.name!r}", where)
    return {**said, "uses": name_of(said["uses"])}


def _name_of(uses: Any, file_of: FileOf, where: str) -> str:
    if isinstance(uses, str):
        return uses
    if isinstance(uses, StepFunction | Agent):
        return uses.name
    file = file_of(uses)
    if file is None:
        problem = "a step uses a name, a function decorated with @step, an agent or a flow"
        raise DefinitionError(f"{problem}, not {uses!r}", where)
    return file


def _on_error(value: Any, where: str) -> OnError:
    try:
        return OnError(value)
    except ValueError:
        known = ", ".join(map(repr, map(str, OnError)))
        raise DefinitionError(f"on_error must be one of {known}, not {value!r}", where) from None
