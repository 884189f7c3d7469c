"""Steps that wait for each other are found, and none that do not."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from dagger.flows.cycles import circles

graphs = st.dictionaries(
    st.sampled_from("abcdefgh"), st.sets(st.sampled_from("abcdefgh"), max_size=3), min_size=1
).map(lambda needs: {name: sorted(each & needs.keys()) for name, each in needs.items()})


@given(graphs)
def test_each_knot_is_named_by_one_circle(needs: dict[str, list[str]]) -> None:
    """There is one for each group of steps that need each other, and each is a circle."""
    found = circles(needs)
    graph = networkx.DiGraph([(name, need) for name, each in needs.items() for need in each])
    knots = [
        group
        for group in networkx.strongly_connected_components(graph)
        if len(group) > 1 or graph.has_edge(*group, *group)
    ]
    assert len(found) == len(knots)
    for circle in found:
        assert any(group.issuperset(circle) for group in knots)
        assert len(set(circle)) == len(circle)
        for name, need in zip(circle, [*circle[1:], circle[0]], strict=True):
            assert need in needs[name]


def test_long_chains_are_no_matter() -> None:
    """Neither a chain of tens of thousands of steps nor a circle of them is too deep."""
    chain = {f"s{each}": [f"s{each + 1}"] for each in range(30_000)}
    assert circles({**chain, "s30000": []}) == []
    (circle,) = circles({**chain, "s30000": ["s0"]})
    assert len(circle) == 30_001
