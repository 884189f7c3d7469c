"""Records on their way to bytes and back."""

from __future__ import annotations

from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.words.packing import pack, unpack
from dagger.words.records import EFFECTS, RECORDS, Logged, Record
from dagger.words.versions import WrittenByNewer

LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    type(None): st.none(),
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    str: st.text(st.characters()),  # with lone surrogates: errors quote anything
    bytes: st.binary(),
    Any: st.one_of(st.none(), st.integers(0, 2**63), st.floats(allow_nan=False), st.text()),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Anything of a type that fields of records are annotated with."""
    if hint in LEAVES:
        return LEAVES[hint]
    if get_origin(hint) is UnionType:
        return st.one_of([values(each) for each in get_args(hint)])
    if get_origin(hint) is tuple:
        parts = [each for each in get_args(hint) if each is not Ellipsis]
        if Ellipsis in get_args(hint):
            return st.lists(values(parts[0]), max_size=3).map(tuple)
        return st.tuples(*[values(each) for each in parts])
    if get_origin(hint) is dict:
        return st.dictionaries(*[values(each) for each in get_args(hint)], max_size=3)
    return rows(hint)


def rows(kind: Any) -> st.SearchStrategy[Any]:
    """Any record, effect or other named tuple of one kind."""
    fields = {name: values(hint) for name, hint in get_type_hints(kind).items()}
    return st.builds(kind, **fields)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_unpack_gives_back_what_pack_was_given(kind: type[Any], data: st.DataObject) -> None:
    """Every record comes back equal, and so do the types of everything in it."""
    record = data.draw(rows(kind))
    back = unpack(pack(record))
    assert back == record
    # Equal tuples may be of different classes; their texts are not.
    assert repr(back) == repr(record)


@pytest.mark.parametrize("number", [len(RECORDS), 2**40, -1])
def test_an_unknown_number_is_refused(number: int) -> None:
    """A record of a newer version is an error, never another record."""
    with pytest.raises(WrittenByNewer, match=f"unknown record number {number}"):
        unpack(msgpack.packb((number, 1)))


def test_half_a_surrogate_pair_can_be_recorded() -> None:
    """The text of an error, such as an odd file name, is kept whatever it holds."""
    record: Record = Logged(1, 1, 30, "bad name \udcff", 0.0)
    assert unpack(pack(record)) == record


def test_numbers_on_disk_never_move() -> None:
    """Each record and effect has a number of its own in the tables."""
    assert len(set(RECORDS)) == len(RECORDS)
    assert len(set(EFFECTS)) == len(EFFECTS)
    assert set(RECORDS) == set(get_args(Record))
