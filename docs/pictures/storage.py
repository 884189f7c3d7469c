"""Two pictures of how a store works: the life of a record, and the journal with its snapshot.

Each is drawn from a table. What becomes of the blocks in the second is not: they are cut
by run with the code that does it on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from dagger.store.block import Block, block
from dagger.views import dot
from dagger.words.records import WIRING

BLUE, ORANGE, GREEN = ("#0072b2", "#eaf4fa"), ("#b87a00", "#fdf6e6"), ("#009e73", "#e6f5f0")
"""Line and fill; after Okabe and Ito, as in the pictures of runs."""


# -- the life of a record ------------------------------------------------------------


class Stage(NamedTuple):
    """A place where a record is, and what is done with it there."""

    name: str
    about: tuple[str, ...]


LANES: Mapping[str, tuple[tuple[str, str], tuple[Stage, ...]]] = {
    "the event loop": (
        BLUE,
        (
            Stage("record", ("one fact: published,", "settled, failed, ...")),
            Stage("state", ("applied at once: the next", "agents work already")),
            Stage("pending", ("packed, in memory,", "at most 64 MB")),
            Stage("gate", ("opens up to the", "position on disk")),
        ),
    ),
    "the writer's thread": (
        ORANGE,
        (
            Stage("block", ("all that has gathered,", "with a checksum")),
            Stage("commit", ("one transaction,", "fsync")),
        ),
    ),
    "the disk": (
        GREEN,
        (
            Stage("snapshot", ("of the state, at", "one position")),
            Stage("journal", ("blocks, in order",)),
            Stage("history", ("what the snapshot", "holds, run by run")),
        ),
    ),
}
"""Who has a record in hand, and its stages there."""

WAY = (
    ("record", "pending"),
    ("record", "state"),
    ("pending", "block"),
    ("block", "commit"),
    ("commit", "gate"),
    ("commit", "journal"),
    ("state", "snapshot"),
    ("journal", "history"),
)

SIDE_BY_SIDE = (("block", "snapshot"), ("commit",), ("gate", "journal"))

TOLD = (
    "await publish() returns",
    "run() returns its report",
    "outcomes, watchers, log lines",
    "a step's function starts",
    "a question is put",
)
"""What waits at the gate."""


def record() -> str:
    """The life of a record, from the fact to its run's history."""
    return dot.digraph("record", _life())


def _life() -> Iterator[str]:
    yield from dot.preamble(ranksep=0.42, nodesep=0.2, newrank="true", labeljust="l")
    for lane, ((line, fill), stages) in LANES.items():
        yield _framed(lane, line, fill, [_stage(each, line) for each in stages])
    for tail, head in WAY:
        yield dot.edge(tail, head)
    for pair in SIDE_BY_SIDE:
        yield f"{{ rank=same; {'; '.join(map(dot.node, pair))} }}"
    for number, what in enumerate(TOLD):
        yield dot.node(f"told {number}", label=dot.text(what, size=10), **dot.NOTE)
        yield dot.edge("gate", f"told {number}")


def _stage(stage: Stage, line: str) -> str:
    about = [dot.text(each, size=9, colour=dot.QUIET) for each in stage.about]
    label = dot.lines(dot.text(stage.name, bold=True), *about)
    return dot.node(
        stage.name, label=label, style="rounded,filled", fillcolor="#ffffff", color=line
    )


# -- the journal and its snapshot ----------------------------------------------------

BLOCKS = ((0, 0, 0, 1, 1), (1, 2, 1, 1), (2, 2, 1), (2, 1, 3, 3), (3, 2, 3))
"""Of each block in the journal, the runs of its records; WIRING says who hears what."""

SAVED = 12
"""The position of the snapshot."""


class Look(NamedTuple):
    """What a run is called, and its colours."""

    name: str
    line: str
    fill: str


RUNS = {
    WIRING: Look("who hears what", dot.QUIET, "#eaeef2"),
    1: Look("run 1", *BLUE),
    2: Look("run 2", *ORANGE),
    3: Look("run 3", "#b0598b", "#f8eaf2"),
}


def journal() -> str:
    """Blocks of records by position, the snapshot, and what has become of those before it."""
    return dot.digraph("journal", _kept())


def _kept() -> Iterator[str]:
    yield from dot.preamble(rankdir="TB", nodesep=0.16, ranksep=0.55, newrank="true")
    blocks = list(_blocks())
    before = [each for each in blocks if each.last <= SAVED]
    behind = [each for each in blocks if each.last > SAVED]
    yield _framed("blocks up to the snapshot", dot.PALE, "#ffffff", map(_ghost, before), "t")
    kept = [_snapshot(before), *map(_block, behind)]
    yield _framed("what opening the store reads", *GREEN, kept, "t")
    histories = {run: list(_history(before, run)) for run in RUNS}
    found = [
        _strip(f"run {run}", cells, RUNS[run].name) for run, cells in histories.items() if cells
    ]
    yield _framed("history, run by run", dot.PALE, "#f6f8fa", found)
    names = [f"block {each.last}" for each in before]
    names += ["snapshot", *(f"block {each.last}" for each in behind)]
    for tail, head in pairwise(names):
        yield dot.edge(tail, head, style="invis")
    yield f"{{ rank=same; {'; '.join(map(dot.node, names))} }}"
    for each in before:
        for run in sorted(set(each.runs)):
            yield dot.edge(f"block {each.last}", f"run {run}", color=RUNS[run].line)


def _blocks() -> Iterator[Block]:
    first = 1
    for runs in BLOCKS:
        yield block(first, runs, [b""] * len(runs))
        first += len(runs)


def _history(blocks: list[Block], run: int) -> Iterator[tuple[int, int]]:
    """What is moved of these blocks into the history of one run."""
    for each in blocks:
        own = each.only((run,))
        yield from _records(own) if own is not None else ()


def _records(each: Block) -> Iterator[tuple[int, int]]:
    """Position and run of each record of a block."""
    for offset, run in zip(each.offsets, each.runs, strict=True):
        yield each.first + offset, run


def _block(each: Block) -> str:
    return _strip(f"block {each.last}", _records(each))


def _ghost(each: Block) -> str:
    """A block whose records have been moved elsewhere."""
    return _strip(f"block {each.last}", _records(each), style="dashed")


def _snapshot(blocks: list[Block]) -> str:
    """The parts of the snapshot: the world, and a part for each run."""
    parts = [("the world", *GREEN)]
    parts += [RUNS[run] for run in RUNS if run != WIRING and list(_history(blocks, run))]
    rows = [
        f'<TR><TD BGCOLOR="#ffffff" COLOR="{line}" BORDER="1" WIDTH="64" HEIGHT="20">'
        f"{dot.text(name, size=9, colour=line)}</TD></TR>"
        for name, line, fill in parts
    ]
    title = dot.text(f"snapshot at {SAVED}", size=10, bold=True)
    return _table("snapshot", f"<TR><TD>{title}</TD></TR>{''.join(rows)}", GREEN[0])


def _strip(name: str, records: Iterable[tuple[int, int]], title: str = "", style: str = "") -> str:
    """Records in a row, each with its position in the colours of its run."""
    cells = [f"<TD>{dot.text(title, size=10, bold=True)} </TD>"] if title else []
    for position, run in records:
        _, line, fill = RUNS[run]
        look = f'BGCOLOR="{fill}" COLOR="{line}" BORDER="1" WIDTH="24" HEIGHT="22"'
        cells.append(f"<TD {look}>{dot.text(str(position), size=10, colour=line)}</TD>")
    return _table(name, f"<TR>{''.join(cells)}</TR>", dot.PALE, style)


def _table(name: str, rows: str, line: str, style: str = "") -> str:
    look = f'BORDER="1" CELLBORDER="0" CELLSPACING="3" COLOR="{line}" BGCOLOR="#ffffff"'
    look += f' STYLE="{style}"' if style else ""
    return dot.node(name, shape="plain", label=dot.Html(f"<TABLE {look}>{rows}</TABLE>"))


def _framed(title: str, line: str, fill: str, inside: Iterable[str], at: str = "b") -> str:
    """Statements in a frame of their own, whose title stands at its bottom or top."""
    colour = dot.QUIET if line == dot.PALE else line
    label = dot.text(title, size=10, colour=colour, bold=True)
    return (
        f'subgraph {dot.node(f"cluster {title}")} {{ label=<{label}>; labeljust="l"; '
        f'labelloc="{at}"; style="rounded,filled"; fillcolor="{fill}"; color="{line}"; '
        f"penwidth=0.8; margin=14; "
        f"{'; '.join(inside)} }}"
    )
