"""An execution tree as a picture: merged groups written as DOT."""

from __future__ import annotations

from collections.abc import Iterator
from math import log10
from textwrap import wrap
from typing import NamedTuple

from dagger.views import dot
from dagger.views.merge import FORGOTTEN, OUTSIDE, Group, Merged
from dagger.views.wording import plural, times

MANY_NODES, MANY_LOOPS = 1000, 100
"""Beyond these the layout takes its quick way; the careful one is quadratic."""


class Style(NamedTuple):
    """How a status looks: no two look the same in black and white."""

    line: str
    fill: str
    style: str = "rounded,filled"
    width: float = 1.2
    borders: int = 1


# Lines after Okabe and Ito's palette for colour-blind readers, https://jfly.uni-koeln.de/color/
STYLES: dict[str, Style] = {
    "ok": Style("#009e73", "#e6f5f0"),
    "joined": Style("#009e73", "#ffffff", borders=2),
    "duplicate": Style("#8c959f", "#ffffff", "rounded,filled,dotted"),
    "superseded": Style("#8c959f", "#ffffff", "rounded,filled,dotted", width=2),
    "rejected": Style("#b87a00", "#fdf1d7", "filled", width=1.6),
    "dead": Style("#d55e00", "#fbe5d8", "filled", width=1.6, borders=2),
    "dropped": Style("#b0598b", "#f8eaf2", "filled,dashed", width=1.6),
    "expired": Style("#b0598b", "#f8eaf2", "filled,dotted", width=1.6),
    "cancelled": Style("#59636e", "#eaeef2", "filled,diagonals"),
    "discarded": Style("#59636e", "#eaeef2", "filled,dotted"),
    "pending": Style("#4094c4", "#ffffff", "rounded,filled,dashed"),
    "running": Style("#0072b2", "#dcedf7", width=2.4),
    "waiting": Style("#8a7a00", "#fcf9d4", "rounded,filled,dashed", width=1.6),
}
"""Looks by disposition, and by status for deliveries that have not ended."""


def draw(merged: Merged, run_id: str, *, forgotten: int = 0) -> str:
    """The DOT source of a picture of `merged`, with a legend of what occurs in it."""
    return dot.digraph(f"run {run_id}", _statements(merged, run_id, forgotten))


def _statements(merged: Merged, run_id: str, forgotten: int) -> Iterator[str]:
    names = {number: group.first for number, group in enumerate(merged.groups)}
    names |= {OUTSIDE: "run", FORGOTTEN: "forgotten"}
    yield from dot.preamble(label=_legend(merged), **_layout(merged))
    yield from _sources(merged, run_id, forgotten)
    for group in merged.groups:
        yield _node(group)
    for (source, target), count in merged.links.items():
        yield _link(names[source], merged.groups[target], count)
    for (source, target, channel), count in merged.joins.items():
        label = f" {channel}{times(count)} "
        yield dot.edge(names[source], names[target], label=label, penwidth=_width(count))
    for (source, channel), count in merged.outputs.items():
        yield from _output(names[source], channel, count)


def _layout(merged: Merged) -> dict[str, str | float]:
    loops = len(merged.links) + len(merged.joins) - len(merged.groups)
    if len(merged.groups) <= MANY_NODES and loops <= MANY_LOOPS:
        return {}
    return {"splines": "line", "nodesep": 0.15, "nslimit": 0.1, "nslimit1": 1, "mclimit": 0.1}


def _sources(merged: Merged, run_id: str, forgotten: int) -> Iterator[str]:
    """The outside world, and what stands for invocations that are no longer kept."""
    label = dot.text(f"run {run_id}", bold=True, colour="#ffffff")
    yield dot.node("run", label=label, style="rounded,filled", fillcolor=dot.INK, color=dot.INK)
    if forgotten or any(source == FORGOTTEN for source, _ in (*merged.links, *merged.outputs)):
        what = plural(forgotten, "earlier node") if forgotten else "earlier nodes"
        label = dot.text(f"{what},\nno longer kept", colour=dot.QUIET, size=9)
        yield dot.node("forgotten", label=label, style="dashed", color=dot.PALE)
        yield dot.edge("run", "forgotten", style="dashed", arrowhead="none")


def _node(group: Group) -> str:
    style = STYLES[group.status]
    pieces = [dot.text(group.agent + times(group.count), bold=True)]
    if group.status != "ok":
        pieces.append(dot.text(group.status, bold=True, size=9, colour=style.line))
    if figures := group.figures():
        pieces.append(dot.text(" · ".join(figures), size=9, colour=dot.QUIET))
    if reason := group.reason(100):
        folded = "\n".join(wrap(reason, 42))
        pieces.append(dot.text(folded, size=9, colour=style.line))
    return dot.node(
        group.first,
        label=dot.lines(*pieces),
        style=style.style,
        color=style.line,
        fillcolor=style.fill,
        penwidth=style.width,
        peripheries=style.borders,
    )


def _link(source: str, group: Group, count: int) -> str:
    """An edge as thick as it carries much; it tells its count where the group's is another."""
    label = group.channel + times(count if count != group.count else 1)
    return dot.edge(source, group.first, label=f" {label} ", penwidth=_width(count))


def _output(source: str, channel: str, count: int) -> Iterator[str]:
    name = f"{source} to {channel}"
    label = dot.lines(
        dot.text(channel + times(count), bold=True, size=10),
        dot.text("output", size=9, colour=dot.QUIET),
    )
    yield dot.node(name, label=label, **dot.NOTE)
    yield dot.edge(source, name, penwidth=_width(count))


def _width(count: int) -> float:
    return round(1 + 0.6 * log10(max(count, 1)), 2)


def _legend(merged: Merged) -> dot.Html:
    """One line below the picture: the statuses that occur in it, and how often."""
    counts: dict[str, int] = {}
    for group in merged.groups:
        counts[group.status] = counts.get(group.status, 0) + group.count
    if merged.joins:
        counts["joined"] = counts.get("joined", 0) + sum(merged.joins.values())
    entries = [
        (f"{status} {counts[status]:,}", style.fill, style.line)
        for status, style in STYLES.items()
        if status in counts
    ]
    return dot.legend(plural(sum(counts.values()), "node"), entries)
