"""Names: unique where they start, derived where they follow."""

from __future__ import annotations

import time

import pytest

from dagger.words.ids import message_id, new_id, node_id


def test_ids_are_unique() -> None:
    """A hundred thousand ids made in a row are all different."""
    assert len({new_id() for _ in range(100_000)}) == 100_000


def test_an_id_is_24_hexadecimal_digits() -> None:
    """An id is 24 lower-case hexadecimal digits."""
    made = new_id()
    assert len(made) == 24
    assert set(made) <= set("0123456789abcdef")


def test_ids_sort_by_the_time_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids made in different milliseconds sort in the order they were made."""
    made = []
    for millisecond in (0, 1, 31, 32, 1_700_000_000_000, 1_700_000_000_001, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda now=millisecond: now * 1_000_000)
        made.append(new_id())
    assert made == sorted(made)
    assert {len(each) for each in made} == {24}


def test_derived_names_depend_on_their_place_alone() -> None:
    """A message's and a node's id follow from run, delivery and place, whenever they are made."""
    assert message_id("r", 3, 1) == message_id("r", 3, 1) == "r.3.1"
    assert node_id("parser", "r", 3) == "parser:r.3"
