"""Steps made in Python, of what `Flow.step` is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
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
        needs = found["needs"]
        found["needs"] = (needs,) if isinstance(needs, str) else tuple(needs)
    if found.get("on_error") is not None:
        found["on_error"] = _on_error(found["on_error"], where)
    if "rescue" in found:
        found["rescue"] = tuple(_rescue(each, name_of, where) for each in found["rescue"])
    if found.get("compensate") is not None:
        found["compensate"] = _compensation(found["compensate"], name_of, where)
    return found


def _rescue(given: Any, name_of: _NameOf, where: str) -> Rescue:
    if isinstance(given, Rescue):
        return given
    said = _fields(given, name_of)
    if said.get("compensate") is not None:
        said["compensate"] = _compensation(said["compensate"], name_of, where)
    made: Rescue = _made(Rescue, said, where)
    return made


def _compensation(given: Any, name_of: _NameOf, where: str) -> Compensation:
    if isinstance(given, Compensation):
        return given
    if isinstance(given, Mapping):
        made: Compensation = _made(Compensation, _fields(given, name_of), where)
        return made
    return Compensation(name_of(given))


def _fields(given: Mapping[str, Any], name_of: _NameOf) -> dict[str, Any]:
    said = {"with_" if name == "with" else name: each for name, each in given.items()}
    if "uses" in said:
        said["uses"] = name_of(said["uses"])
    return said


def _made(kind: Any, said: Mapping[str, Any], where: str) -> Any:
    try:
        return kind(**said)
    except TypeError as error:
        problem = str(error).partition("() ")[2]
        raise DefinitionError(f"{kind.__name__.lower()}: it {problem}", where) from None


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
