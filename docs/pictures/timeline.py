"""A writer of timelines as SVG: rows of bars over virtual seconds, with marks and levels.

What it is given was measured; here it is only laid out. The same is given the same bytes:
nothing depends on fonts that are installed, or on another program.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from dagger.views.dot import INK, PALE, QUIET
from docs.pictures.storage import BLUE, GREEN, ORANGE

PINK = ("#b0598b", "#f8eaf2")

LOOKS = {"green": GREEN, "blue": BLUE, "orange": ORANGE, "pink": PINK}
"""Colours of a row: solid while it runs, and light with a line while it waits."""

FONT = "Helvetica,Arial,sans-serif"
FAINT = "#eaeef2"

TOP, ROW, BAR, LEVEL, GAP = 16, 26, 16, 34, 16
"""Heights: the edge, a row, its bar, a level, and what stands between levels and rows."""

LETTER = 6.3
"""How wide a letter of a label is taken to be."""


class Bar(NamedTuple):
    """A time in which somebody waited, or ran."""

    start: float
    end: float
    runs: bool
    text: str = ""
    gave_way: bool = False


class Mark(NamedTuple):
    """A message that came; of those that are superseded only the outline is drawn."""

    at: float
    superseded: bool = False


class Row(NamedTuple):
    """One delivery, or all of one key or agent."""

    label: str
    about: str
    bars: Sequence[Bar]
    marks: Sequence[Mark]
    look: str = "green"


class Level(NamedTuple):
    """How much there was of something: from each moment on, so much, of a total."""

    label: str
    about: str
    steps: Sequence[tuple[float, float]]
    total: float


class Scale(NamedTuple):
    """Where seconds are."""

    left: float
    wide: float
    seconds: float

    def x(self, at: float) -> float:
        """Pixels from the left edge."""
        return self.left + at * self.wide


def timeline(
    title: str,
    rows: Sequence[Row],
    *,
    seconds: int,
    levels: Sequence[Level] = (),
    wide: float = 44.0,
    every: int = 1,
) -> str:
    """The picture: rows from top to bottom, then levels, then seconds and what the looks mean.

    `wide` is how many pixels a second has, `every` how many seconds apart their numbers are.
    """
    names = [(row.label, row.about) for row in rows]
    names += [(level.label, level.about) for level in levels]
    left = 32 + max(len(label) * 1.1 + len(about) * 0.85 for label, about in names) * LETTER
    scale = Scale(left, wide, seconds)
    bottom = TOP + len(rows) * ROW
    under = bottom + len(levels) * (LEVEL + GAP)
    right, height = scale.x(seconds) + 28, under + 56
    body = [*_grid(scale, under, every)]
    for number, row in enumerate(rows):
        body += _row(row, scale, TOP + number * ROW + ROW / 2)
    for number, level in enumerate(levels):
        body += _level(level, scale, bottom + number * (LEVEL + GAP) + GAP + LEVEL)
    body += _legend(rows, 16, height - 16)
    return "\n".join([*_opened(title, right, height), *body, "</svg>", ""])


def _opened(title: str, wide: float, high: float) -> Iterator[str]:
    size = f'width="{_n(wide)}" height="{_n(high)}" viewBox="0 0 {_n(wide)} {_n(high)}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}">'
    yield f"<title>{html.escape(title)}</title>"
    yield f'<rect width="{_n(wide)}" height="{_n(high)}" rx="8" fill="white"/>'


def _grid(scale: Scale, bottom: float, every: int) -> Iterator[str]:
    for second in range(0, int(scale.seconds) + 1, every):
        x = scale.x(second)
        yield _line(x, TOP - 4, x, bottom + 6, FAINT)
        unit = " s" if second == 0 else ""
        yield _text(x, bottom + 18, f"{second}{unit}", size=9, colour=QUIET, anchor="middle")


def _row(row: Row, scale: Scale, middle: float) -> Iterator[str]:
    yield _label(row.label, row.about, scale.left, middle)
    yield _line(scale.left, middle, scale.x(scale.seconds), middle, FAINT)
    solid, light = LOOKS[row.look]
    for bar in row.bars:
        x, wide = scale.x(bar.start) + 0.5, (bar.end - bar.start) * scale.wide - 1
        look = f'fill="{solid if bar.runs else light}" stroke="{solid}"'
        dashes = "" if bar.runs else ' stroke-dasharray="3 2"'
        yield (
            f'<rect x="{_n(x)}" y="{_n(middle - BAR / 2)}" width="{_n(wide)}" height="{BAR}" '
            f'rx="3" {look}{dashes}/>'
        )
        if bar.text:
            colour = "white" if bar.runs else solid
            at = x + wide / 2
            yield _text(at, middle + 3.2, bar.text, size=9, colour=colour, anchor="middle")
        if bar.gave_way:
            yield _cross(scale.x(bar.end), middle)
    for mark in row.marks:
        yield _dot(scale.x(mark.at), middle, mark.superseded)


def _level(level: Level, scale: Scale, base: float) -> Iterator[str]:
    """A step for each change, and a line where there is no more."""
    yield _label(level.label, level.about, scale.left, base - LEVEL / 2)
    full = base - LEVEL
    for (start, value), (end, _) in pairwise([*level.steps, (scale.seconds, 0.0)]):
        high = value / level.total * LEVEL
        if high and end > start:
            x, wide = scale.x(start), (end - start) * scale.wide
            yield (
                f'<rect x="{_n(x)}" y="{_n(base - high)}" width="{_n(wide)}" '
                f'height="{_n(high)}" fill="#d8dee4"/>'
            )
            if wide >= 12:
                yield _text(
                    x + wide / 2, base - 4, f"{value:g}", size=9, colour=INK, anchor="middle"
                )
    yield _line(scale.left, base, scale.x(scale.seconds), base, PALE)
    yield _line(scale.left, full, scale.x(scale.seconds), full, QUIET, dashes="4 3")


def _legend(rows: Iterable[Row], x: float, y: float) -> Iterator[str]:
    """What the looks mean, of those that are there."""
    rows = list(rows)
    bars = [bar for row in rows for bar in row.bars]
    marks = [mark for row in rows for mark in row.marks]
    solid, light = LOOKS[rows[0].look]
    shown = []
    if marks:
        shown.append(("a message comes", _dot(0, 0, False), 5))
    if any(mark.superseded for mark in marks):
        shown.append(("comes, and is superseded", _dot(0, 0, True), 5))
    if not all(bar.runs for bar in bars):
        box = f'<rect x="-5" y="-5" width="22" height="10" rx="3" fill="{light}"'
        shown.append(("waits", f'{box} stroke="{solid}" stroke-dasharray="3 2"/>', 17))
    box = f'<rect x="-5" y="-5" width="22" height="10" rx="3" fill="{solid}" stroke="{solid}"/>'
    shown.append(("runs", box, 17))
    if any(bar.gave_way for bar in bars):
        shown.append(("gives way", _cross(0, 0), 5))
    x += 6
    for words, picture, wide in shown:
        yield f'<g transform="translate({_n(x)} {_n(y - 3)})">{picture}</g>'
        yield _text(x + wide + 6, y, words, size=9, colour=QUIET)
        x += wide + 28 + len(words) * LETTER * 0.85


def _label(label: str, about: str, left: float, middle: float) -> str:
    quiet = f'<tspan dx="6" font-size="9" font-weight="normal" fill="{QUIET}">'
    said = f"{quiet}{html.escape(about)}</tspan>" if about else ""
    return (
        f'<text x="16" y="{_n(middle + 4)}" font-size="11" font-weight="bold" fill="{INK}">'
        f"{html.escape(label)}{said}</text>"
    )


def _dot(x: float, y: float, hollow: bool) -> str:
    fill = "white" if hollow else INK
    return (
        f'<circle cx="{_n(x)}" cy="{_n(y)}" r="4" fill="{fill}" '
        f'stroke="{INK if hollow else "white"}" stroke-width="1.4"/>'
    )


def _cross(x: float, y: float) -> str:
    arms = f"M{_n(x - 3)} {_n(y - 3)}L{_n(x + 3)} {_n(y + 3)}M{_n(x - 3)} {_n(y + 3)}"
    return (
        f'<circle cx="{_n(x)}" cy="{_n(y)}" r="7" fill="white" stroke="{INK}"/>'
        f'<path d="{arms}L{_n(x + 3)} {_n(y - 3)}" stroke="{INK}" stroke-width="1.6"/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    ends = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
    return f'<line {ends} stroke="{colour}"{dashed}/>'


def _text(x: float, y: float, words: str, *, size: float, colour: str, anchor: str = "") -> str:
    placed = f' text-anchor="{anchor}"' if anchor else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{size:g}" fill="{colour}"{placed}>'
        f"{html.escape(words)}</text>"
    )


def _n(number: float) -> str:
    """A length, to a tenth of a pixel."""
    return f"{round(number, 1):g}"
