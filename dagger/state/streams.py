"""Streams: what an invocation has emitted so far, and what one more item means.

Of each item 12 bytes are remembered, its digest and its place, until the invocation settles.
An attempt begins anew at index 0:

    index   is remembered?   by digest       of this attempt?
            no                                                 NEXT: published
            yes              the same                          SAID: not repeated
            yes              another         no                ANEW: published, the rest is void
            yes              another         yes               DIFFERS: refused

"Of this attempt" means that this very attempt has said something new already, and goes on
after a restart: it has got past that index, then with the same items.
"""

from __future__ import annotations

from enum import Enum
from struct import Struct

from dagger.words.ids import STREAMED
from dagger.words.records import Flow

_ITEM = Struct("<8sI")
"""Digest, and how many messages were published for the stream before it.

Items are kept on disk as they are packed here: see `dagger.state.parts`.
"""

_SIZE = _ITEM.size


class Meaning(Enum):
    """What an item is."""

    NEXT = "nobody has said anything there yet"
    SAID = "it was said before"
    ANEW = "an earlier attempt has said something else"
    DIFFERS = "this attempt has said something else, before a restart"


class Stream:
    """The items of one invocation that are not void."""

    __slots__ = ("attempt", "items", "sent")

    def __init__(self, flow: Flow | None = None) -> None:
        self.attempt, self.sent = (flow.attempt, flow.sent) if flow else (0, 0)
        self.items = bytearray(flow.items if flow else b"")

    @property
    def length(self) -> int:
        """How many items there are."""
        return len(self.items) // _SIZE

    @property
    def next(self) -> int:
        """The place of the next message that is published."""
        return STREAMED + self.sent

    def look(self, attempt: int, index: int, digest: bytes) -> Meaning:
        """What it means if an attempt says this at an index; at most one beyond the last."""
        if index >= self.length:
            return Meaning.NEXT
        if self.digest(index) == digest:
            return Meaning.SAID
        return Meaning.DIFFERS if attempt == self.attempt else Meaning.ANEW

    def digest(self, index: int) -> bytes:
        """That of an item."""
        found: bytes = _ITEM.unpack_from(self.items, index * _SIZE)[0]
        return found

    def place(self, index: int) -> int:
        """The place of an item among the messages of its invocation."""
        found: int = _ITEM.unpack_from(self.items, index * _SIZE)[1]
        return STREAMED + found

    def say(self, attempt: int, index: int, digest: bytes) -> None:
        """It is published: what was there from that index on is void."""
        del self.items[index * _SIZE :]
        self.items += _ITEM.pack(digest, self.sent)
        self.attempt = attempt
        self.sent += 1

    def cut(self, length: int) -> None:
        """Only so many items are left."""
        del self.items[length * _SIZE :]

    def flow(self) -> Flow:
        """The same, as it is kept: nothing changes it later."""
        return Flow(self.attempt, self.sent, bytes(self.items))
