"""What can still be read of a data file that LMDB refuses, or would stumble over.

It is read without LMDB, page by page, so nothing in it can do harm. Both trees are walked,
that of the rows and that of the free pages. Rows that a broken page has led to are found
all the same, as long as the free pages are known: they are in pages that are neither free
nor met on the walk, and each row says itself which database it is of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from struct import unpack_from
from typing import NamedTuple

from dagger.store.block import BadBlock, decode
from dagger.store.outline import digest
from dagger.store.pagefile import DATA, BadFile, Meta, metas
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
from dagger.store.rows import FORMAT, OF_PART, OF_RUN, POSITION, SNAPSHOT
from dagger.store.seal import unseal

Row = tuple[str, bytes, bytes]
"""The name of a database, a key and a value."""

_LEVELS = 32
_DIGEST = 32
"""Bytes that the key of a payload has, and"""
_KEY = 511
"""bytes that any key has at most."""


class Node(NamedTuple):
    """A node of a leaf, or of a branch: then `below` is a page."""

    key: bytes
    flags: int
    size: int
    start: int
    """Where its value begins in the page."""

    @property
    def below(self) -> int:
        return self.size | self.flags << 32


class _Walk:
    """The pages of a file, up to one of them, and those that were met so far."""

    def __init__(self, file: int, size: int, end: int) -> None:
        self._file = file
        self._size = size
        self._end = end
        self.met = bytearray(end)
        self.free = bytearray(end)
        self.broken = 0
        """How often something was not what was written, or led to where it should not."""

    def note_free(self, root: int) -> None:
        """Go through the database of free pages: what it lists is not to be met."""
        listed = bytearray(self._end)
        for _, value in self._nodes_below(root):
            count, *pages = unpack_from(f"={len(value) // 8}Q", value) or (-1,)
            if count != len(pages) or any(not 1 < each < self._end for each in pages):
                self.broken += 1
                continue
            for each in pages:
                listed[each] = 1
        self.free = listed

    # -- rows ------------------------------------------------------------------------

    def rows(self, main: int) -> Iterator[Row]:
        """All rows that the root of the main database leads to."""
        for database, where in list(self._nodes_below(main)):
            if database.flags == DATABASE and len(where) == TREE.size:
                for node, value in self._nodes_below(TREE.unpack(where)[2]):
                    yield from _row(node.key, value)

    def strays(self) -> Iterator[Row]:
        """The rows of the pages that are in use, and that nothing leads to any more."""
        for number in range(2, self._end):
            if not self.met[number] and not self.free[number]:
                yield from self._told(number)

    def _told(self, number: int) -> Iterator[Row]:
        """The rows in a page that say which database they are of."""
        page = self._page(number)
        if page is not None and PAGE.unpack_from(page)[1] == LEAF:
            for node in self._nodes(page):
                value = self._value(page, node)
                yield from () if value is None else _row(node.key, value)

    def _nodes_below(self, root: int) -> Iterator[tuple[Node, bytes]]:
        for page in self._leaves(root) if root != NOWHERE else ():
            for node in self._nodes(page):
                value = self._value(page, node)
                if value is not None:
                    yield node, value

    # -- pages -----------------------------------------------------------------------

    def _leaves(self, number: int, level: int = 0) -> Iterator[bytes]:
        if not self._meet(number, 1) or level > _LEVELS:
            return
        page = self._page(number)
        flags = PAGE.unpack_from(page)[1] if page is not None else 0
        if page is not None and flags == BRANCH:
            for node in self._nodes(page):
                yield from self._leaves(node.below, level + 1)
        elif page is not None and flags == LEAF:
            yield page
        else:
            self.broken += 1

    def _meet(self, number: int, count: int) -> bool:
        """Whether it is right that something leads to these pages: they are in use, and
        nothing has led there before.
        """
        stop = number + count
        right = number > 1 and stop <= self._end
        if not right or any(self.met[number:stop]) or any(self.free[number:stop]):
            self.broken += 1
            return False
        self.met[number:stop] = b"\1" * count
        return True

    def _page(self, number: int) -> bytes | None:
        """A page by its number, be it in the place of another one."""
        page = os.pread(self._file, self._size, number * self._size)
        if len(page) < self._size:
            return None
        known = PAGE.unpack_from(page)[0]
        if known == number:
            return page
        if known >= self._end:
            return None
        other = os.pread(self._file, self._size, known * self._size)
        return other if len(other) == self._size and PAGE.unpack_from(other)[0] == number else None

    def _nodes(self, page: bytes) -> Iterator[Node]:
        _, _, lower, upper = PAGE.unpack_from(page)
        if not PAGE.size <= lower <= upper <= self._size:
            self.broken += 1
            return
        for at in unpack_from(f"={(lower - PAGE.size) // 2}H", page, PAGE.size):
            if not upper <= at <= self._size - NODE.size:
                self.broken += 1
                continue
            low, high, flags, length = NODE.unpack_from(page, at)
            start = at + NODE.size + length
            if start > self._size or length > _KEY:
                self.broken += 1
                continue
            yield Node(page[at + NODE.size : start], flags, low | high << 16, start)

    def _value(self, page: bytes, node: Node) -> bytes | None:
        if node.flags == ELSEWHERE:
            return self._long(page, node)
        value = page[node.start : node.start + node.size]
        if node.flags not in (0, DATABASE) or len(value) != node.size:
            self.broken += 1
            return None
        return value

    def _long(self, page: bytes, node: Node) -> bytes | None:
        """A value that has pages of its own."""
        if node.start + NUMBER.size > self._size:
            self.broken += 1
            return None
        (number,) = NUMBER.unpack_from(page, node.start)
        count = pages_of(node.size, self._size)
        if number + count <= self._end:
            found = os.pread(self._file, count * self._size, number * self._size)
            if self._is_long(found, number, count):
                return found[PAGE.size :][: node.size] if self._meet(number, count) else None
        self.broken += 1
        return None

    def _is_long(self, found: bytes, number: int, count: int) -> bool:
        """Whether these are the pages of a value."""
        if len(found) < count * self._size:
            return False
        known, flags, low, high = PAGE.unpack_from(found)
        return (known, flags, low | high << 16) == (number, LONG, count)


def _row(key: bytes, value: bytes) -> Iterator[Row]:
    """The row, if it says which database it is of."""
    name = home(key, value)
    if name is not None:
        yield name, key, value


def home(key: bytes, value: bytes) -> str | None:
    """The database that a row says it is of; None if it does not say, or can be told anew."""
    if key[:1] in (b"=", b"#") and unseal(key, value) is not None:
        return "ids"
    if key in (SNAPSHOT, FORMAT):
        return "meta"
    if len(key) == OF_PART.size:
        return "state"
    if len(key) == _DIGEST and digest(value) == key:
        return "payloads"
    if len(key) in (POSITION.size, OF_RUN.size):
        return _of_block(key, value)
    return None


def _of_block(key: bytes, value: bytes) -> str | None:
    try:
        block = decode(value)
    except BadBlock:
        return None
    if key == POSITION.pack(block.last):
        return "journal"
    return "history" if key == OF_RUN.pack(block.runs[0], block.last) else None


def salvaged(folder: Path) -> Iterator[Row]:
    """All rows of a store that can be read in its data file: what has changed is left out.

    Where the meta page of the latest commit is lost, so is the way to its rows; those of its
    records are looked for everywhere. Raises BadFile if no meta page can be read.
    """
    try:
        file = os.open(folder / DATA, os.O_RDONLY)
    except FileNotFoundError:
        raise BadFile(f"its file {DATA} is missing") from None
    try:
        known = metas(file)
        if not known:
            raise BadFile(f"{DATA}: neither of its meta pages can be read")
        yield from _as_of(file, _best(file, known))
        if len(known) == 1:
            yield from _after(file, known[0])
    finally:
        os.close(file)


def _best(file: int, known: list[Meta]) -> Meta:
    """The latest commit of which everything can be read that is there, or else the latest."""
    for meta in known:
        walk = _walk(file, meta)
        before = walk.broken
        for _ in walk.rows(meta.main_root):
            pass
        if not before or walk.broken == before:
            return meta
    return known[0]


def _walk(file: int, meta: Meta) -> _Walk:
    walk = _Walk(file, meta.page_size, meta.last + 1)
    walk.note_free(meta.free_root)
    return walk


def _as_of(file: int, meta: Meta) -> Iterator[Row]:
    """The rows of one commit."""
    walk = _walk(file, meta)
    free_known = not walk.broken
    yield from walk.rows(meta.main_root)
    if free_known and walk.broken:
        yield from walk.strays()


def _after(file: int, meta: Meta) -> Iterator[Row]:
    """The blocks that follow the last one of a commit, wherever they are.

    What never was committed may be among them, if it follows as well.
    """
    last = max((_last(row) for row in _as_of(file, meta)), default=0)
    everything = _Walk(file, meta.page_size, os.fstat(file).st_size // meta.page_size)
    found: dict[int, set[Row]] = {}
    for row in everything.strays():
        if row[0] == "journal" and _last(row) > last:
            found.setdefault(decode(row[2]).first, set()).add(row)
    while len(rows := found.get(last + 1, ())) == 1:
        row = next(iter(rows))
        yield row
        last = _last(row)


def _last(row: Row) -> int:
    """The position of the latest record that a row knows of; 0 if it is of none."""
    name, key, value = row
    if name == "journal":
        return int(POSITION.unpack(key)[0])
    if key == SNAPSHOT and (saved := unseal(key, value)) is not None:
        return int(POSITION.unpack(saved)[0])
    return 0
