"""What the expressions of a flow refer to, and where.

Every text of a step is looked through once. What it refers to decides what the step needs, and is
what `checking` looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from dagger.flows.flow import Flow
from dagger.flows.model import Rescue, Step
from dagger.rules.documents.tree import Found, Path
from dagger.rules.expressions import Template, compiled, condition
from dagger.rules.expressions.tokens import OPEN
from dagger.words.errors import ExpressionError

TEXTS_KEPT = 4096
"""Texts whose references are remembered: a flow is looked through when it is loaded, and when it
is run.
"""


class Reference(NamedTuple):
    """A name in an expression: `parts` as written, such as ("steps", "fetch", "output")."""

    path: Path
    """Of the text in the document."""
    offsets: tuple[int, ...]
    """Where in the text each part stands."""
    parts: tuple[str | int, ...]


class Texts(NamedTuple):
    """What the expressions of one field refer to: `field` is such as "with" or "output"."""

    field: str
    references: tuple[Reference, ...]
    broken: tuple[Found, ...] = ()
    """Expressions that are none."""

    @property
    def constant(self) -> bool:
        """Whether it is the same each time."""
        return not self.references and not self.broken


class Work(NamedTuple):
    """A step or rescue step: where it stands, and what its fields refer to."""

    step: Step | Rescue
    path: Path
    owner: Step | None
    """The step that it rescues, if it does."""
    place: int
    """Of a rescue step, its place among those that rescue the same step."""
    rescue: Mapping[str, int]
    """The places of all of these, by id."""
    texts: tuple[Texts, ...]

    def comes_after(self, name: str) -> bool:
        """Whether it is a rescue step behind another one, of this name, of the same step."""
        return self.rescue.get(name, self.place) < self.place


_NOBODY: Mapping[str, int] = MappingProxyType({})


def work_of(flow: Flow) -> Iterator[Work]:
    """Every step, and behind it its rescue steps."""
    for number, step in enumerate(flow.steps):
        path: Path = ("steps", number)
        yield Work(step, path, None, 0, _NOBODY, tuple(_texts(step, path)))
        # Of two that have one id the first counts.
        places = {each.id: at for at, each in reversed([*enumerate(step.rescue)])}
        for at, rescue in enumerate(step.rescue):
            inner = (*path, "rescue", at)
            yield Work(rescue, inner, step, at, places, tuple(_texts(rescue, inner)))


def needs_of(
    flow: Flow, known: Container[str], work: Collection[Work] | None = None
) -> Iterator[tuple[str, ...]]:
    """For each step the steps that it needs: as written, then as its expressions say.

    Of these are only `known` names, and not the step itself. What its rescue steps and its
    compensation refer to, it needs. `work` is that of the flow, if it is there already.
    """
    referred = map(_referred_to, flow.steps) if work is None else _referred_in(work)
    for step, names in zip(flow.steps, referred, strict=True):
        needs = tuple(dict.fromkeys([*step.needs, *names]))
        yield tuple(name for name in needs if name in known and name != step.id)


def _referred_to(step: Step) -> list[str]:
    """The steps that a step refers to."""
    parts: list[Step | Rescue] = [step, *step.rescue]
    return [name for each in parts for name in _steps(_texts(each, ()))]


def _referred_in(work: Collection[Work]) -> Iterator[list[str]]:
    """The same for each step of a flow."""
    names: list[str] = []
    for each in work:
        if isinstance(each.step, Step) and each.path[1]:
            yield names
            names = []
        names += _steps(each.texts)
    if work:
        yield names


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
    return _read(field, _strings(value, path), in_text)


def _texts(step: Step | Rescue, path: Path) -> Iterator[Texts]:
    if isinstance(step, Step) and isinstance(step.foreach, (str, list)):
        yield texts_of("foreach", step.foreach, (*path, "foreach"))
    if isinstance(step.when, str):
        yield _read("when", [((*path, "when"), step.when)], in_condition)
    if step.with_:
        yield texts_of("with", step.with_, (*path, "with"))
    if step.idempotency_key is not None:
        yield texts_of("idempotency_key", step.idempotency_key, (*path, "idempotency_key"))
    if step.compensate is not None:
        yield texts_of("compensate", step.compensate.with_, (*path, "compensate", "with"))


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str | None]]:
    """The texts with expressions within a value, and where they stand; for a key None."""
    if isinstance(value, str):
        if OPEN in value:
            yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if OPEN in key:
                yield (*path, key), None
            yield from _strings(each, (*path, key))
    elif isinstance(value, (list, tuple)):
        for number, each in enumerate(value):
            yield from _strings(each, (*path, number))


class Within(NamedTuple):
    """What one text refers to: the parts of each reference and where they are, or what is wrong."""

    references: tuple[tuple[tuple[int, ...], tuple[str | int, ...]], ...] = ()
    problem: str = ""
    offset: int = 0


def _read(
    field: str, found: Iterable[tuple[Path, str | None]], within: Callable[[str], Within]
) -> Texts:
    references: list[Reference] = []
    broken: list[Found] = []
    for path, text in found:
        if text is None:
            broken.append(Found(path, "a key may not have expressions in it", key=True))
            continue
        inner = within(text)
        if inner.problem:
            broken.append(Found(path, inner.problem, inner.offset))
        references += [Reference(path, *each) for each in inner.references]
    return Texts(field, tuple(references), tuple(broken))


@lru_cache(maxsize=TEXTS_KEPT)
def in_text(text: str) -> Within:
    """What a text refers to."""
    return _within(compiled, text)


@lru_cache(maxsize=TEXTS_KEPT)
def in_condition(text: str) -> Within:
    """The same of a condition, which may be written without `${{ }}`."""
    return _within(condition, text)


def _within(made: Callable[[str], Template], text: str) -> Within:
    try:
        template = made(text)
    except ExpressionError as error:
        return Within(problem=error.problem, offset=error.offset)
    return Within(tuple((each.offsets, each.path) for each in template.references))
