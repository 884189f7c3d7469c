"""The place of a message in a stream, as it travels in its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.words.effects import STREAM
from dagger.words.message import StreamItem

if TYPE_CHECKING:
    from dagger.words.effects import Publication


def as_item(ready: Publication, attempt: int, index: int, restarted: bool) -> Publication:
    """A message as an item of a stream."""
    place = f"{attempt}/{index}/restarted" if restarted else f"{attempt}/{index}"
    return ready._replace(headers=(*ready.headers, (STREAM, place)))


def item_of(publication: Publication, node_id: str) -> StreamItem | None:
    """Where a message stands in the stream of the invocation `node_id`; None if it does not."""
    for name, place in publication.headers:
        if name == STREAM:
            attempt, index, *restarted = place.split("/")
            return StreamItem(node_id, int(attempt), int(index), bool(restarted))
    return None
