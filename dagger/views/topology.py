"""Agents and channels as they are declared, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dagger.views import dot
from dagger.views.render import render
from dagger.views.wording import one_line

if TYPE_CHECKING:
    import networkx

Schema = dict[str, Any] | bool


@dataclass(frozen=True, slots=True)
class AgentShape:
    """What an agent declares, with the settings that hold for it in its executor."""

    name: str
    subscribes: tuple[str, ...] = ()
    publishes: tuple[str, ...] | Literal["*"] = ()
    """Channels, or "*" for any."""
    description: str = ""
    concurrency: int = 1
    overflow: str = "drop_oldest"
    """"drop_oldest", "block" or "reject", whoever said it: agent, channel or config."""
    capacity: int | None = None
    """Pending deliveries that its queue holds for one run."""
    input_schema: Schema | None = None
    output_schemas: Mapping[str, Schema] = field(default_factory=dict)
    """By channel."""
    where: str = ""
    """"file:line" of its handler."""
    hears_itself: bool = False

    def writes(self, channel: str) -> bool:
        """Whether it may publish on `channel`."""
        return self.publishes == "*" or channel in self.publishes

    def hears(self, other: AgentShape, channel: str) -> bool:
        """Whether what `other` publishes on `channel` comes to it."""
        apart = self.name != other.name or self.hears_itself
        return apart and channel in self.subscribes and other.writes(channel)


@dataclass(frozen=True, slots=True)
class ChannelShape:
    """What is declared about a channel; None where nothing is."""

    name: str
    capacity: int | None = None
    overflow: str | None = None
    schema: Schema | None = None


@dataclass(frozen=True)
class Topology:
    """Who subscribes to and publishes on what."""

    agents: tuple[AgentShape, ...] = ()
    """Those that are registered."""
    channels: tuple[ChannelShape, ...] = ()
    """The declared ones; agents may name more."""

    def channel_names(self) -> tuple[str, ...]:
        """Every channel that is declared or named by an agent, sorted."""
        names = {channel.name for channel in self.channels}
        for agent in self.agents:
            names.update(agent.subscribes, () if agent.publishes == "*" else agent.publishes)
        return tuple(sorted(names))

    def readers(self, channel: str) -> tuple[AgentShape, ...]:
        """The agents that subscribe to `channel`."""
        return tuple(agent for agent in self.agents if channel in agent.subscribes)

    def writers(self, channel: str) -> tuple[AgentShape, ...]:
        """The agents that name `channel` among their publications; "*" names none."""
        named = (agent for agent in self.agents if agent.publishes != "*")
        return tuple(agent for agent in named if channel in agent.publishes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "agents": [_plain(agent) for agent in self.agents],
            "channels": [_plain(channel) for channel in self.channels],
        }

    def to_networkx(self) -> networkx.DiGraph:
        """A networkx.DiGraph of "agent:<name>" and "channel:<name>", along the messages.

        Nodes have `kind` ("agent" or "channel"), `name`, and what is declared.
        """
        import networkx

        graph = networkx.DiGraph()
        for agent in self.agents:
            graph.add_node(_agent(agent.name), kind="agent", **_plain(agent))
        declared = {channel.name: channel for channel in self.channels}
        for name in self.channel_names():
            channel = declared.get(name, ChannelShape(name))
            graph.add_node(_channel(name), kind="channel", **_plain(channel))
        graph.add_edges_from(self._edges())
        return graph

    def to_dot(self) -> str:
        """The picture in Graphviz's language: agents as boxes, channels as pills.

        Channels that no agent publishes on have a heavy border: runs start there. Those
        that no agent subscribes to are notes: they are outputs.
        """
        return dot.digraph("topology", self._statements())

    def render(self, path: str | Path, format: str | None = None) -> Path:
        """Draw the picture to a file; its suffix or `format` says how.

        Raises ExecutionError where Graphviz is not installed.
        """
        return render(self.to_dot(), path, format)

    def _edges(self) -> Iterator[tuple[str, str]]:
        for agent in self.agents:
            for name in dict.fromkeys(agent.subscribes):
                yield _channel(name), _agent(agent.name)
            for name in dict.fromkeys(() if agent.publishes == "*" else agent.publishes):
                yield _agent(agent.name), _channel(name)

    def _statements(self) -> Iterator[str]:
        yield from dot.preamble(ranksep=0.5)
        for agent in self.agents:
            yield _agent_node(agent)
        for name in self.channel_names():
            yield self._channel_node(name)
        for tail, head in self._edges():
            yield dot.edge(tail, head)

    def _channel_node(self, name: str) -> str:
        read, written = bool(self.readers(name)), bool(self.writers(name))
        pieces = [dot.text(name, size=10)]
        look: dict[str, str | float] = {"style": "rounded,filled", "fillcolor": "#ffffff"}
        if read and not written:
            pieces.append(dot.text("entry", size=9, colour=dot.QUIET))
            look |= {"penwidth": 2.4, "color": dot.INK}
        elif written and not read:
            pieces.append(dot.text("output", size=9, colour=dot.QUIET))
            look = dot.NOTE
        elif not read:
            pieces.append(dot.text("unused", size=9, colour=dot.QUIET))
            look |= {"style": "rounded,dashed", "color": dot.PALE}
        else:
            look |= {"color": dot.PALE}
        return dot.node(_channel(name), label=dot.lines(*pieces), **look)


def _agent(name: str) -> str:
    return f"agent:{name}"


def _channel(name: str) -> str:
    return f"channel:{name}"


def _agent_node(agent: AgentShape) -> str:
    pieces = [dot.text(agent.name, bold=True)]
    if agent.description:
        pieces.append(dot.text(one_line(agent.description, 50), size=9, colour=dot.QUIET))
    if said := _settings(agent):
        pieces.append(dot.text(" · ".join(said), size=9, colour=dot.QUIET))
    return dot.node(
        _agent(agent.name),
        label=dot.lines(*pieces),
        style="filled",
        fillcolor="#dcedf7",
        color="#0072b2",
        penwidth=1.2,
    )


def _settings(agent: AgentShape) -> list[str]:
    """What is not the usual about an agent."""
    said = []
    if agent.concurrency > 1:
        said.append(f"{agent.concurrency} at once")
    if agent.overflow != "drop_oldest":
        said.append(f"{agent.overflow} at {agent.capacity:,}" if agent.capacity else agent.overflow)
    if agent.hears_itself:
        said.append("hears itself")
    if agent.publishes == "*":
        said.append("publishes anywhere")
    return said


def _plain(shape: AgentShape | ChannelShape) -> dict[str, Any]:
    return {each.name: _data(getattr(shape, each.name)) for each in fields(shape)}


def _data(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
