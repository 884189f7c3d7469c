"""A flow as a picture: its steps, and which need which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from dagger.flows.flow import Flow
from dagger.flows.grammar import built_ins
from dagger.flows.model import OnError, Rescue, Step
from dagger.flows.references import needs_of
from dagger.views import dot
from dagger.views.wording import clean, one_line, plural

if TYPE_CHECKING:
    from dagger.flows.running.report import FlowReport

_LOOKS: dict[str, dict[str, str | float]] = {
    "built-in": {"fillcolor": "#eef1f4", "color": "#59636e"},
    "flow": {"fillcolor": "#e6f4ea", "color": "#009e73"},
    "agent": {"fillcolor": "#dcedf7", "color": "#0072b2"},
}
"""How a step looks, by what it uses."""

_STATUSES: dict[str, dict[str, str | float]] = {
    "succeeded": {"fillcolor": "#d8f0e2", "color": "#1a7f4b"},
    "failed": {"fillcolor": "#fbdcd5", "color": "#c4330b"},
    "running": {"fillcolor": "#d9eafc", "color": "#0072b2"},
    "rescuing": {"fillcolor": "#fde9cf", "color": "#d55e00"},
    "blocked": {"fillcolor": "#fdf3d0", "color": "#9a6700"},
    "cancelled": {"fillcolor": "#e9e3ef", "color": "#6e5494"},
    "skipped": {"fillcolor": "#eef1f4", "color": dot.PALE},
    "ready": {"fillcolor": "#ffffff", "color": "#59636e"},
    "pending": {"fillcolor": "#ffffff", "color": dot.PALE},
}
"""How a step of a run looks, by its status."""

_RESCUES: dict[str, str | float] = {"style": "dashed", "color": "#d55e00"}


def to_dot(
    flow: Flow, report: FlowReport | None = None, notes: Mapping[str, str] | None = None
) -> str:
    """The picture in Graphviz's language: an arrow leads from a step to those that need it.

    A dashed arrow leads to the steps that rescue one; what undoes a step is written in it. Names
    that mean nothing are not drawn, so that a flow with errors has a picture too.

    With the `report` of a run, colours say how each step has ended, or where it stands; `notes`
    are what else is to be said of steps, by their ids.
    """
    return dot.digraph(flow.name, _statements(flow, _Run(report, notes or {}) if report else None))


class _Run:
    """What is drawn over the steps of a flow."""

    def __init__(self, report: FlowReport, notes: Mapping[str, str]) -> None:
        self._statuses = {each.id: each.status for each in report.steps}
        self._notes = notes
        self._title = f"{report.flow} · run {clean(report.run)} · {report.status}"

    def legend(self) -> dot.Html:
        """The run, and what the colours in the picture mean."""
        there = {*self._statuses.values()}
        shown = [(name, each) for name, each in _STATUSES.items() if name in there]
        swatches = [(name, str(each["fillcolor"]), str(each["color"])) for name, each in shown]
        return dot.legend(self._title, swatches)

    def look(self, step: str) -> dict[str, str | float]:
        return _STATUSES[self._statuses.get(step, "pending")]

    def ink(self, step: str) -> str:
        """The colour of what is written about its status."""
        colour = str(self.look(step)["color"])
        return dot.QUIET if colour == dot.PALE else colour

    def line(self, step: str) -> str:
        status = self._statuses.get(step, "pending")
        note = self._notes.get(step, "")
        return one_line(" · ".join(filter(None, (status, note))), 60)


def _statements(flow: Flow, run: _Run | None) -> Iterator[str]:
    yield from dot.preamble(ranksep=0.5, **({} if run is None else {"label": run.legend()}))
    for each in flow.all_steps():
        yield _node(flow, each, run)
    known = {each.id for each in flow.steps}
    for step, needs in zip(flow.steps, needs_of(flow, known), strict=True):
        for need in needs:
            yield dot.edge(need, step.id)
        for before, rescue in pairwise([step.id, *(each.id for each in step.rescue)]):
            yield dot.edge(before, rescue, **_RESCUES)


def _node(flow: Flow, step: Step | Rescue, run: _Run | None) -> str:
    look = _LOOKS[_kind(flow, step)] if run is None else run.look(step.id)
    pieces = [dot.text(step.id, bold=True)]
    if run is not None:
        pieces.append(dot.text(run.line(step.id), size=9, colour=run.ink(step.id)))
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
        **look,
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
