"""What the expressions of a flow refer to, and where.

Every text of a step is looked through once. What it refers to decides what the step needs, and is
what `checking` looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.flows.model import Flow, Rescue, Step
from dagger.flows.tree import Found, Path

if TYPE_CHECKING:
    from dagger.rules.expressions import Template

OPENING = "${{"
"""What every expression begins with."""


class Reference(NamedTuple):
    """A name in an expression: `parts` as written, such as ("steps", "fetch", "output")."""

    path: Path
    """Of the text in the document,"""
    offsets: tuple[int, ...]
    """and where in it each part stands."""
    parts: tuple[str | int, ...]


class Texts(NamedTuple):
    """What the expressions of one field refer to: `field` is such as "with" or "output"."""

    field: str
    references: tuple[Reference, ...]
    broken: tuple[Found, ...] = ()
    """Expressions that are none."""
    constant: bool = True
    """Whether it is the same each time."""


class Work(NamedTuple):
    """A step or rescue step: where it stands, and what its fields refer to."""

    step: Step | Rescue
    path: Path
    owner: Step | None
    """The step that it rescues, if it does."""
    before: tuple[str, ...]
    """The rescue steps before it."""
    texts: tuple[Texts, ...]


def work_of(flow: Flow) -> Iterator[Work]:
    """Every step, and behind it its rescue steps."""
    for number, step in enumerate(flow.steps):
        path: Path = ("steps", number)
        yield Work(step, path, None, (), tuple(_texts(step, path)))
        for at, rescue in enumerate(step.rescue):
            inner, before = (*path, "rescue", at), tuple(each.id for each in step.rescue[:at])
            yield Work(rescue, inner, step, before, tuple(_texts(rescue, inner)))


def needs_of(flow: Flow) -> tuple[tuple[str, ...], ...]:
    """For each step the steps that it needs: as written, then as its expressions say.

    Names of no step are left out, and so is the step itself; what its rescue steps and its
    compensation refer to, it needs.
    """
    known = {each.id for each in flow.steps}
    found: list[dict[str, None]] = []
    for work in work_of(flow):
        if work.owner is None:
            assert isinstance(work.step, Step)
            found.append(dict.fromkeys(work.step.needs))
        found[-1].update(dict.fromkeys(_steps(work.texts)))
    return tuple(
        tuple(name for name in needs if name in known and name != step.id)
        for step, needs in zip(flow.steps, found, strict=True)
    )


def used_by(flow: Flow) -> list[str]:
    """What the steps of a flow use, and what undoes them; each once."""
    found: dict[str, None] = {}
    for each in flow.all_steps():
        found[each.uses] = None
        if each.compensate is not None:
            found[each.compensate.uses] = None
    return [*found]


def _steps(texts: Iterable[Texts]) -> Iterator[str]:
    for each in texts:
        for reference in each.references:
            if reference.parts[0] == "steps" and len(reference.parts) > 1:
                yield str(reference.parts[1])


def texts_of(field: str, value: Any, path: Path) -> Texts:
    """What the texts within a value refer to."""
    return _read(field, _strings(value, path), _compiled)


def _texts(step: Step | Rescue, path: Path) -> Iterator[Texts]:
    if isinstance(step, Step) and isinstance(step.foreach, (str, list)):
        yield texts_of("foreach", step.foreach, (*path, "foreach"))
    if isinstance(step.when, str):
        yield _read("when", [((*path, "when"), step.when)], _condition)
    if step.with_:
        yield texts_of("with", step.with_, (*path, "with"))
    if step.idempotency_key is not None:
        yield texts_of("idempotency_key", step.idempotency_key, (*path, "idempotency_key"))
    if step.compensate is not None:
        yield texts_of("compensate", step.compensate.with_, (*path, "compensate", "with"))


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The texts with expressions within a value, and where they stand; keys as mappings."""
    if isinstance(value, str):
        if OPENING in value:
            yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if OPENING in key:
                yield (*path, key), {key: None}
            yield from _strings(each, (*path, key))
    elif isinstance(value, (list, tuple)):
        for number, each in enumerate(value):
            yield from _strings(each, (*path, number))


def _read(
    field: str, found: Iterable[tuple[Path, Any]], compiled: Callable[[Any], Template]
) -> Texts:
    from dagger.words.errors import ExpressionError

    references: list[Reference] = []
    broken: list[Found] = []
    constant = True
    for path, text in found:
        try:
            template = compiled(text)
        except ExpressionError as error:
            is_key = isinstance(text, Mapping)
            offset = None if is_key else error.offset
            broken.append(Found(path, error.problem, offset, key=is_key))
            constant = False
            continue
        constant = constant and template.constant
        references += [Reference(path, each.offsets, each.path) for each in template.references]
    return Texts(field, tuple(references), tuple(broken), constant)


def _compiled(value: Any) -> Template:
    from dagger.rules.expressions import compiled

    return compiled(value)


def _condition(text: str) -> Template:
    from dagger.rules.expressions import condition

    return condition(text)
