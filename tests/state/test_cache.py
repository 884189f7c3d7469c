"""The fold of a cache, against a dict."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dagger.state.cache import Cache
from dagger.words.effects import CacheWrite
from dagger.words.payload import decode, encode

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


def write(op: str, key: str = "k", value: Any = None, namespace: str = "n") -> CacheWrite:
    """A decided write."""
    return CacheWrite(op, namespace, key, b"" if op == "delete" else encode(value))


def holding(*writes: CacheWrite) -> Cache:
    """A cache after some writes."""
    cache = Cache()
    for each in writes:
        cache.apply(each)
    return cache


def value(cache: Cache, key: str = "k", namespace: str = "n") -> Any:
    """What a key holds, which must be there."""
    entry = cache.entry(namespace, key)
    assert entry is not None
    return entry.value()


def contents(cache: Cache) -> dict[str, dict[str, Any]]:
    """All of a cache, in its own order."""
    return {
        namespace: {key: value(cache, key, namespace) for key in cache.keys(namespace)}
        for namespace in cache.namespaces()
    }


class CacheAgainstDict(RuleBasedStateMachine):
    """Any sequence of writes leaves what the same changes leave of plain dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache()
        self.model: dict[str, dict[str, Any]] = {}
        self.versions: dict[tuple[str, str], int] = {}  # the highest ever seen
        self.copies: list[tuple[Cache, dict[str, dict[str, Any]]]] = []

    def change(self, op: str, namespace: str, key: str, given: Any = None) -> Any:
        """Apply to the cache; what the model holds."""
        self.cache.apply(write(op, key, given, namespace))
        entry = self.cache.entry(namespace, key)
        if entry is not None:
            assert entry.version > self.versions.get((namespace, key), 0)
            self.versions[namespace, key] = entry.version
        return self.model.get(namespace, {}).get(key)

    def remember(self, namespace: str, key: str, given: Any) -> None:
        self.model.setdefault(namespace, {})[key] = given

    @rule(namespace=NAMES, key=NAMES, given=VALUES)
    def set(self, namespace: str, key: str, given: Any) -> None:
        """Set replaces."""
        self.change("set", namespace, key, given)
        self.remember(namespace, key, given)

    @rule(namespace=NAMES, key=NAMES)
    def delete(self, namespace: str, key: str) -> None:
        """Delete removes, and with the last key its namespace."""
        self.change("delete", namespace, key)
        self.model.get(namespace, {}).pop(key, None)
        if not self.model.get(namespace, True):
            del self.model[namespace]

    @rule(namespace=NAMES, key=NAMES, given=VALUES)
    def append(self, namespace: str, key: str, given: Any) -> None:
        """Append extends a list, and starts one in place of anything else."""
        old = self.change("append", namespace, key, given)
        self.remember(namespace, key, [*(old if isinstance(old, list) else []), given])

    @rule(namespace=NAMES, key=NAMES, by=st.integers(-(2**30), 2**30))
    def increment(self, namespace: str, key: str, by: int) -> None:
        """Increment adds to a number, and starts from 0 in place of anything else."""
        old = self.change("increment", namespace, key, by)
        total = (old if type(old) in (int, float) else 0) + by
        fits = isinstance(total, int) and -(2**63) <= total < 2**64
        self.remember(namespace, key, total if fits else float(total))

    @rule()
    def copy(self) -> None:
        """Take a copy; see `copies_stay`."""
        self.copies.append((self.cache.copy(), contents(self.cache)))

    @invariant()
    def equal(self) -> None:
        """Contents and order are those of the model."""
        found = contents(self.cache)
        assert found == self.model
        assert list(found) == list(self.model)
        assert all(list(found[name]) == list(self.model[name]) for name in found)
        assert all((name in self.cache) == (name in self.model) for name in "abc")

    @invariant()
    def copies_stay(self) -> None:
        """A copy holds what it held when it was made."""
        assert all(contents(copy) == then for copy, then in self.copies)


TestCacheAgainstDict = CacheAgainstDict.TestCase


def test_a_read_value_is_the_readers_own() -> None:
    """What a reader does to a value changes nothing in the cache."""
    cache = holding(write("set", value=[{"x": 1}]), write("append", value={"y": []}))
    mine = value(cache)
    mine[0]["x"] = 2
    mine[1]["y"].append(3)
    mine.clear()
    assert value(cache) == [{"x": 1}, {"y": []}]


def test_a_copy_may_be_written_too() -> None:
    """Original and copy go their own ways, and from the same version on."""
    cache = holding(write("append", value=1))
    copy = cache.copy()
    copy.apply(write("append", value=2))
    cache.apply(write("append", value=3))
    assert (value(cache), value(copy)) == ([1, 3], [1, 2])
    assert cache.entry("n", "k").version == copy.entry("n", "k").version  # type: ignore[union-attr]


def test_increments_commute() -> None:
    """Increments give the same sum in any order."""
    steps = [write("increment", value=by) for by in range(-50, 100)]
    sums = set()
    for seed in range(5):
        random.Random(seed).shuffle(steps)
        sums.add(value(holding(*steps)))
    assert sums == {sum(range(-50, 100))}


@pytest.mark.parametrize(
    ("start", "by", "total"),
    [
        (2**64 - 1, 1, float(2**64)),
        (-(2**63), -1, float(-(2**63) - 1)),
        (sys.float_info.max, sys.float_info.max, sys.float_info.max),
        (-sys.float_info.max, -sys.float_info.max, -sys.float_info.max),
        (1, 0.5, 1.5),
        (True, 1, 1),
    ],
)
def test_every_sum_can_be_kept(start: float, by: float, total: float) -> None:
    """A sum beyond 64 bits goes on as a float, and a float stays finite."""
    found = value(holding(write("set", value=start), write("increment", value=by)))
    assert (found, type(found)) == (total, type(total))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 65_535, 65_536])
def test_lists_and_numbers_are_known_by_their_first_byte(size: int) -> None:
    """A list of any length is a list; strings, objects, booleans and null are neither."""
    entry = holding(write("set", value=[0] * size)).entry("n", "k")
    assert entry is not None
    assert entry.is_list
    assert not entry.is_number
    others: list[Any] = ["[", {"a": []}, None, False, "x" * size]
    for other in others:
        entry = holding(write("set", value=other)).entry("n", "k")
        assert entry is not None
        assert not entry.is_list
        assert not entry.is_number


@pytest.mark.parametrize("number", [0, 127, 128, -1, -33, 2**16, 2**64 - 1, -(2**63), 0.5])
def test_every_number_is_a_number(number: float) -> None:
    """Integers of all sizes and floats can be incremented."""
    entry = holding(write("set", value=number)).entry("n", "k")
    assert entry is not None
    assert entry.is_number


def test_a_list_may_be_very_long() -> None:
    """A list of 100,000 appended items is read whole, and forgotten without recursion."""
    cache = holding(*[write("append", value=number) for number in range(100_000)])
    assert value(cache) == list(range(100_000))
    cache.apply(write("delete"))
    assert cache.namespaces() == []


def test_an_unknown_operation_changes_nothing() -> None:
    """A write of an unknown kind raises before anything has changed."""
    cache = holding(write("set", value=1))
    with pytest.raises(ValueError, match="twist"):
        cache.apply(write("twist", value=2))
    cache.apply(write("set", "other", 1))
    assert value(cache) == 1
    assert cache.entry("n", "other").version == 2  # type: ignore[union-attr]
    assert decode(cache.entry("n", "k").blob) == 1  # type: ignore[union-attr]
