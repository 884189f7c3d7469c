"""Records as JSON, and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.testing.store_suite import RECORDS
from dagger.words.as_json import from_json, to_json
from dagger.words.effects import CacheWrite, Publication, Reply, TaskWrite
from dagger.words.payload import encode
from dagger.words.records import RunForked, Settled

PAYLOADS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text("ab\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy$"), inner, max_size=3),
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_what_is_written_as_json_is_read_back(record: Any) -> None:
    """Every kind of record comes back equal, through the text of a JSON line."""
    assert from_json(json.loads(json.dumps(to_json(record)))) == record


@given(payload=PAYLOADS)
def test_payloads_are_told_as_they_are(payload: Any) -> None:
    """A payload is the JSON that it was, in every place where there is one."""
    blob = encode(payload)
    effects = (
        Publication("c", blob),
        CacheWrite("set", "n", "k", blob),
        TaskWrite("put", "t", data=blob),
        Reply(blob),
    )
    record = Settled(1, 1, 0, 1, 0.0, 0.0, None, effects, (), False)
    row = to_json(record)
    assert row["effects"][0]["payload"] == payload
    assert from_json(json.loads(json.dumps(row))) == record


def test_other_bytes_survive_as_well() -> None:
    """What is no payload is told in base64."""
    record = RunForked(2, "b", "a", "a.0.0", b"\x01\xff\x00", 1.0)
    assert from_json(json.loads(json.dumps(to_json(record)))) == record


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"record": "Nothing"},
        {"record": "Wrote", "run": 1, "effects": [{"effect": "No"}]},
        {"record": "Spent", "run": 1},
        {"record": "Spent", "what": 1},
    ],
)
def test_what_is_no_record_is_refused(row: dict[str, Any]) -> None:
    """An unknown kind, a field that is missing, a field that is too many."""
    with pytest.raises(ValueError, match=r"called|has no|Spent"):
        from_json(row)
