"""What is worth knowing of a flow that can be run: what has no effect, and what is nearly right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dagger.flows.checking import needs_by_id, parts_of
from dagger.flows.filling import attributed, filled_alone
from dagger.flows.flow import Flow
from dagger.flows.grammar import built_ins
from dagger.flows.names import Names
from dagger.flows.references import Texts, Work, texts_of, work_of
from dagger.rules.documents.tree import Found
from dagger.rules.nearest import meant


def warnings_of(flow: Flow, names: Names | None, refused: Mapping[str, str]) -> Iterator[Found]:
    """All of it, in no order; `refused` are built-ins that may not be used here, and why."""
    as_run = flow if names is None else filled_alone(flow, names.functions)
    for each in _warnings(as_run, names, refused):
        yield attributed(each, flow)


def _warnings(flow: Flow, names: Names | None, refused: Mapping[str, str]) -> Iterator[Found]:
    work = [*work_of(flow)]
    yield from _unused_inputs(flow, work)
    yield from _never(flow, work)
    for each in work:
        yield from _without_effect(each)
        yield from _refused(each, refused)
        if names is None:
            yield from _nearly_built_in(flow, each)


def _unused_inputs(flow: Flow, work: Iterable[Work]) -> Iterator[Found]:
    texts: list[Texts] = [text for each in work for text in each.texts]
    texts.append(texts_of("output", flow.output, ("output",)))
    used = {
        each.parts[1] if len(each.parts) > 1 else None
        for text in texts
        for each in text.references
        if each.parts[0] == "inputs"
    }
    for name in flow.inputs:
        if None not in used and name not in used:
            yield Found(("inputs", name), f"nothing uses the input {name!r}", key=True)


def _never(flow: Flow, work: list[Work]) -> Iterator[Found]:
    """Steps that cannot run: their own condition is false, or they need one that cannot."""
    never: set[str] = set()
    needs = needs_by_id(flow, work)
    for number, step in enumerate(flow.steps):
        if step.when is False:
            never.add(step.id)
            yield Found(("steps", number, "when"), f"step {step.id!r} never runs")
    wanted_by: dict[str, list[int]] = {}
    for number, step in enumerate(flow.steps):
        for need in needs[step.id]:
            wanted_by.setdefault(need, []).append(number)
    for name in (ahead := sorted(never)):
        for number in wanted_by.get(name, ()):
            step = flow.steps[number]
            if step.when is None and step.id not in never:
                never.add(step.id)
                ahead.append(step.id)
                problem = f"step {step.id!r} never runs, since it needs {name!r}, which never does"
                yield Found(("steps", number), problem)


def _without_effect(work: Work) -> Iterator[Found]:
    for each in work.texts:
        if each.field == "idempotency_key" and each.constant:
            problem = (
                "the idempotency_key is the same in every run: "
                "what the first one did is not done again"
            )
            yield Found((*work.path, "idempotency_key"), problem)


def _nearly_built_in(flow: Flow, work: Work) -> Iterator[Found]:
    uses = work.step.uses
    if uses in built_ins() or uses in flow.subflows:
        return
    if hint := meant(uses, built_ins()):
        yield Found((*work.path, "uses"), f"{uses!r} is no built-in{hint}")


def _refused(work: Work, refused: Mapping[str, str]) -> Iterator[Found]:
    for part, path in parts_of(work):
        if part.uses in refused:
            yield Found((*path, "uses"), refused[part.uses])
