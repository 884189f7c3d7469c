"""What lint finds in a topology, and what it leaves alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dagger.views.lint import Finding, lint
from dagger.views.topology import AgentShape, ChannelShape, Schema, Topology
from tests.views.drawn import topologies


def agent(name: str, hears: str = "", says: str = "", **more: object) -> AgentShape:
    """An agent by the names of its channels, separated by spaces; says="*" for any."""
    publishes = "*" if says == "*" else tuple(says.split())
    return AgentShape(name, tuple(hears.split()), publishes, **more)  # type: ignore[arg-type]


def found(*agents: AgentShape, entry: str | None = None) -> list[tuple[str, str, str]]:
    """Level, code and subject of what lint finds."""
    return [finding[:3] for finding in lint(Topology(agents), entry)]


def only(code: str, topology: Topology, entry: str | None = None) -> list[Finding]:
    """The findings of one code."""
    return [finding for finding in lint(topology, entry) if finding.code == code]


PIPELINE = (agent("parse", "files", "modules"), agent("count", "modules", "totals"))


def test_a_sound_pipeline_has_only_notes() -> None:
    """Where runs may start and what they put out is told, as a note."""
    assert found(*PIPELINE) == [("note", "entry", "files"), ("note", "output", "totals")]


def test_the_entry_is_not_told_when_it_is_given() -> None:
    """A channel that nobody publishes on is right where runs start."""
    assert found(*PIPELINE, entry="files") == [("note", "output", "totals")]


def test_an_entry_without_subscriber_is_an_error() -> None:
    """Runs would end at once; the nearest name is offered."""
    (finding,) = only("no-subscriber", Topology(PIPELINE), "file")
    assert finding.level == "error"
    assert finding.text == ("runs start here, but no agent subscribes to it; did you mean 'files'?")


def test_a_channel_that_only_the_outside_could_write_is_a_warning() -> None:
    """With a given entry, another channel without publisher is suspicious, and its agent too."""
    lonely = agent("lonely", "nothing")
    assert found(*PIPELINE, lonely, entry="files")[:2] == [
        ("warning", "no-publisher", "nothing"),
        ("warning", "unreachable", "lonely"),
    ]


def test_a_misspelt_channel_is_a_warning_at_both_ends() -> None:
    """A written and a read channel of nearly one name point at each other."""
    warnings = [
        (finding.subject, finding.text.rpartition("; ")[2])
        for finding in lint(Topology((agent("a", "in", "results"), agent("b", "result", "out"))))
        if finding.level == "warning"
    ]
    assert ("results", "did you mean 'result'?") in warnings
    assert ("result", "did you mean 'results'?") in warnings


def test_an_agent_that_feeds_only_itself_is_not_fed() -> None:
    """Publishing on one's own subscription reaches nobody, unless hears_itself is said."""
    loop = agent("loop", "work", "work")
    assert ("note", "entry", "work") in found(loop)
    assert ("warning", "no-publisher", "work") in found(*PIPELINE, loop, entry="files")


def test_agents_that_wait_for_each_other_are_unreachable() -> None:
    """A circle that nothing outside leads into can never start."""
    circle = (agent("ping", "ping", "pong"), agent("pong", "pong", "ping"))
    assert found(*circle) == [
        ("warning", "unreachable", "ping"),
        ("warning", "unreachable", "pong"),
    ]
    assert found(*circle, entry="ping") == []


def test_an_agent_without_subscription_is_unreachable() -> None:
    """It is told what is missing."""
    (finding,) = only("unreachable", Topology((agent("idle"),)))
    assert finding.text == "it subscribes to no channel; pass subscribe="


def test_an_agent_that_may_publish_anywhere_reaches_everything() -> None:
    """With publish="*" about, what cannot be known is a note and no warning."""
    lonely, router = agent("lonely", "nothing"), agent("router", "totals", "*")
    assert found(*PIPELINE, router, lonely, entry="files") == [("note", "no-publisher", "nothing")]


def test_a_declared_channel_that_nobody_uses_is_noted() -> None:
    """Declaring is no use by itself."""
    topology = Topology(PIPELINE, (ChannelShape("spare"),))
    assert [finding.subject for finding in only("unused", topology)] == ["spare"]


def test_a_cycle_of_blocking_channels_is_named() -> None:
    """Agents that can all wait for each other to make room are named with their channels."""
    cycle = (
        agent("a", "start back", "there", overflow="block"),
        agent("b", "there", "further", overflow="block"),
        agent("c", "further", "back done", overflow="block"),
    )
    (finding,) = only("blocking-cycle", Topology(cycle), "start")
    assert (finding.level, finding.subject) == ("warning", "a -> b -> c -> a")
    assert "'a' -[there]-> 'b' -[further]-> 'c' -[back]-> 'a'" in finding.text


def test_a_cycle_with_one_open_end_does_not_block() -> None:
    """One agent whose queue drops or rejects is enough to get on."""
    cycle = (
        agent("a", "start back", "there", overflow="block"),
        agent("b", "there", "back", overflow="drop_oldest"),
    )
    assert only("blocking-cycle", Topology(cycle)) == []


def test_an_agent_can_block_itself() -> None:
    """Only if it hears itself."""
    deaf = agent("a", "c", "c", overflow="block")
    vain = agent("a", "c", "c", overflow="block", hears_itself=True)
    assert only("blocking-cycle", Topology((deaf,))) == []
    assert [each.subject for each in only("blocking-cycle", Topology((vain,)))] == ["a -> a"]


def served(output: Schema | None, taken: Schema | None) -> list[tuple[str, str]]:
    """What is found about a publisher and a subscriber with these schemas."""
    schemas = {} if output is None else {"c": output}
    writer = agent("w", "in", "c", output_schemas=schemas)
    reader = agent("r", "c", input_schema=taken, where="r.py:3")
    everything = lint(Topology((writer, reader)))
    about = [finding for finding in everything if finding.subject == "w -> c -> r"]
    return [finding[:2] for finding in about]


def test_schemas_that_cannot_meet_are_an_error() -> None:
    """A publisher none of whose messages the subscriber takes is found before anything runs."""
    assert served({"type": "string"}, {"type": "object"}) == [("error", "schemas")]


def test_schemas_that_meet_are_not_mentioned() -> None:
    """The same schema, or a subscriber that takes anything, is no finding."""
    assert served({"type": "string"}, {"type": "string"}) == []
    assert served({"type": "string"}, None) == []


def test_what_cannot_be_decided_is_said_to_be_so() -> None:
    """Schemas that may or may not meet, and publishers without one, are notes."""
    assert served({"type": "string"}, {"type": "string", "pattern": "^a"}) == [
        ("note", "not-decided")
    ]
    assert served(None, {"type": "string"}) == [("note", "not-decided")]


def test_an_error_says_where_the_subscriber_is() -> None:
    """File and line of the agent that takes something else are in the text."""
    writer = agent("w", "in", "c", output_schemas={"c": {"type": "string"}})
    reader = agent("r", "c", input_schema={"type": "object"}, where="r.py:3")
    (finding,) = only("schemas", Topology((writer, reader)))
    assert "'r' (r.py:3)" in finding.text


def test_a_channel_schema_stands_for_publishers_without_one() -> None:
    """What the channel lets through is what its subscribers can get."""
    topology = Topology(
        (agent("w", "in", "c"), agent("r", "c", input_schema={"type": "object"})),
        (ChannelShape("c", schema={"type": "string"}),),
    )
    assert [finding[:3] for finding in lint(topology) if "->" in finding.subject] == [
        ("error", "schemas", "the channel -> c -> r")
    ]


@given(topologies, st.sampled_from([None, "a", "zzz"]))
def test_findings_are_the_same_each_time_and_the_worst_come_first(
    topology: Topology, entry: str | None
) -> None:
    """The order of agents changes nothing, and no finding is said twice."""
    findings = lint(topology, entry)
    levels = [finding.level for finding in findings]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert lint(Topology(topology.agents[::-1], topology.channels), entry) == findings
    assert len(set(findings)) == len(findings)
