"""A flow as a picture: its steps, and which need which."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from dagger.flows.flow import Flow
from dagger.flows.grammar import built_ins
from dagger.flows.model import OnError, Rescue, Step
from dagger.flows.references import needs_of
from dagger.views import dot
from dagger.views.wording import one_line, plural

_LOOKS: dict[str, dict[str, str | float]] = {
    "built-in": {"fillcolor": "#eef1f4", "color": "#59636e"},
    "flow": {"fillcolor": "#e6f4ea", "color": "#009e73"},
    "agent": {"fillcolor": "#dcedf7", "color": "#0072b2"},
}
"""How a step looks, by what it uses."""

_RESCUES: dict[str, str | float] = {"style": "dashed", "color": "#d55e00"}


def to_dot(flow: Flow) -> str:
    """The picture in Graphviz's language: an arrow leads from a step to those that need it.

    A dashed arrow leads to the steps that rescue one; what undoes a step is written in it. Names
    that mean nothing are not drawn, so that a flow with errors has a picture too.
    """
    return dot.digraph(flow.name, _statements(flow))


def _statements(flow: Flow) -> Iterator[str]:
    yield from dot.preamble(ranksep=0.5)
    for each in flow.all_steps():
        yield _node(flow, each)
    known = {each.id for each in flow.steps}
    for step, needs in zip(flow.steps, needs_of(flow, known), strict=True):
        for need in needs:
            yield dot.edge(need, step.id)
        for before, rescue in pairwise([step.id, *(each.id for each in step.rescue)]):
            yield dot.edge(before, rescue, **_RESCUES)


def _node(flow: Flow, step: Step | Rescue) -> str:
    pieces = [dot.text(step.id, bold=True)]
    if step.uses != step.id:
        pieces.append(dot.text(step.uses, size=9, colour=dot.QUIET))
    if step.description:
        pieces.append(dot.text(one_line(step.description, 50), size=9, colour=dot.QUIET))
    pieces += [dot.text(each, size=9, colour=dot.QUIET) for each in _said(flow, step)]
    return dot.node(
        step.id,
        label=dot.lines(*pieces),
        style="filled,dashed" if isinstance(step, Rescue) else "filled",
        penwidth=1.2,
        **_LOOKS[_kind(flow, step)],
    )


def _kind(flow: Flow, step: Step | Rescue) -> str:
    if step.uses in built_ins():
        return "built-in"
    return "flow" if step.uses in flow.subflows or step.uses.startswith("./") else "agent"


def _said(flow: Flow, step: Step | Rescue) -> Iterator[str]:
    """What is not the usual about a step, in the order in which it matters."""
    if step.when is not None:
        yield f"when {one_line(str(step.when), 40)}"
    if isinstance(step, Step) and step.foreach is not None:
        items = plural(len(step.foreach), "item") if isinstance(step.foreach, list) else ""
        yield f"for each of {items or one_line(str(step.foreach), 40)}"
    on_error = flow.said(step, "on_error")
    if isinstance(step, Step) and on_error not in (None, OnError.FAIL):
        yield f"on error: {on_error}"
    if step.compensate is not None:
        yield f"undone by {step.compensate.uses}"
