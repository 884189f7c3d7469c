"""The pages of a data file of LMDB 0.9, behind its meta pages (see `pagefile`).

A database is a tree of pages; in its leaves are rows. All integers are in the machine's own
order:

    offset  size  field of a page
    0       8     number of the page
    10      2     1 for a branch, 2 for a leaf, 4 for the first of some that hold one value
    12      2     where the offsets of the nodes end; they begin at 16, 2 bytes each
    14      2     where the nodes begin
    12      4     of a page with flag 4: number of the pages that belong together

    offset  size  field of a node
    0       4     bytes of the value; of a branch the page below, with the flags as 6 bytes
    4       2     1 if the value is in pages of its own, 2 if it is a database
    6       2     bytes of the key, which follows; then the value, or the number of its page

    offset  size  field of a database
    4       2     its flags
    6       2     levels of its tree
    40      8     number of its root; all ones if it is empty
"""

from __future__ import annotations

from struct import Struct

PAGE = Struct("=Q2xHHH")
NODE = Struct("=HHHH")
"""The bytes of the value (or the page below) as two halves, the lower one first; flags; bytes
of the key."""
NUMBER = Struct("=Q")
TREE = Struct("=4xHH32xQ")
BRANCH, LEAF, LONG = 1, 2, 4
"""Flags of a page."""
ELSEWHERE, DATABASE = 1, 2
"""Flags of a node."""
NOWHERE = 2**64 - 1
"""The root of an empty database."""


def pages_of(length: int, size: int) -> int:
    """How many pages of `size` bytes a value has that has pages of its own."""
    return (PAGE.size + length + size - 1) // size
