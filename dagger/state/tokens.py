"""Tokens: how far the buckets of rate limits are from full.

Of each bucket one moment is known: when it will be full again if nobody takes any more. That is
the "theoretical arrival time" of the generic cell rate algorithm (ITU-T I.371), and says as much
as a count of tokens with the time when it was counted.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dagger.state.state import State
    from dagger.words.records import TokenTaken

LOOKS = 2
"""Buckets that are looked at, with each token that is taken, whether they are full again."""


class Bucket(NamedTuple):
    """A bucket that was not full: a row of a snapshot, as it stands here."""

    limit: str
    key: str
    full: float


class Tokens:
    """The buckets that are not full, and some that are again."""

    __slots__ = ("buckets",)

    def __init__(self) -> None:
        self.buckets: dict[tuple[str, str], Bucket] = {}  # longest not looked at first

    def full(self, limit: str, key: str) -> float:
        """When a bucket is full, epoch seconds; 0 if it has been for some time."""
        bucket = self.buckets.get((limit, key))
        return 0.0 if bucket is None else bucket.full

    def put(self, bucket: Bucket, at: float) -> None:
        """A bucket is known to be full at another time. Some are let go of that are by `at`."""
        buckets, place = self.buckets, bucket[:2]
        buckets.pop(place, None)
        buckets[place] = bucket
        for each in list(islice(buckets, LOOKS)):
            looked_at = buckets.pop(each)
            if looked_at.full > at:
                buckets[each] = looked_at


def token_taken(state: State, record: TokenTaken) -> None:
    """There is one token less in a bucket."""
    state.tokens.put(Bucket(record.limit, record.key, record.full), record.at)
