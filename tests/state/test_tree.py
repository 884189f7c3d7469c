"""The execution tree's columns: every row kept as it was, or counted as forgotten."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dagger.state.tree import Names, Node, Tree
from dagger.words.outcomes import Disposition
from dagger.words.records import Failure

WHY = Failure("ValueError", "no", "$.a", ("KeyError: 'a'", "OSError: gone"), "a.py:3 in f")

numbers = st.integers(0, 2**32 - 1)
times = st.floats(allow_nan=False)
nodes = st.builds(
    Node,
    delivery=numbers,
    parent=numbers,
    place=numbers,
    channel=st.text(max_size=5),
    agent=st.text(max_size=5),
    disposition=st.sampled_from(Disposition),
    attempts=numbers,
    started=times,
    ended=times,
    failure=st.none(),
    tokens=st.just(0),
    notes=st.just(()),
    lead=st.just(0),
    cost=st.just(0),
)


def grown(count: int, keep: int = 1000) -> Tree:
    """A tree to which deliveries 1 to `count` were added, each caused by the one before."""
    tree = Tree(keep)
    for delivery in range(1, count + 1):
        tree.add(delivery, delivery - 1, 0, "files", "parser", Disposition.OK, 1, 1.0, 2.0)
    return tree


@given(st.lists(nodes, max_size=30))
def test_a_row_comes_back_as_it_was_added(added: list[Node]) -> None:
    """Every field of every row is kept, in the order of settling."""
    tree = Tree()
    for node in added:
        tree.add(*node[:9])
    assert list(tree.nodes()) == added
    assert len(tree) == len(added)


def test_what_is_said_belongs_to_its_row() -> None:
    """What was said of a delivery, before its row or after, is on its row and on no other."""
    tree = grown(2)
    tree.fail(2, WHY)
    tree.spend(3, 40)
    tree.spend(3, 2, 7)
    tree.spend(3, 0, 5)
    tree.note(1, "default for 'a'")
    tree.note(1, "default for 'b'")
    tree.join(2, 3)
    tree.add(3, 0, 0, "files", "parser", Disposition.OK, 1, 1.0, 2.0)
    assert [node.failure for node in tree.nodes()] == [None, WHY, None]
    assert [node.tokens for node in tree.nodes()] == [0, 0, 42]
    assert [node.cost for node in tree.nodes()] == [0, 0, 12]
    assert [node.lead for node in tree.nodes()] == [0, 3, 0]
    assert [node.notes for node in tree.nodes()] == [("default for 'a'", "default for 'b'"), (), ()]


def test_one_row_can_be_asked_for() -> None:
    """`node` finds a delivery's row, and nothing for one that is open or unknown."""
    tree = grown(3)
    tree.fail(2, WHY)
    assert tree.node(2) == list(tree.nodes())[1]
    assert tree.node(4) is None


class Trimming(RuleBasedStateMachine):
    """A tree against a plain list of everything that was ever added."""

    def __init__(self) -> None:
        super().__init__()
        self.keep = 10
        self.names = Names()
        self.tree = Tree(self.keep, self.names)
        self.added: list[Node] = []

    @rule(
        name=st.text(max_size=2),
        failure=st.sampled_from([None, WHY]),
        cost=st.integers(0, 3),
        notes=st.sampled_from([(), (), ("a",), ("a", "b")]),
    )
    def add(self, name: str, failure: Failure | None, cost: int, notes: tuple[str, ...]) -> None:
        node = Node(len(self.added) + 1, 0, 7, name, "agent", 5, 2, 1.5, 2.5, failure, cost, notes)
        for each in notes:
            self.tree.note(node.delivery, each)
        if failure:
            self.tree.fail(node.delivery, failure)
        if cost:
            self.tree.spend(node.delivery, cost)
        self.tree.add(*node[:9])
        self.added.append(node)

    @rule()
    def copy(self) -> None:
        self.tree = self.tree.copy()

    @rule()
    def load(self) -> None:
        tree, self.tree = self.tree, Tree(self.keep, self.names)
        self.tree.gone = tree.gone
        for rows in tree.raw():
            self.tree.extend(rows)
        for delivery, failure in tree.failures.items():
            self.tree.fail(delivery, failure)
        for delivery, tokens in tree.tokens.items():
            self.tree.spend(delivery, tokens)
        for delivery, notes in tree.notes.items():
            for each in notes:
                self.tree.note(delivery, each)

    @invariant()
    def what_is_kept_is_the_end_of_what_was_added(self) -> None:
        kept = list(self.tree.nodes())
        assert kept == self.added[len(self.added) - len(kept) :]
        assert self.tree.forgotten + len(kept) == len(self.added)

    @precondition(lambda self: len(self.added) > self.keep)
    @invariant()
    def exactly_keep(self) -> None:
        assert self.keep == len(self.tree) == len(list(self.tree.nodes()))

    @invariant()
    def little_is_held_of_forgotten_rows(self) -> None:
        held = self.added[-(self.keep + self.keep // 4) :]
        numbers = {node.delivery for node in held}
        assert self.tree.failures.keys() | self.tree.tokens.keys() <= numbers


TestTrimming = Trimming.TestCase


def test_what_was_asked_for_does_not_change() -> None:
    """What `nodes` gave, and a copy, stay as they were while the run goes on."""
    tree = grown(2)
    nodes, copy = tree.nodes(), tree.copy()
    tree.add(3, 0, 0, "new", "other", Disposition.DEAD, 1, 1.0, 2.0)
    tree.fail(1, WHY)
    tree.spend(2, 5)
    assert [(node.delivery, node.failure) for node in nodes] == [(1, None), (2, None)]
    assert list(copy.nodes()) == list(grown(2).nodes())


def test_a_copy_grows_apart_from_the_one_it_came_from() -> None:
    """Rows, failures and tokens added to one are not in the other, whichever it is."""
    tree = grown(2)
    twin = tree.copy()
    twin.add(3, 0, 0, "new", "other", Disposition.OK, 1, 1.0, 2.0)
    twin.fail(1, WHY)
    twin.spend(2, 5)
    assert (len(tree), len(twin)) == (2, 3)
    assert list(tree.nodes()) == list(grown(2).nodes())
    assert twin.keep == tree.keep


def test_raw_rows_come_in_pieces_and_make_the_same_nodes() -> None:
    """However many there are, no piece is big, and together they are all rows."""
    tree, twin = grown(20_000, 20_000), Tree(20_000, names := Names())
    for name in ("files", "parser"):
        names.number(name)
    pieces = list(tree.raw())
    assert max(map(len, pieces)) < 256 * 1024
    for rows in pieces:
        twin.extend(rows)
    assert list(twin.nodes()) == list(tree.nodes())


def test_a_row_stays_far_below_300_bytes() -> None:
    """A hundred thousand rows take at most 60 bytes each, room to grow included."""
    tree = grown(100_000, keep=100_000)
    size = sum(sys.getsizeof(getattr(tree, name)) for name in Tree.__slots__)
    assert size / len(tree) < 60


def test_a_tree_that_keeps_nothing_is_refused() -> None:
    """`keep` is at least one."""
    with pytest.raises(ValueError, match="keep=0"):
        Tree(keep=0)
