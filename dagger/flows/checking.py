"""What is wrong with a flow beyond its grammar: names that mean nothing, values that cannot be.

The grammar says what stands where; here it is asked whether it makes sense. Everything is found
at once, and each finding knows its path in the document, so that the loader can say the line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache, lru_cache, partial
from types import MappingProxyType
from typing import Any

from dagger.flows.cycles import circles
from dagger.flows.expanding import too_large
from dagger.flows.filling import attributed, filled_alone, keyed
from dagger.flows.flow import Flow
from dagger.flows.grammar import built_ins
from dagger.flows.model import Compensation, OnError, Rescue, Step
from dagger.flows.names import OWN, Arguments, Names, is_own, is_required, wanted_by
from dagger.flows.references import Work, needs_of, texts_of, work_of
from dagger.flows.scopes import Known, is_secret, misread, secrets_of
from dagger.rules.documents.structure import shown
from dagger.rules.documents.tree import Found, Path
from dagger.rules.expressions.tokens import OPEN
from dagger.rules.moments import A_MOMENT, moment
from dagger.rules.nearest import meant
from dagger.rules.recurrence import recurrence
from dagger.rules.retry import strategy
from dagger.rules.schema import Schema, schema
from dagger.rules.zones import zone
from dagger.words.errors import ConfigError, ScheduleError, SchemaError

LINKS_SHOWN = 8
"""Steps of a circle that are told."""


def errors_of(
    flow: Flow, names: Names | None = None, unread: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Found]:
    """All that keeps a flow from being run, in no order.

    `unread` says why files that its steps use are not among its sub-flows. With `names`, what is
    said of the step functions that it uses is checked with it. What the grammar refuses is not
    looked at again: it is empty here.
    """
    as_run = flow if names is None else filled_alone(flow, names.functions)
    for each in _errors(as_run, flow, names, unread):
        yield attributed(each, flow)


def _errors(
    flow: Flow, written: Flow, names: Names | None, unread: Mapping[str, str]
) -> Iterator[Found]:
    work, known = [*work_of(flow)], Known.of(flow)
    wanted = cache(partial(wanted_by, flow=flow, names=names))
    hidden = {uses: secrets_of(each) for uses, each in flow.subflows.items()}
    yield from _ids(work)
    yield from _needs(flow)
    yield from _circles(flow, work, written)
    for each in work:
        yield from _expressions(each, known)
        yield from _uses(flow, each, names, unread)
        yield from _given(each, wanted)
        yield from _policies(each.step, each.path)
        yield from _waits(each)
        yield from _moments(each)
        yield from _own_channels(flow, each)
        yield from _reuse(each)
        yield from _without_meaning(flow, each)
        yield from _secrets(flow, each, known, hidden)
    yield from _combinations(flow)
    yield from _policies(flow.defaults, ("defaults",))
    yield from _inputs(flow)
    yield from misread(texts_of("output", flow.output, ("output",)), known)
    yield from _schedule(flow, known)
    yield from too_large(flow)


# -- names ----------------------------------------------------------------------------


def _ids(work: Iterable[Work]) -> Iterator[Found]:
    seen: dict[str, Path] = {}
    for each in work:
        name = each.step.id
        if name and name in seen:
            where = _place_of(seen[name])
            yield Found((*each.path, "id"), f"the id {name!r} is taken, by {where}")
        seen.setdefault(name, each.path)


def _place_of(path: Path) -> str:
    """A step by its number, as its name is the very question."""
    number = f"step {int(path[1]) + 1}"
    return number if len(path) == 2 else f"a rescue step of {number}"


def _needs(flow: Flow) -> Iterator[Found]:
    known = dict.fromkeys(each.id for each in flow.steps if each.id)
    rescued_by = {each.id: step.id for step in flow.steps for each in step.rescue}
    for number, step in enumerate(flow.steps):
        counts = Counter(step.needs)
        for at, name in enumerate(step.needs):
            path = ("steps", number, "needs", at)
            if name == step.id and name:
                yield Found(path, f"step {name!r} needs itself")
            elif name in rescued_by and name not in known:
                problem = f"{name!r} is a rescue step of {rescued_by[name]!r}; need that one"
                yield Found(path, problem)
            elif name and name not in known:
                yield Found(path, f"unknown step {name!r} in needs{meant(name, known)}")
            elif counts[name] > 1 and step.needs.index(name) < at and name:
                yield Found(path, f"{name!r} is in needs twice")


def _circles(flow: Flow, work: list[Work], written: Flow) -> Iterator[Found]:
    found = circles(needs_by_id(flow, work))
    if not found:
        return
    steps = {each.id: number for number, each in reversed([*enumerate(flow.steps)])}
    as_written = needs_by_id(written, [*work_of(written)])
    for circle in found:
        pairs = []
        for name, need in zip(circle, [*circle[1:], circle[0]], strict=True):
            said = f"{name!r} needs {need!r}"
            if need not in as_written[name]:  # no line of the document would tell why
                said += f" {keyed(flow.steps[steps[name]], written.steps[steps[name]], need)}"
            pairs.append(said)
        if len(pairs) > LINKS_SHOWN:
            pairs[LINKS_SHOWN - 1 : -1] = [f"... {len(pairs) - LINKS_SHOWN} more ..."]
        problem = f"steps wait for each other: {', '.join(pairs)}"
        yield Found(("steps", steps[circle[0]]), problem)


def needs_by_id(flow: Flow, work: list[Work]) -> dict[str, tuple[str, ...]]:
    """What each step needs."""
    ids = [each.id for each in flow.steps]
    return dict(zip(ids, needs_of(flow, frozenset(ids), work), strict=True))


def _expressions(work: Work, known: Known) -> Iterator[Found]:
    for each in work.texts:
        yield from misread(each, known, work)


# -- what steps use -------------------------------------------------------------------


def _uses(
    flow: Flow, work: Work, names: Names | None, unread: Mapping[str, str]
) -> Iterator[Found]:
    for part, path in parts_of(work):
        here = (*path, "uses")
        if problem := _unusable(part.uses, flow, unread):
            yield Found(here, problem)
        elif names is not None and not _known(part.uses, names):
            hint = meant(part.uses, [*names.known(), *built_ins()])
            problem = f"unknown agent or step function {part.uses!r}{hint}"
            yield Found(here, problem, unknown=part.uses)


def parts_of(work: Work) -> Iterator[tuple[Step | Rescue | Compensation, Path]]:
    """A step, and what undoes it."""
    yield work.step, work.path
    if work.step.compensate is not None:
        yield work.step.compensate, (*work.path, "compensate")


def _unusable(uses: str, flow: Flow, unread: Mapping[str, str]) -> str | None:
    """Why there is no flow of that name, if it is the name of one; None if there is."""
    if not uses.startswith("./") or uses in flow.subflows:
        return None
    return unread.get(uses, f"there is no flow {uses!r}")


def _known(uses: str, names: Names) -> bool:
    """Whether there is something of that name; an empty one is for the grammar."""
    return not uses or uses in built_ins() or uses.startswith("./") or uses in names


def _given(work: Work, wanted: Callable[[str], Arguments | None]) -> Iterator[Found]:
    """Whether each gets what it takes."""
    for part, path in parts_of(work):
        arguments = wanted(part.uses)
        if arguments is not None:
            yield from _arguments(part.uses, part.with_, arguments, path)


def _arguments(
    uses: str, given: Mapping[str, Any], wanted: Arguments, path: Path
) -> Iterator[Found]:
    known = dict.fromkeys([*wanted.required, *wanted.optional])
    for name, value in given.items():
        if name not in known and not wanted.open:
            hint = meant(name, known)
            problem = f"{uses!r} takes no {wanted.noun} {name!r}{hint}"
            yield Found((*path, "with", name), problem, key=True)
        elif name in wanted.schemas and OPEN not in str(value):
            said = f"{wanted.noun} {name!r} of {uses!r}"
            yield from _misfit(value, wanted.schemas[name], said, (*path, "with", name))
    for name in wanted.required:
        if name not in given:
            yield Found((*path, "uses"), f"{uses!r} must be given the {wanted.noun} {name!r}")


def _waits(work: Work) -> Iterator[Found]:
    """What is waited for has to be known before anything runs: somebody listens to it."""
    for part, path in parts_of(work):
        channel = part.with_.get("channel", "")
        if part.uses == "wait_for" and OPEN in str(channel):
            problem = "the channel of wait_for is written down as it is, and is no expression"
            yield Found((*path, "with", "channel"), problem)


def _moments(work: Work) -> Iterator[Found]:
    """The moments that `sleep` is given as they are."""
    for part, path in parts_of(work):
        until = part.with_.get("until", "")
        if part.uses != "sleep" or not isinstance(until, str) or not until or OPEN in until:
            continue
        if moment(until) is None:
            problem = f"until must be {A_MOMENT}, not {shown(until)}"
            yield Found((*path, "with", "until"), problem)


def _own_channels(flow: Flow, work: Work) -> Iterator[Found]:
    """Where `publish` would speak to the flow itself, as far as that is written down."""
    for part, path in parts_of(work):
        channel = part.with_.get("channel", "")
        if part.uses == "publish" and is_own(str(channel), flow.name):
            yield Found((*path, "with", "channel"), f"{channel!r} {OWN}")


def _reuse(work: Work) -> Iterator[Found]:
    """What others use again cannot be undone."""
    if work.step.cache is not None and work.step.compensate is not None:
        problem = "what is undone cannot be used again by others; leave out cache or compensate"
        yield Found((*work.path, "cache"), problem)


_OF_FLOWS = {
    "cache": "what a flow gives cannot be used again; write cache at its steps",
    "resources": "a flow takes no resources itself; write them at its steps",
}
_OF_WAITING = {
    "cache": "what wait_for gives cannot be used again; leave out cache",
    "resources": "wait_for takes nothing while it waits; leave out resources",
    "retry": "wait_for is not tried again: it waits as long as its timeout says; leave out retry",
}
"""Why a policy means nothing for what has it."""


def _without_meaning(flow: Flow, work: Work) -> Iterator[Found]:
    """Policies that mean nothing for what has them."""
    for part, path in parts_of(work):
        waits = _OF_WAITING if part.uses == "wait_for" else {}
        problems = _OF_FLOWS if part.uses in flow.subflows else waits
        for name, problem in problems.items():
            if getattr(part, name, None) is not None:
                yield Found((*path, name), problem)


def _secrets(
    flow: Flow, work: Work, known: Known, hidden: Mapping[str, Collection[str]]
) -> Iterator[Found]:
    """Where a secret would be written down by what gets it; `hidden` are the secret inputs of the
    flows within.
    """
    for part, path in parts_of(work):
        leading = [
            each
            for each in texts_of("with", part.with_, (*path, "with")).references
            if is_secret(each.parts, known.secrets)
        ]
        if leading and isinstance(part, (Step, Rescue)) and part.cache is not None:
            problem = "what is cached is known by what it was given, and that has a secret in it"
            yield Found((*path, "cache"), problem)
        if part.uses == "wait_for":
            problem = "a secret may not stand here: what wait_for waits for is kept and shown"
            yield from (Found(each.path, problem, each.offsets[0]) for each in leading)
        inner = flow.subflows.get(part.uses)
        if inner is None:
            continue
        for each in leading:
            name = str(each.path[len(path) + 1])
            if name in inner.inputs and name not in hidden[part.uses]:
                problem = f"the input {name!r} of {part.uses!r} is not secret, and gets a secret"
                yield Found(each.path, problem, each.offsets[0])


# -- values ---------------------------------------------------------------------------


def _policies(part: Any, path: Path) -> Iterator[Found]:
    """Strategies for retries, wherever they stand."""
    if part.retry is not None and (wrong := _wrong_strategy(json.dumps(part.retry))):
        option, problem = wrong
        inner = (*path, "retry", option) if option else (*path, "retry")
        yield Found(inner, f"{f'{option!r} of retry' if option else 'retry'}: {problem}")
    if getattr(part, "compensate", None) is not None:
        yield from _policies(part.compensate, (*path, "compensate"))


@lru_cache(maxsize=64)
def _wrong_strategy(retry: str) -> tuple[str, str] | None:
    """The option of a strategy, given as JSON, that is wrong, and why; None if none is."""
    try:
        strategy(json.loads(retry))
    except ConfigError as error:
        return error.key.removeprefix("retry").removeprefix("."), error.problem
    return None


def _combinations(flow: Flow) -> Iterator[Found]:
    for number, step in enumerate(flow.steps):
        path = ("steps", number)
        if step.max_parallel is not None and step.foreach is None:
            yield Found((*path, "max_parallel"), "max_parallel is for steps with foreach")
        leaves_out = step.foreach is not None and flow.said(step, "on_error") is OnError.SKIP
        if step.rescue and leaves_out:
            problem = (
                "rescue would never run: with foreach and on_error: skip, "
                "items that fail are left out"
            )
            yield Found((*path, "rescue"), problem)


def _inputs(flow: Flow) -> Iterator[Found]:
    for name, source in flow.inputs.items():
        path = ("inputs", name)
        made = _schema(source)
        if isinstance(made, str):
            yield Found(path, f"input {name!r}: {made}")
        elif isinstance(source, Mapping) and "default" in source:
            violation = made.violation(source["default"])
            if violation is not None:
                problem = f"the default of input {name!r} does not fit its schema"
                yield Found((*path, "default"), f"{problem}: {violation.problem}")
        if isinstance(source, Mapping) and source.get("secret") is True:
            yield from _secret_input(name, source)


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _secret_input(name: str, source: Mapping[str, Any]) -> Iterator[Found]:
    """What cannot be hidden of a secret input."""
    said = source.get("type")
    if any(each in ("integer", "number", "boolean") for each in _list_of(said)):
        problem = f"the input {name!r} is secret, and only texts can be hidden; write type: string"
        yield Found(("inputs", name, "type"), problem)
    if source.get("default") not in (None, ""):
        problem = f"the input {name!r} is secret, and a default is kept and shown"
        hint = f"without one it is the environment variable {name}"
        yield Found(("inputs", name, "default"), f"{problem}; {hint}")


def _misfit(value: Any, wanted: Schema, name: str, path: Path) -> Iterator[Found]:
    """That a value is none for what has a name, if it is none."""
    violation = wanted.violation(value)
    if violation is not None:
        yield Found(path, f"{shown(value)} does not fit {name}: {violation.problem}")


def _schema(source: Any) -> Schema | str:
    """The schema of an input, compiled, or why it is none."""
    try:
        return schema(source, "input")
    except SchemaError as error:
        return error.problem


def _schedule(flow: Flow, known: Known) -> Iterator[Found]:
    schedule = flow.schedule
    if schedule is None:
        return
    timezone = schedule.timezone
    try:
        zone(timezone)
    except ScheduleError as error:
        yield Found(("schedule", "timezone"), f"schedule: {error.problem}")
        timezone = "UTC"
    try:
        recurrence(schedule.when or "every 1d", timezone=timezone)
    except ScheduleError as error:
        yield Found(("schedule", "when"), f"schedule: {error.problem}")
    yield from _scheduled_inputs(flow, schedule.inputs, known.secrets)


def _scheduled_inputs(
    flow: Flow, given: Mapping[str, Any], secrets: Collection[str]
) -> Iterator[Found]:
    path = ("schedule", "inputs")
    for name, value in given.items():
        inner = (*path, name)
        if name not in flow.inputs:
            problem = f"the flow has no input {name!r}{meant(name, flow.inputs)}"
            yield Found(inner, problem, key=True)
        elif OPEN in str(value):
            yield Found(inner, "a schedule gives values, and no expressions")
        elif name in secrets:
            problem = f"the input {name!r} is secret, and a schedule is kept and shown"
            yield Found(inner, f"{problem}; set the environment variable {name} instead")
        else:
            made = _schema(flow.inputs[name])
            if not isinstance(made, str):
                yield from _misfit(value, made, f"input {name!r}", inner)
    for name, source in flow.inputs.items():
        if is_required(source) and name not in given and name not in secrets:
            problem = f"the schedule gives no {name!r}, which has no default"
            yield Found(("schedule",), problem)
