"""Where two runs part: each invocation beside its like, and the first that has none."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dagger.views.diff import Compared, Handled, diff, text
from dagger.words.payload import encode


def node(delivery: int, parent: int = 0, place: int = 0, agent: str = "a", **more: Any) -> Handled:
    """A delivery; `payload` and `published` are given as they were before they were encoded."""
    if "payload" in more:
        more["payload"] = encode(more["payload"])
    if "published" in more:
        more["published"] = tuple((channel, encode(value)) for channel, value in more["published"])
    return Handled(
        **{"channel": "c", "status": "ok", **more},
        delivery=delivery,
        parent=parent,
        place=place,
        agent=agent,
    )


def told(found: list[Compared]) -> list[str]:
    """Verdicts in order, the first divergence marked."""
    return [("!" if each.first else "") + each.verdict for each in found]


def test_equal_runs_are_the_same() -> None:
    """Keys may stand in any order, and numbers may be others, as long as places are the same."""
    a = [node(1), node(2, 1, 0, payload={"x": 1, "y": 2}), node(3, 1, 1), node(4, 2)]
    b = [node(1), node(3, 1, 0, payload={"y": 2, "x": 1}), node(2, 1, 1), node(5, 3)]
    found = diff(a, b)
    assert told(found) == ["same"] * 4
    assert text(found, "one", "two") == "one | two · 4 invocations: 4 the same"


def test_what_differs_is_named() -> None:
    """Channel, payload, status, failure and publications, each where both sides know it."""
    whole = node(1, payload=1, published=[("out", 1), ("out", 2)])
    others = [
        (node(1, payload=2, published=[("out", 1), ("out", 2)]), ("payload",), "payload: 1 → 2"),
        (node(1, published=[("out", 1)]), ("published",), "message 1: out 2 → none"),
        (node(1, published=[("out", 1), ("in", 2)]), ("published",), "message 1: out 2 → in 2"),
        (
            node(1, status="dead", failure="E: no"),
            ("status", "failure"),
            "status: ok → dead · failure: none → E: no",
        ),
        (node(1, channel="d"), ("channel",), "channel: c → d"),
        (node(1, payload=True), ("payload",), "payload: 1 → true"),
        (node(1), (), ""),
    ]
    for other, differs, line in others:
        (found,) = diff([whole], [other])
        assert (found.differs, found.first) == (differs, bool(differs))
        assert str(found) == " · ".join(filter(None, ["c → a (1 | 1)", line]))


def test_the_first_divergence_is_marked() -> None:
    """It is the first that differs; what only one run has follows from that, if anything does."""
    a = [node(1), node(2, 1, 0), node(3, 1, 1, payload=1), node(4, 3)]
    b = [node(1), node(3, 1, 1, payload=2), node(4, 1, 2)]
    assert told(diff(a, b)) == ["same", "only in a", "!differs", "only in a", "only in b"]
    assert told(diff(a[:2], b[:1])) == ["same", "!only in a"]
    assert told(diff([], b[:1])) == ["!only in b"]
    assert diff([], []) == []


def test_below_what_only_one_has_nothing_matches() -> None:
    """Numbers mean nothing there, even where both runs have them."""
    a = [node(1), node(2, 1, 0, "x"), node(3, 2, 0)]
    b = [node(1), node(2, 1, 0, "y"), node(3, 2, 0)]
    assert told(diff(a, b)) == ["same", "!only in a", "only in b", "only in a", "only in b"]


def test_a_parent_that_is_not_kept_is_known_by_its_number() -> None:
    """Runs with one past are compared although part of that is gone, of either or of both."""
    a = [node(1), node(2, 1), node(3, 2, 0), node(4, 2, 1)]
    for left in (a, a[1:], a[2:]):
        for right in (a, a[1:], a[2:]):
            assert {each.verdict for each in diff(left, right) if each.a and each.b} == {"same"}
            assert sum(each.verdict == "same" for each in diff(left, right)) == min(
                len(left), len(right)
            )


def test_text_is_cut() -> None:
    """At most so many lines below the first; the rest is counted."""
    a = [node(each, 0, each) for each in range(1, 9)]
    assert text(diff(a, []), "one", "two", limit=2).splitlines() == [
        "one | two · 8 invocations: 8 only in one",
        "▸ c → a (1) · only in one",
        "  c → a (2) · only in one",
        "  … 6 more lines",
    ]


TREES = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.integers(0, 2)), max_size=12
)


def tree(shape: list[tuple[int, str, int]], order: random.Random) -> list[Handled]:
    """A run with one invocation for each item, in one of the orders in which it could go."""
    parents = [min(parent, at) for at, (parent, _, _) in enumerate(shape)]  # 0, or those before
    children: dict[int, list[int]] = {}
    for at, parent in enumerate(parents, 1):
        children.setdefault(parent, []).append(at)
    numbers, ready, found = {0: 0}, list(children.get(0, ())), []
    while ready:
        at = ready.pop(order.randrange(len(ready)))
        numbers[at] = len(numbers)
        place = children[parents[at - 1]].index(at)
        _, agent, payload = shape[at - 1]
        found.append(node(numbers[at], numbers[parents[at - 1]], place, agent, payload=payload))
        ready += children.get(at, ())
    order.shuffle(found)
    return found


@given(TREES, st.randoms(use_true_random=False))
def test_order_makes_no_difference(shape: list[tuple[int, str, int]], order: random.Random) -> None:
    """However deliveries were numbered and settled, a run is the same as itself."""
    found = diff(tree(shape, order), tree(shape, order))
    assert told(found) == ["same"] * len(shape)


@given(TREES, TREES, st.randoms(use_true_random=False))
def test_all_are_there_once_and_in_causal_order(
    one: list[tuple[int, str, int]], other: list[tuple[int, str, int]], order: random.Random
) -> None:
    """Every invocation of both runs comes once, after its parent; and both ways say the same."""
    a, b = tree(one, order), tree(other, order)
    found = diff(a, b)
    for run, side in ((a, [each.a for each in found]), (b, [each.b for each in found])):
        there = [each.delivery for each in side if each]
        assert sorted(there) == sorted(each.delivery for each in run)
        for each in filter(None, side):
            assert not each.parent or there.index(each.parent) < there.index(each.delivery)
    back = {(each.b, each.a, each.differs) for each in diff(b, a)}
    assert {(each.a, each.b, each.differs) for each in found} == back
    assert sum(each.first for each in found) == (any(each.verdict != "same" for each in found))
