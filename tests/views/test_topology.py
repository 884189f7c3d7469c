"""Agents and channels as declared, and their picture."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

from hypothesis import given, settings
from hypothesis import strategies as st

from dagger.views.topology import AgentShape, ChannelShape, Topology
from tests.views import drawn

RESEARCH = Topology(
    agents=(
        AgentShape("planner", ("start",), ("queries",), "Split a topic into queries."),
        AgentShape(
            "searcher",
            ("queries",),
            ("results",),
            concurrency=8,
            overflow="block",
            capacity=1000,
            input_schema={"type": "string"},
            output_schemas=MappingProxyType({"results": {"type": "array"}}),
            where="research.py:12",
        ),
        AgentShape("watcher", ("results",), "*", hears_itself=True),
        AgentShape("writer", ("results",), ("answers",)),
    ),
    channels=(ChannelShape("spare", capacity=10), ChannelShape("queries", overflow="reject")),
)


def test_channels_are_those_declared_and_those_named() -> None:
    """Every channel has a name once, whoever mentions it."""
    assert RESEARCH.channel_names() == ("answers", "queries", "results", "spare", "start")
    assert [agent.name for agent in RESEARCH.readers("results")] == ["watcher", "writer"]
    assert [agent.name for agent in RESEARCH.writers("results")] == ["searcher"]


def test_an_agent_hears_itself_only_if_it_says_so() -> None:
    """Subscribing to what one publishes is not enough."""
    deaf, other = AgentShape("a", ("c",), ("c",)), AgentShape("b", ("c",), ("c",))
    vain = AgentShape("a", ("c",), ("c",), hears_itself=True)
    assert not deaf.hears(deaf, "c")
    assert deaf.hears(other, "c")
    assert vain.hears(vain, "c")


def test_a_topology_is_plain_data_on_request() -> None:
    """`to_dict` goes through JSON unharmed, with everything that is declared."""
    plain = RESEARCH.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["agents"][1]["output_schemas"] == {"results": {"type": "array"}}
    assert plain["agents"][2]["publishes"] == "*"
    assert plain["channels"][0] == {
        "name": "spare",
        "capacity": 10,
        "overflow": None,
        "schema": None,
    }


def test_networkx_gets_agents_and_channels() -> None:
    """Edges run along the messages: from channel to subscriber, from publisher to channel."""
    graph = RESEARCH.to_networkx()
    assert graph.nodes["agent:searcher"]["kind"] == "agent"
    assert graph.nodes["agent:searcher"]["concurrency"] == 8
    assert graph.nodes["channel:queries"]["overflow"] == "reject"
    assert set(graph.successors("channel:results")) == {"agent:watcher", "agent:writer"}
    assert set(graph.predecessors("channel:results")) == {"agent:searcher"}


@drawn.needs_graphviz
def test_the_picture_marks_where_runs_start_and_what_they_put_out() -> None:
    """Agents show what is unusual about them; loose channels show what they are."""
    assert sorted(drawn.shown(RESEARCH.to_dot())) == [
        "answers\noutput",
        "planner\nSplit a topic into queries.",
        "queries",
        "results",
        "searcher\n8 at once · block at 1,000",
        "spare\nunused",
        "start\nentry",
        "watcher\nhears itself · publishes anywhere",
        "writer",
    ]


@drawn.needs_graphviz
@given(st.lists(drawn.topologies, min_size=1, max_size=5))
@settings(max_examples=10)
def test_the_picture_of_any_topology_is_accepted(made: list[Topology]) -> None:
    """Graphviz draws whatever can be declared, with every agent and channel once."""
    for topology in made:
        drawn.dot(topology.to_dot())
        nodes = topology.to_networkx().number_of_nodes()
        assert nodes == len(topology.agents) + len(topology.channel_names())


def test_source_is_written_without_graphviz(tmp_path: Path) -> None:
    """`render` to .dot writes what `to_dot` gives."""
    path = RESEARCH.render(tmp_path / "topology.dot")
    assert path.read_text(encoding="utf-8") == RESEARCH.to_dot()
