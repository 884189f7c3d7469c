"""What an expression may refer to, by where it stands, and what is wrong where it does not.

| root | what it is | where |
|---|---|---|
| `inputs.NAME` | an input of the flow | everywhere |
| `steps.ID.output`, `.status`, `.error` | a step, which is needed by that | everywhere |
| `secrets.NAME` | a variable of the environment, kept secret | everywhere but in `KEPT` |
| `item`, `index` | of a step with `foreach` | in `FOR_EACH_ITEM` |
| `run.id`, `.flow`, `.started`, `.scheduled` | the run itself | everywhere |
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dagger.flows.flow import Flow
from dagger.flows.model import Step
from dagger.flows.references import Texts, Work
from dagger.rules.documents.tree import Found
from dagger.rules.nearest import meant

ROOTS = ("inputs", "steps", "secrets", "item", "index", "run")

OF_A_STEP = ("output", "status", "error")
"""What there is to know of a step that has ended."""

OF_A_RUN = ("id", "flow", "started", "scheduled")
"""What there is to know of a run; `scheduled` is the time that it was scheduled for, or null."""

FOR_EACH_ITEM = frozenset({"with", "idempotency_key", "compensate"})
"""Fields of a step with `foreach` that are looked at for each item."""

KEPT = {
    "output": "the output of a flow is kept and shown",
    "foreach": "items are kept and shown",
    "idempotency_key": "keys are kept and shown",
    "when": "what a condition decides is kept, and has to come out the same after a restart",
}
"""Fields whose values go into the journal, where no secret may be."""


@dataclass(frozen=True, slots=True)
class Known:
    """The names of a flow."""

    inputs: Mapping[str, Any]
    steps: Collection[str]
    secrets: Collection[str]
    """The inputs that are secret."""
    rescued_by: Mapping[str, str]
    """Rescue steps, and whose they are."""

    @classmethod
    def of(cls, flow: Flow) -> Known:
        """Those of this flow."""
        rescued_by = {each.id: step.id for step in flow.steps for each in step.rescue}
        # In order, so that the same names are thought to be meant each time.
        steps = dict.fromkeys(each.id for each in flow.steps if each.id)
        return cls(flow.inputs, steps, secrets_of(flow), rescued_by)


def secrets_of(flow: Flow) -> Collection[str]:
    """The inputs of a flow that are secret, in their order."""
    return dict.fromkeys(name for name, schema in flow.inputs.items() if _is_secret(schema))


def is_secret(parts: tuple[str | int, ...], inputs: Collection[str]) -> bool:
    """Whether a reference leads to a secret; `inputs` are those that are secret."""
    root, *rest = parts
    if root == "secrets":
        return True
    return root == "inputs" and bool(inputs) and (not rest or rest[0] in inputs)


def misread(texts: Texts, known: Known, work: Work | None = None) -> Iterator[Found]:
    """What is wrong with the expressions of a field of a step, or of the flow itself."""
    yield from texts.broken
    for each in texts.references:
        wrong = _wrong(each.parts, texts.field, known, work)
        if wrong is not None:
            part = min(wrong.part, len(each.offsets) - 1)
            yield Found(each.path, wrong.problem, each.offsets[part])


class _Wrong(NamedTuple):
    """A problem of a reference, and the number of its part that it is about."""

    part: int
    problem: str


def _wrong(
    parts: tuple[str | int, ...], field: str, known: Known, work: Work | None
) -> _Wrong | None:
    root = parts[0]
    inner = parts[1] if len(parts) > 1 else None
    if root == "steps":
        return _of_steps(parts, known, field, work)
    if root == "inputs":
        problem = _of_inputs(inner, field, known)
    elif root == "secrets":
        problem = _of_secrets(inner, field)
    elif root == "run":
        problem = _one_of(inner, "run", OF_A_RUN)
    elif root in ("item", "index"):
        problem = _of_items(str(root), field, work)
    else:
        return _Wrong(0, f"unknown name {root!r}{meant(str(root), ROOTS) or _listed(ROOTS)}")
    return None if problem is None else _Wrong(1, problem)


def _of_steps(
    parts: tuple[str | int, ...], known: Known, field: str, work: Work | None
) -> _Wrong | None:
    if len(parts) == 1:
        return _Wrong(0, "steps needs the id of a step behind it, such as steps.fetch.output")
    name = str(parts[1])
    before = work is not None and work.comes_after(name)
    if work is not None and work.owner is None and name == work.step.id and field != "compensate":
        return _Wrong(1, f"step {name!r} refers to itself")
    if name not in known.steps and not before and not _own(name, field, work):
        if name in known.rescued_by:
            return _Wrong(1, _not_from_here(name, known.rescued_by[name], work))
        return _Wrong(1, f"unknown step {name!r}{meant(name, known.steps)}")
    problem = _one_of(parts[2] if len(parts) > 2 else None, f"steps.{name}", OF_A_STEP)
    return None if problem is None else _Wrong(2, problem)


def _own(name: str, field: str, work: Work | None) -> bool:
    """Whether it is a rescue step whose compensation refers to it."""
    return work is not None and name == work.step.id and field == "compensate"


def _not_from_here(name: str, owner: str, work: Work | None) -> str:
    if work is not None and work.owner is not None and work.owner.id == owner:
        return f"the rescue step {name!r} does not come before this one"
    return f"{name!r} is a rescue step of {owner!r}; refer to that one"


def _of_inputs(inner: str | int | None, field: str, known: Known) -> str | None:
    if inner is not None and inner not in known.inputs:
        return f"the flow has no input {inner!r}{meant(str(inner), known.inputs)}"
    if field in KEPT and (inner in known.secrets or (inner is None and known.secrets)):
        secret = next(iter(known.secrets)) if inner is None else inner
        return f"the input {secret!r} is secret, and {KEPT[field]}"
    return None


def _is_secret(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("secret") is True


def _of_secrets(inner: str | int | None, field: str) -> str | None:
    if inner is None:
        return "secrets needs a name behind it, such as secrets.API_TOKEN"
    return f"a secret may not stand here: {KEPT[field]}" if field in KEPT else None


def _of_items(root: str, field: str, work: Work | None) -> str | None:
    step = work.step if work is not None else None
    if isinstance(step, Step) and step.foreach is not None:
        if field in FOR_EACH_ITEM:
            return None
        return f"{root!r} is not known in {field}, which is looked at once for all items"
    return f"{root!r} is known in steps with foreach only"


def _one_of(inner: str | int | None, holder: str, known: tuple[str, ...]) -> str | None:
    if inner is None or inner in known:
        return None
    return f"{holder} has no {inner!r}{meant(str(inner), known) or _listed(known)}"


def _listed(known: tuple[str, ...]) -> str:
    return f"; known: {', '.join(known)}"
