"""Outlines: large payloads are taken out of what is packed, and put back byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.store.outline import (
    LARGE,
    digest,
    inlined,
    outlined,
    outlined_record,
    references,
    resolver,
)
from dagger.words.effects import CacheWrite, Publication
from dagger.words.packing import pack
from dagger.words.records import Kept, Published, Record, RunForked, Settled, Wrote
from dagger.words.versions import WrittenByNewer

SIZES = st.sampled_from([0, 1, LARGE, LARGE + 1, 2 * LARGE])
SHAPES = st.tuples(st.integers(0, 3), SIZES)
"""A byte, and how often it stands in a payload: payloads themselves are too long to be shown."""


def payload_of(shape: tuple[int, int]) -> bytes:
    """The payload."""
    fill, size = shape
    return bytes([fill]) * size


def message(payload: bytes) -> Publication:
    """A message with that payload."""
    return Publication("c", payload, key="\ud800", headers=(("a", "b"),))


@given(shapes=st.tuples(SHAPES, SHAPES))
def test_what_is_outlined_is_put_together_again(
    shapes: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    """A record comes back byte by byte, and only what is over the limit is kept apart."""
    first, second = map(payload_of, shapes)
    effects = (message(first), CacheWrite("set", "n", "k", second), message(first))
    fields = (1, 2, 0, 1, 0.5, 1.5, None)
    records: list[tuple[Record, set[bytes]]] = [
        (Published(1, message(first), (), False, 0.0), {first}),
        (Kept(1, 2, "step", "k", second, 0.0), {second}),
        (Wrote(1, effects), {first, second}),
        (Settled(*fields, effects, (), False), {first, second}),
    ]
    for record, held in records:
        blob = pack(record)
        outline, found = outlined_record(blob)
        large = {each for each in held if len(each) > LARGE}
        assert set(found.values()) == large
        assert references(outline) == set(found) == {digest(each) for each in large}
        assert len(outline) < len(blob) - sum(map(len, large)) + 300
        assert inlined(outline, resolver(found.__getitem__)) == blob
        assert large or outline == blob


@given(shape=SHAPES)
def test_a_fork_shares_what_is_large_with_where_it_comes_from(shape: tuple[int, int]) -> None:
    """The payloads in the part that a fork begins with are the same as anywhere else."""
    payload = payload_of(shape)
    part = pack(Published(1, message(payload), (), False, 0.0)) * 2
    record: Record = RunForked(2, "fork", "", "", part, 0.0)
    outline, found = outlined_record(pack(record))
    assert list(found.values()) == ([payload] if len(payload) > LARGE else [])
    assert inlined(outline, resolver(found.__getitem__)) == pack(record)


def test_a_reference_of_another_kind_is_refused() -> None:
    """What a newer version has taken out in another way is an error, never a wrong payload."""
    with pytest.raises(WrittenByNewer, match="unknown reference 7"):
        resolver(lambda known: b"")(7, b"")


def test_rows_in_which_nothing_is_large_are_not_changed() -> None:
    """The very same bytes are given back."""
    rows = pack(Wrote(1, ())) * 3
    assert outlined(rows) == (rows, {})
