"""What can be found wrong with a topology before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Literal, NamedTuple

from dagger.rules.compat import Answer, serves
from dagger.views.topology import AgentShape, Schema, Topology

Level = Literal["error", "warning", "note"]

_LEVELS: tuple[Level, ...] = ("error", "warning", "note")


class Finding(NamedTuple):
    """One thing worth knowing; an error cannot be meant."""

    level: Level
    code: str
    """"no-subscriber", "no-publisher", "output", "entry", "unused", "unreachable",
    "blocking-cycle", "schemas" or "not-decided"."""
    subject: str
    """The channel, agent, or agents it is about."""
    text: str
    """One sentence: what is found, and what to do where it is not obvious."""


def lint(topology: Topology, entry: str | None = None) -> tuple[Finding, ...]:
    """Everything found, errors first; the same topology gives the same findings.

    `entry` is the channel that runs start on; without it, any channel that no agent
    publishes on may be one. An agent with publish="*" may write anywhere: what only it
    could write is a note, and what it could reach is reached.
    """
    found = [
        *_channels(topology, entry),
        *_unreachable(topology, entry),
        *_blocking_cycles(topology),
        *_schemas(topology),
    ]
    return tuple(sorted(found, key=lambda finding: (_LEVELS.index(finding.level), *finding[1:])))


def _channels(topology: Topology, entry: str | None) -> Iterator[Finding]:
    unread, unwritten = _loose_ends(topology)
    for name in sorted({*topology.channel_names(), *([entry] if entry else [])}):
        if name == entry and not topology.readers(name):
            hint = _meant(name, topology.channel_names())
            text = f"runs start here, but no agent subscribes to it{hint}"
            yield Finding("error", "no-subscriber", name, text)
        elif name in unread:
            yield _read_by_nobody(topology, name, tuple(unwritten - {entry}))
        elif name in unwritten and name != entry:
            yield _written_by_nobody(topology, name, entry, tuple(unread))
        elif not topology.readers(name):
            text = "declared, but no agent subscribes to it or names it in publish="
            yield Finding("note", "unused", name, text)


def _loose_ends(topology: Topology) -> tuple[set[str], set[str]]:
    """Channels that are written but not read, and that are read but not written."""
    names = topology.channel_names()
    unread = {name for name in names if topology.writers(name) and not topology.readers(name)}
    read = {name for name in names if topology.readers(name)}
    fed = {name for name in read if _fed(topology, name)}
    return unread, read - fed


def _fed(topology: Topology, channel: str) -> bool:
    writers, readers = topology.writers(channel), topology.readers(channel)
    return any(reader.hears(writer, channel) for reader in readers for writer in writers)


def _read_by_nobody(topology: Topology, name: str, unwritten: tuple[str, ...]) -> Finding:
    writers = _names(topology.writers(name))
    if hint := _meant(name, unwritten):
        text = f"published on by {writers}, but no agent subscribes to it{hint}"
        return Finding("warning", "no-subscriber", name, text)
    text = f"published on by {writers}, and no agent subscribes to it: an output of the run"
    return Finding("note", "output", name, text)


def _written_by_nobody(
    topology: Topology, name: str, entry: str | None, unread: tuple[str, ...]
) -> Finding:
    readers = _names(topology.readers(name))
    why = "only its own subscriber publishes on it" if topology.writers(name) else ""
    why = why or "no agent publishes on it"
    if hint := _meant(name, unread):
        text = f"subscribed to by {readers}, but {why}{hint}"
        return Finding("warning", "no-publisher", name, text)
    if entry is None:
        text = f"subscribed to by {readers}, and {why}: runs may start here"
        return Finding("note", "entry", name, text)
    if anywhere := _names(tuple(each for each in topology.agents if each.publishes == "*")):
        text = f'subscribed to by {readers}; only publish="*" could write it, of {anywhere}'
        return Finding("note", "no-publisher", name, text)
    text = f"subscribed to by {readers}, but {why}, and runs start on {entry!r}"
    return Finding("warning", "no-publisher", name, text)


def _unreachable(topology: Topology, entry: str | None) -> Iterator[Finding]:
    starts = {entry} if entry else _loose_ends(topology)[1]
    reached = _reached(topology, starts)
    origin = f"channel {entry!r}" if entry else "channels that no agent publishes on"
    for agent in topology.agents:
        if agent.name in reached:
            continue
        heard = ", ".join(repr(name) for name in agent.subscribes)
        text = f"it hears {heard}, and no message from {origin} leads there"
        if not agent.subscribes:
            text = "it subscribes to no channel; pass subscribe="
        elif entry is None and not starts:
            text = f"it hears {heard}; every channel is published on by agents that wait for others"
        yield Finding("warning", "unreachable", agent.name, text)


def _reached(topology: Topology, starts: set[str]) -> set[str]:
    """Names of the agents that a message on one of `starts` can come to, step by step."""
    reached: set[str] = set()
    ahead = [agent for name in sorted(starts) for agent in topology.readers(name)]
    while ahead:
        agent = ahead.pop()
        if agent.name in reached:
            continue
        reached.add(agent.name)
        ahead += [
            other
            for other in topology.agents
            if any(other.hears(agent, channel) for channel in other.subscribes)
        ]
    return reached


def _blocking_cycles(topology: Topology) -> Iterator[Finding]:
    """One cycle of each group of agents that can all wait for each other to make room.

    Only through channels named in publish=: through "*" everything would be a cycle.
    """
    import networkx

    edges = {
        (writer.name, reader.name): channel
        for channel, writer, reader in _links(topology)
        if reader.overflow == "block"
    }
    for group in networkx.strongly_connected_components(networkx.DiGraph(sorted(edges))):
        inside = sorted(edge for edge in edges if group.issuperset(edge))
        if inside:
            yield _blocking_cycle(networkx.find_cycle(networkx.DiGraph(inside)), edges)


def _blocking_cycle(cycle: list[tuple[str, str]], edges: dict[tuple[str, str], str]) -> Finding:
    first = cycle[0][0]
    path = "".join(f" -[{edges[edge]}]-> {edge[1]!r}" for edge in cycle)
    text = (
        f"each may wait for the next to make room: {first!r}{path}; give one of them another "
        "overflow=, or a capacity= that is never reached"
    )
    return Finding("warning", "blocking-cycle", " -> ".join([first, *(b for _, b in cycle)]), text)


def _schemas(topology: Topology) -> Iterator[Finding]:
    declared = {each.name: each.schema for each in topology.channels if each.schema is not None}
    for channel, schema in declared.items():
        for reader in topology.readers(channel):
            yield from _served(channel, "the channel", schema, reader)
    for channel, writer, reader in _links(topology):
        output = writer.output_schemas.get(channel)
        if output is not None or channel not in declared:
            yield from _served(channel, writer.name, output, reader)


def _links(topology: Topology) -> Iterator[tuple[str, AgentShape, AgentShape]]:
    """Channel, publisher and subscriber wherever a message can go, as far as it is named."""
    for channel in topology.channel_names():
        for writer in topology.writers(channel):
            for reader in topology.readers(channel):
                if reader.hears(writer, channel):
                    yield channel, writer, reader


def _served(
    channel: str, writer: str, output: Schema | None, reader: AgentShape
) -> Iterator[Finding]:
    if reader.input_schema is None or reader.input_schema is True:
        return
    subject = f"{writer} -> {channel} -> {reader.name}"
    if output is None:
        text = f"not decided: {writer!r} declares no schema, so what it sends is checked on arrival"
        yield Finding("note", "not-decided", subject, text)
        return
    answer, reason, path = serves(output, reader.input_schema)
    if answer is Answer.NO:
        whose = f"{reader.name!r} ({reader.where})" if reader.where else repr(reader.name)
        text = f"nothing of that schema fits the input of {whose} at {path}: {reason}"
        yield Finding("error", "schemas", subject, text)
    elif answer is Answer.UNDECIDED:
        yield Finding("note", "not-decided", subject, f"not decided: {reason}")


def _names(agents: tuple[AgentShape, ...]) -> str:
    return ", ".join(sorted(repr(agent.name) for agent in agents))


def _meant(name: str, others: tuple[str, ...]) -> str:
    """A question to put behind a sentence, where one of the others is nearly the same."""
    near = get_close_matches(name, sorted(set(others) - {name}), n=1, cutoff=0.8)
    return f"; did you mean {near[0]!r}?" if near else ""
