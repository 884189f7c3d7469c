"""Numbers in aligned columns of plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dagger.views.wording import one_line

ROWS = 40
"""Rows that a table shows; all further ones are added up in one more."""

ALWAYS = 2
"""Columns of numbers that are shown even if all they hold is zeros."""

Row = tuple[str, Sequence[int]]
"""A name and its numbers."""


def table(titles: Sequence[str], rows: Sequence[Row], width: int) -> list[str]:
    """The lines of a table, at most `width` wide while its numbers allow; none for no rows.

    Names are cut to fit; columns of zeros but for the first two are left out.
    """
    if not rows:
        return []
    rows = _at_most(ROWS, rows)
    columns = [
        _column(title, numbers)
        for at, (title, *numbers) in enumerate(
            zip(titles[1:], *[numbers for _, numbers in rows], strict=True)
        )
        if at < ALWAYS or any(numbers)
    ]
    room = max(8, width - sum(2 + len(column[0]) for column in columns))
    names = [one_line(name, room) for name in (titles[0], *[name for name, _ in rows])]
    first = max(map(len, names))
    names = [name.ljust(first) for name in names]
    return ["  ".join(cells) for cells in zip(names, *columns, strict=True)]


def _at_most(limit: int, rows: Sequence[Row]) -> Sequence[Row]:
    rest = [numbers for _, numbers in rows[limit:]]
    if not rest:
        return rows
    sums = [sum(column) for column in zip(*rest, strict=True)]
    return [*rows[:limit], (f"… and {len(rest):,} more", sums)]


def _column(title: str, numbers: Iterable[int]) -> list[str]:
    """A title and its numbers, flush right; a zero is a mere dot."""
    cells = [title, *(f"{number:,}" if number else "·" for number in numbers)]
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]
