"""The parts of a snapshot, as bytes: part 0 is the world, part n is run number n.

A part is msgpack: the number of the format, then rows. A row is an array that begins
with the number of its kind; its fields follow in the order of the class below. Folding
the rows of a part gives the part back (see `loading`), as folding a journal gives the
state: a row may mean something for the rows behind it, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgpack

from dagger.state.codes import Codes
from dagger.state.queues import Envelope, Scope
from dagger.state.repeats import First
from dagger.state.run import DeadLetter, Output, Question
from dagger.state.schedules import Schedule
from dagger.state.tokens import Bucket
from dagger.words.budget import Amounts
from dagger.words.effects import Publication
from dagger.words.joins import Join
from dagger.words.packing import rows as unpacked
from dagger.words.records import Failure
from dagger.words.versions import WrittenByNewer

FORMAT = 1
"""What a part begins with; 2 is for when rows of 1 are not understood any more."""

PIECE_ROWS = 500
PIECE_BYTES = 64 * 1024
"""How much is packed in one go: less than a millisecond's work, unless one row is bigger."""


Blob = bytes
"""For classes that have a field of that name."""


class WorldRow(NamedTuple):
    """What the state counts over all runs; the rest of it is worked out from them."""

    next_run: int
    commands: int
    position: int = 0
    """Of the snapshot, for when it is lost elsewhere; 0 in what older versions wrote."""


class NameRow(NamedTuple):
    """The next name that trees know by its number, from 0."""

    name: str


class AgentRow(NamedTuple):
    """A subscriber, in the order in which messages are routed; one that is gone hears nothing."""

    name: str
    subscriptions: tuple[str, ...]
    hears_itself: bool
    code: str = ""
    join: Join | None = None
    publishes: tuple[str, ...] = ()
    cleans_up: bool = False


class ChannelRow(NamedTuple):
    name: str
    created_at: float
    closed: bool
    forgotten: int
    dropped: int


class CacheRow(NamedTuple):
    """A cache begins: its entries follow."""

    shared: bool
    """True for the executor's shared cache, false for the run's own."""
    writes: int


class ItemRow(NamedTuple):
    """An item appended to the list of the next entry; the latest comes first."""

    blob: bytes


class EntryRow(NamedTuple):
    """The next key of the cache, with the value that it was set with."""

    namespace: str
    key: str
    version: int
    blob: bytes


class RunRow(NamedTuple):
    """The run itself: the first row of its part."""

    number: int
    id: str
    opening: Publication
    limits: dict[str, Any]
    opened_at: float
    ended_at: float | None
    status: str
    target: str
    reason: str
    on_hold: bool
    next: int
    outside: int
    brought: int
    bytes: int
    retries: int
    dropped: int
    tokens: int
    blamed: int
    abandoned: tuple[str, ...]
    failure: Failure | None
    letters: int
    forked: tuple[str, str] | None
    codes: Codes = b""
    changed: tuple[str, ...] = ()
    unfilled: tuple[str, ...] = ()
    won: tuple[tuple[str, Any], ...] = ()
    """Joins of which one part was enough, and has come: agent, and scope or key."""
    reply: Blob = b""
    waits: dict[int, tuple[str, float]] = {}  # noqa: RUF012  never changed
    """By delivery, what it waits for, and since when (epoch seconds)."""
    waited: dict[str, tuple[int, float]] = {}  # noqa: RUF012  never changed
    """How many have waited for what, and for how many seconds together."""
    cost: int = 0
    """In billionths."""


class AccountsRow(NamedTuple):
    """Messages of the run have brought budgets: how many ever; the accounts follow."""

    opened: int


class AccountRow(NamedTuple):
    """The budget of a message, and what was spent of it."""

    parent: int
    place: int
    id: str
    channel: str
    agent: str
    above: tuple[int, int] | None
    limits: Amounts
    opened_at: float
    until: float
    tokens: int
    cost: int
    messages: int


class LaneRow(NamedTuple):
    """A channel on which there were messages, with the counts of each agent that heard it."""

    name: str
    messages: int
    outputs: int
    tallies: tuple[tuple[str, tuple[int, ...]], ...]


class DeliveryRow(NamedTuple):
    """An unsettled delivery, oldest first: of the message that the latest Envelope is."""

    number: int
    agent: str
    attempts: int
    due: float
    deaths: int
    lead: int = 0
    """Of a join: the delivery that it is handled with, or -1 while it is held."""
    scopes: tuple[Scope, ...] = ()
    """Of a lead: those that its parts have in common."""


class AnswerRow(NamedTuple):
    """An answer that the delivery before keeps."""

    name: str
    key: str
    value: bytes
    digest: str = ""
    failed: bool = False


class StreamRow(NamedTuple):
    """What the delivery before has streamed: the fields of its Flow."""

    attempt: int
    sent: int
    items: bytes


class TaskRow(NamedTuple):
    """A task. Those that are pending come longest pending first, those held longest held first."""

    id: str
    type: str
    data: bytes
    max_attempts: int
    parent: str | None
    created_at: float
    updated_at: float
    status: str
    attempts: int
    claimed_by: str | None
    holder: int
    number: int


class TreeRow(NamedTuple):
    """The tree begins: how many of its nodes have gone."""

    gone: int


class NodesRow(NamedTuple):
    """The next nodes, 41 bytes each: as `tree` packs them, with the numbers of the names."""

    nodes: bytes


class FailureRow(NamedTuple):
    """Why a delivery of the tree ended badly."""

    delivery: int
    failure: Failure


class TokensRow(NamedTuple):
    """What a delivery of the tree has spent."""

    delivery: int
    tokens: int
    cost: int = 0
    """In billionths."""


class NoteRow(NamedTuple):
    """What else is to be said of a delivery of the tree."""

    delivery: int
    text: str


class LeadRow(NamedTuple):
    """With which other one a delivery of the tree was handled."""

    delivery: int
    lead: int


class ClaimRow(NamedTuple):
    """The delivery before is in flight, as the first of an idempotency key."""

    key: str


Row = (
    WorldRow
    | NameRow
    | AgentRow
    | ChannelRow
    | CacheRow
    | ItemRow
    | EntryRow
    | RunRow
    | LaneRow
    | Envelope
    | DeliveryRow
    | AnswerRow
    | Output
    | DeadLetter
    | Question
    | TaskRow
    | TreeRow
    | NodesRow
    | FailureRow
    | TokensRow
    | NoteRow
    | Schedule
    | LeadRow
    | ClaimRow
    | First
    | StreamRow
    | Bucket
    | AccountsRow
    | AccountRow
)

# The position in this table is the number on disk: append, never reorder. So are the
# fields of each class, and of the named tuples in them; one that is added has a default.
ROWS: tuple[type[Any], ...] = (
    WorldRow,
    NameRow,
    AgentRow,
    ChannelRow,
    CacheRow,
    ItemRow,
    EntryRow,
    RunRow,
    LaneRow,
    Envelope,
    DeliveryRow,
    AnswerRow,
    Output,
    DeadLetter,
    Question,
    TaskRow,
    TreeRow,
    NodesRow,
    FailureRow,
    TokensRow,
    NoteRow,
    Schedule,
    LeadRow,
    ClaimRow,
    First,
    StreamRow,
    Bucket,
    AccountsRow,
    AccountRow,
)

_numbers = {kind: number for number, kind in enumerate(ROWS)}


def pieces(rows: Iterable[Row]) -> Iterator[bytes]:
    """The bytes of a part, a little at a time: others may run between two pieces.

    A row of more than PIECE_BYTES is a piece of its own.
    """
    # Text from outside, as that of an error, may hold half a surrogate pair.
    pack = msgpack.Packer(unicode_errors="surrogatepass").pack
    piece, size = [pack(FORMAT)], 0
    for row in rows:
        blob: bytes = pack((_numbers[type(row)], *row))
        if len(piece) == PIECE_ROWS or size + len(blob) > PIECE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
        piece.append(blob)
        size += len(blob)
    yield b"".join(piece)


def unpack(blob: bytes) -> Iterator[Row]:
    """The rows of a part; named tuples within them come as plain ones.

    Raises WrittenByNewer for a format, a kind of row, or a number of fields that is not known.
    """
    unpacker = unpacked(blob)
    if (version := next(unpacker, None)) != FORMAT:
        raise WrittenByNewer(f"unknown format {version!r} of a snapshot")
    kinds = ROWS
    for number, *fields in unpacker:
        if not 0 <= number < len(kinds):
            raise WrittenByNewer(f"unknown row {number} in a snapshot")
        try:
            row = kinds[number](*fields)
        except TypeError as other:
            raise WrittenByNewer(f"fields of a row {number} in a snapshot, {other}") from other
        yield row
