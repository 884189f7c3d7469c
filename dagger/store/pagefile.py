"""The data file of LMDB, looked at without LMDB, before LMDB opens it.

LMDB maps its file into memory. If that was cut short, the process is killed by SIGBUS when
it first touches a page behind the end; if it was cut to nothing, it opens as an empty
database. Here it is read in the plain way, so that damage is an error and never a signal.

What is used of the format of LMDB 0.9 on a machine of 64 bits: the file is made of pages.
The first two are meta pages, and commits write them in turn, so that the newest is whole
whatever happens. All integers are in the machine's own order:

    offset  size  field of a meta page
    0       8     number of the page, 0 or 1
    10      2     flags of the page, 8
    16      4     0xBEEFC0DE
    20      4     version of the format, 1
    32      8     bytes of the map
    40      4     bytes of a page
    44      2     flags of the database of free pages, 8
    80      8     root of the database of free pages
    92      2     flags of the main database, 0
    128     8     root of the main database
    136     8     number of the last page in use
    144     8     number of the commit; that of page 0 is even, that of page 1 is odd
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import product
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from dagger.store.skimming import BadPage, Skimming

DATA = "data.mdb"

WHOLE = 64 * 1024 * 1024
"""Bytes of a file in which everything is looked at when it is opened, at most. That takes 2
microseconds a row, which is 3 ms per MiB of histories. A larger one is skimmed, which takes a
fifth of that. `findings` has no such limit."""

SKIMMED = 2 * 1024 * 1024 * 1024
"""Bytes of a file that is skimmed when it is opened, at most."""

TRIES = 3
"""Times that a file is looked at in which pages change meanwhile."""

_META = Struct("=Q2xH4xII8xQIH34xQ4xH34xQQQ")
_MAGIC = 0xBEEFC0DE
_VERSION = 1
_OF_META = 8
_SIZES = tuple(2**power for power in range(8, 16))
"""Bytes that a page may have."""
_FREE_FLAGS, _MAIN_FLAGS = 8, 0
_LARGEST_MAP = 2**46


class BadFile(ValueError):
    """A data file that is not as it was written."""


class ForeignFile(BadFile):
    """A file that is none of LMDB 0.9, or not of a machine like this one."""


class Meta(NamedTuple):
    """A meta page: what one commit has left, see above."""

    number: int
    page_flags: int
    magic: int
    version: int
    map_size: int
    page_size: int
    free_flags: int
    free_root: int
    main_flags: int
    main_root: int
    last: int
    commit: int


def check(folder: Path, *, whole: bool = False) -> None:
    """Raise BadFile for an environment that LMDB could stumble over, or take for empty.

    Looks at the meta pages and at the length only, where that is as it should be. It is
    shorter, and rightly so, if the last pages were used and freed in one transaction; then,
    and with `whole`, every page in use is looked at, of a large file for what would do harm.
    Raises OSError if it cannot be read. Who wants it whole holds a read transaction open, if
    somebody may write.
    """
    newest, size = _glance(folder)
    short = size < (newest.last + 1) * newest.page_size
    if whole and not short and WHOLE < size <= SKIMMED:
        _skim(folder, newest)
    if not short and not (whole and size <= WHOLE):
        return
    found, still = _found(folder)
    # Pages that change without end show nothing: who writes them has looked as well.
    if found and (still or whole):
        more = f", and {len(found) - 1} things more" if len(found) > 1 else ""
        raise BadFile(f"{DATA}: {found[0]}{more}")


def _skim(folder: Path, meta: Meta) -> None:
    with (folder / DATA).open("rb", buffering=0) as file:
        skimming = Skimming(file.fileno(), meta.page_size, meta.last + 1)
        try:
            skimming.look(meta.free_root)
            for flags, levels, root in skimming.look(meta.main_root):
                if flags:
                    raise BadFile(f"{DATA}: a database has flags {flags}")
                skimming.look(root, levels)
        except BadPage as error:
            raise BadFile(f"{DATA}: {error}") from error


def findings(folder: Path) -> list[str]:
    """Everything that is wrong with the pages of an environment, in words, with their numbers.

    Each page in use is looked at, each node in it, and that no page is used twice or lost.
    Who calls it while somebody may write holds a read transaction open. Raises BadFile if
    that cannot even begin, OSError if it cannot be read.
    """
    return _found(folder)[0]


def _found(folder: Path) -> tuple[list[str], bool]:
    """What is wrong, and whether nobody has written meanwhile.

    A commit may come between the looks at the length of the file and at its meta pages.
    """
    from lmdb import verify

    for _ in range(TRIES):
        before, _ = _glance(folder)
        try:
            found: list[str] = verify.verify(str(folder), subdir=True)  # type: ignore[no-untyped-call]
        except verify.VerifyError as error:
            found = [str(error)]
        still = before == _glance(folder)[0]
        if not found or still:
            break
    return found, still


def _glance(folder: Path) -> tuple[Meta, int]:
    """The newest meta page, and the bytes of the file."""
    for _ in range(TRIES - 1):
        with suppress(BadFile):  # somebody may have written between the two meta pages
            return _look(folder)
    return _look(folder)


def _look(folder: Path) -> tuple[Meta, int]:
    try:
        with (folder / DATA).open("rb", buffering=0) as file:
            newest = _newest(file.fileno())
            # Asked last: a file that somebody writes to only grows.
            return newest, os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise BadFile(f"its file {DATA} is missing") from None


def metas(file: int) -> list[Meta]:
    """The meta pages that can be read, whatever the other one is like; the newest first."""
    found: list[Meta] = []
    for place, number in product((0, *_SIZES), (0, 1)):
        with suppress(BadFile):
            meta = _meta(file, number, place)
            if place in (0, meta.page_size):
                found.append(meta)
    return sorted(found, key=lambda meta: meta.commit, reverse=True)


def _newest(file: int) -> Meta:
    """The meta page of the latest commit."""
    try:
        first = _meta(file, 0, 0)
        second = _meta(file, 1, first.page_size)
    except ForeignFile as error:
        if metas(file):  # the other one is of LMDB 0.9, so this one was
            raise BadFile(str(error)) from None
        raise
    if second.page_size != first.page_size:
        raise BadFile(f"{DATA}: its meta pages do not agree on the size of a page")
    commits = first.commit, second.commit
    if commits != (0, 0) and (abs(commits[0] - commits[1]) != 1 or commits[0] % 2):
        raise BadFile(f"{DATA}: commits {commits[0]} and {commits[1]} do not follow each other")
    return max(first, second, key=lambda meta: meta.commit)


def _meta(file: int, number: int, offset: int) -> Meta:
    head = os.pread(file, _META.size, offset)
    if len(head) < _META.size:
        problem = f"it is cut short within page {number}" if head or number else "it is empty"
        raise BadFile(f"{DATA}: {problem}")
    meta = Meta._make(_META.unpack(head))
    if (meta.magic, meta.version) != (_MAGIC, _VERSION):
        raise ForeignFile(f"{DATA} is no file of LMDB 0.9, or its page {number} is damaged")
    expected = (number, _OF_META, _FREE_FLAGS, _MAIN_FLAGS)
    if (meta.number, meta.page_flags, meta.free_flags, meta.main_flags) != expected:
        raise BadFile(f"{DATA}: its page {number} is no meta page")
    if meta.page_size not in _SIZES:
        raise BadFile(f"{DATA}: its pages cannot have {meta.page_size} bytes")
    if meta.map_size > _LARGEST_MAP or not 0 < meta.last < _LARGEST_MAP // meta.page_size:
        raise BadFile(f"{DATA}: page {number} has sizes that cannot be")
    return meta
