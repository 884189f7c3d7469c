"""A look at the trees of a data file, fast enough for a large one whenever it is opened.

It finds what LMDB would end the process for: a page that is not of the kind that belongs
there, or a row that does not lie within its page. Not found is what does no such harm: keys
that are out of order, pages that are used twice. See `pages` for the format.
"""

from __future__ import annotations

import os
from struct import unpack_from
from typing import NamedTuple

from dagger.store.pages import (
    BRANCH,
    DATABASE,
    ELSEWHERE,
    LEAF,
    LONG,
    NODE,
    NOWHERE,
    NUMBER,
    PAGE,
    TREE,
    pages_of,
)


class Tree(NamedTuple):
    """A database, as the one that leads to it has it."""

    flags: int
    levels: int
    root: int


class Skimming:
    """Looks at trees in a file with so many pages of so many bytes. Raises BadPage."""

    def __init__(self, file: int, size: int, end: int) -> None:
        self._file = file
        self._size = size
        self._end = end

    def look(self, root: int, levels: int | None = None) -> list[Tree]:
        """Go through a tree level by level; the databases that are in it."""
        level, found, depth = [root], list[Tree](), 0
        while root != NOWHERE and level:
            kind, below = 0, list[int]()
            for number in level:
                page, flags, nodes = self._page(number)
                if flags not in (BRANCH, LEAF) or flags != (kind or flags):
                    raise BadPage(number, "is not of the kind that belongs there")
                kind = flags
                if flags == LEAF:
                    self._leaf(number, page, nodes, found)
                else:
                    below += [_below(page, at) for at in nodes]
            level, depth = below, depth + 1
            if len(below) > self._end:
                raise BadPage(root, "has more pages below it than there are")
        if levels not in (None, depth):
            raise BadPage(root, f"has {depth} levels below it, and not {levels}")
        return found

    def _page(self, number: int) -> tuple[bytes, int, tuple[int, ...]]:
        """A page of nodes, its flags and where they are."""
        size = self._size
        if not 1 < number < self._end:
            raise BadPage(number, "is not there")
        page = os.pread(self._file, size, number * size)
        if len(page) < size:
            raise BadPage(number, "is cut off")
        known, flags, lower, upper = PAGE.unpack_from(page)
        if known != number or not PAGE.size <= lower <= upper <= size:
            raise BadPage(number, "is not what was written")
        nodes = unpack_from(f"={(lower - PAGE.size) // 2}H", page, PAGE.size)
        if nodes and not upper <= min(nodes) <= max(nodes) <= size - NODE.size:
            raise BadPage(number, "has rows outside of it")
        return page, flags, nodes

    def _leaf(self, number: int, page: bytes, nodes: tuple[int, ...], found: list[Tree]) -> None:
        size, node = self._size, NODE.unpack_from
        for at in nodes:
            low, high, flags, key = node(page, at)
            start = at + NODE.size + key
            if flags == ELSEWHERE:
                if start + NUMBER.size > size:
                    raise BadPage(number, "has rows outside of it")
                self._long(NUMBER.unpack_from(page, start)[0], low | high << 16)
            elif start + (low | high << 16) > size or flags not in (0, DATABASE):
                raise BadPage(number, "has rows outside of it")
            elif flags and low != TREE.size:
                raise BadPage(number, "has something else where a database should be")
            elif flags:
                found.append(Tree(*TREE.unpack_from(page, start)))

    def _long(self, number: int, length: int) -> None:
        """A value that has pages of its own."""
        count = pages_of(length, self._size)
        if number < 2 or number + count > self._end:
            raise BadPage(number, "is not there")
        head = os.pread(self._file, PAGE.size, number * self._size)
        if len(head) < PAGE.size:
            raise BadPage(number, "is cut off")
        known, flags, low, high = PAGE.unpack(head)
        if (known, flags, low | high << 16) != (number, LONG, count):
            raise BadPage(number, "is not what was written")


def _below(page: bytes, at: int) -> int:
    """The page that a node of a branch leads to."""
    low, high, highest, _ = NODE.unpack_from(page, at)
    return int(low | high << 16 | highest << 32)


class BadPage(ValueError):
    """A page that LMDB must not meet."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"page {number} {problem}")
