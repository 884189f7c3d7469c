"""Merging a tree into groups: nothing is lost, and what is left is small."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given

from dagger.views.merge import FORGOTTEN, OUTSIDE, READABLE, Merged, apart, merge
from dagger.views.nodes import TreeNode
from dagger.views.tree import ExecutionTree
from dagger.words.records import Failure
from tests.views.drawn import chain, node, trees


def named(merged: Merged) -> dict[tuple[str, str], int]:
    """Links by the names of the agents at their ends."""
    names = {at: group.agent for at, group in enumerate(merged.groups)}
    names |= {OUTSIDE: "outside", FORGOTTEN: "forgotten"}
    links = Counter[tuple[str, str]]()
    for (source, target), count in merged.links.items():
        links[names[source], names[target]] += count
    return dict(links)


@given(trees())
def test_merging_counts_every_node_once(tree: ExecutionTree) -> None:
    """Counts, links and outputs add up to the same, merged or apart, for each status."""
    for merged in (merge(tree.nodes(), tree.outputs), apart(tree.nodes(), tree.outputs)):
        counts = Counter[str]()
        for group in merged.groups:
            counts[group.status] += group.count
        assert counts == Counter(node.status for node in tree.nodes())
        assert sum(merged.links.values()) == len(tree)
        assert sum(merged.outputs.values()) == sum(each.messages for each in tree.outputs)
        assert sum(group.tokens for group in merged.groups) == sum(
            node.tokens for node in tree.nodes()
        )


@given(trees())
def test_every_group_hangs_under_an_earlier_one(tree: ExecutionTree) -> None:
    """Groups form a tree, so that walking down from the outside world reaches all of them."""
    merged = merge(tree.nodes(), tree.outputs)
    for number, group in enumerate(merged.groups):
        assert group.parent < number
        assert (group.parent, number) in merged.links


def test_siblings_of_one_agent_and_status_merge() -> None:
    """What differs in agent, channel or status stays apart, and so does what hangs below."""
    nodes = [node(1, 0, "walk")]
    nodes += [node(at, 1, "parse", "dead" if at == 4 else "ok") for at in range(2, 7)]
    nodes += [node(at + 5, at, "count") for at in (2, 3, 5, 6)]
    groups = merge(nodes, ()).groups
    assert [(group.agent, group.status, group.count) for group in groups] == [
        ("walk", "ok", 1),
        ("parse", "ok", 4),
        ("parse", "dead", 1),
        ("count", "ok", 4),
    ]


def test_nodes_of_forgotten_parents_are_kept_apart() -> None:
    """A node whose parent is no longer kept hangs under what was forgotten, not under the run."""
    assert named(merge([node(8, 3, "late"), node(9, 8, "last")], ())) == {
        ("forgotten", "late"): 1,
        ("late", "last"): 1,
    }


def test_order_of_settling_does_not_matter() -> None:
    """A child may be listed before its parent."""
    nodes = chain(["a", "b", "c"])
    assert named(merge(nodes[::-1], ())) == named(merge(nodes, ()))


def test_a_short_path_that_repeats_itself_is_shown_as_it_is() -> None:
    """A few rounds between two agents stay a path."""
    merged = merge(chain(["ping", "pong"] * 3), ())
    assert [group.agent for group in merged.groups] == ["ping", "pong"] * 3


def test_a_long_path_that_repeats_itself_becomes_a_loop() -> None:
    """Ten thousand rounds are two groups that lead to each other, with their counts."""
    merged = merge(chain(["ping", "pong"] * 10_000), ())
    assert [(group.agent, group.count) for group in merged.groups] == [
        ("ping", 10_000),
        ("pong", 10_000),
    ]
    assert named(merged) == {
        ("outside", "ping"): 1,
        ("ping", "pong"): 10_000,
        ("pong", "ping"): 9_999,
    }


def test_a_long_path_without_repeats_stays_a_path() -> None:
    """A hundred stages in a row are a hundred groups in a row."""
    merged = merge(chain([f"stage{at}" for at in range(100)]), ())
    assert len(merged.groups) == 100
    assert len(named(merged)) == 100


def test_a_tangle_stays_readable() -> None:
    """Where nearly every path is another one, there is one group an agent, channel and status."""
    random = Random(1)
    nodes = [
        node(at, random.randrange(max(0, at - 20), at), f"agent{random.randrange(30)}")
        for at in range(1, 20_000)
    ]
    merged = merge(nodes, ())
    assert len(merged.groups) == 30 <= READABLE
    assert sum(group.count for group in merged.groups) == len(nodes)


def test_a_group_sums_what_its_nodes_took() -> None:
    """Times, attempts, tokens and failures are added up; one failure is told."""
    why = Failure("ValueError", "no\nway")
    nodes = [TreeNode("r", at, 0, 0, "c", "a", "dead", 3, 1.0, 1.5, why, 10) for at in (1, 2)]
    (group,) = merge(nodes, ()).groups
    assert group.figures() == ["1.0 s in all", "6 attempts", "20 tokens"]
    assert group.reason(80) == "ValueError: no way (and 1 more)"
    assert group.first == "a:r.1"


def test_a_node_alone_says_only_what_is_worth_saying() -> None:
    """One attempt is not counted, and what was never called took no time."""
    ran, dropped = apart([node(1, 0, "a"), node(2, 0, "a")._replace(attempts=0)], ()).groups
    assert ran.figures() == ["500 ms"]
    assert dropped.figures() == []
    assert ran.reason(80) == ""
