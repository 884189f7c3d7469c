"""What an executor tells of its agents, its channels, and how far a run has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagger.state.queues import PENDING, UNLOADED
from dagger.words.outcomes import DEAD_LETTER, Disposition, RunStatus

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.run import Run

_LOST = (Disposition.DROPPED, Disposition.EXPIRED, Disposition.CANCELLED, Disposition.DISCARDED)


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """A channel as it is now, over all open runs."""

    name: str
    """Its name."""
    subscriber_count: int
    """Registered agents that hear it."""
    message_count: int
    """Messages ever published on it."""
    pending: Mapping[str, int]
    """Pending deliveries by agent."""
    capacity: int
    """Of a queue for this channel, where its agent does not say otherwise."""
    overflow: str
    """What a full queue for it does, where its agent does not say otherwise."""
    dropped: int
    """Deliveries from it that were ever pushed out of a queue."""
    created_at: float
    """Epoch seconds."""
    is_active: bool
    """False once it was shut down."""


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """A registered agent as it is now."""

    name: str
    """Its name."""
    description: str
    """What it is for, in words."""
    subscribe: tuple[str, ...]
    """The channels it hears."""
    publish: tuple[str, ...]
    """The channels it says that it publishes on."""
    concurrency: int
    """How many of its invocations run at once."""
    running: int
    """Deliveries it has in hand."""
    waiting: int
    """Handlers of it that wait without a worker."""
    pending: int
    """Deliveries in its queues, over all open runs."""
    where: str
    """Where the handler is: "function (file:line)"."""


@dataclass(frozen=True, slots=True)
class AgentProgress:
    """How far one agent has come in one run; or one step of a flow."""

    handled: int
    """Deliveries that it has seen to their end, well or badly."""
    failed: int
    """Of those, the ones that are dead or were rejected."""
    lost: int
    """Deliveries that ended otherwise: dropped, expired, cancelled or discarded."""
    pending: int
    """Deliveries in its queue."""
    in_hand: int
    """Deliveries taken and not ended: running, or waiting for a retry, a timer or people."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come; made in time proportional to its agents, not its messages."""

    run_id: str
    """The id of the run."""
    status: RunStatus
    """Where it stands, or how it has ended."""
    seconds: float
    """Wall time since it was opened, or from then to its end."""
    messages: int
    """Messages published in it."""
    agents: Mapping[str, AgentProgress]
    """Every registered agent, and those that are gone but have had something to do. Or steps."""
    of: str = "agent"
    """What `agents` are: "agent" or "step"."""


def list_channels(engine: Engine) -> list[ChannelInfo]:
    """Every channel that an agent names, or that was declared, by name."""
    pending = _counts(engine, PENDING)
    messages: Counter[str] = Counter()
    for run in engine.state.runs.values():
        messages.update({name: lane.messages for name, lane in run.lanes.items()})
    found = []
    for name, channel in sorted(engine.state.channels.items()):
        capacity, overflow = engine.channel_limits.get(name, (None, None))
        hearers = [s.name for s in engine.state.subscribers.values() if name in s.subscriptions]
        found.append(
            ChannelInfo(
                name=name,
                subscriber_count=len(hearers),
                message_count=channel.forgotten + messages.get(name, 0),
                pending={agent: pending.get((agent, name), 0) for agent in hearers},
                capacity=capacity or engine.config.capacity,
                overflow=(overflow or engine.config.overflow).value,
                dropped=channel.dropped,
                created_at=channel.created_at,
                is_active=not channel.closed,
            )
        )
    return found


def list_agents(engine: Engine) -> list[AgentInfo]:
    """Every registered agent, by name."""
    pending, unloaded = Counter[str](), Counter[str]()
    for (agent, _), count in _counts(engine, PENDING).items():
        pending[agent] += count
    for (agent, _), count in _counts(engine, UNLOADED).items():
        unloaded[agent] += count
    return [
        AgentInfo(
            name=name,
            description=crew.agent.description,
            subscribe=crew.agent.subscribe,
            publish=tuple(crew.agent.publish),
            concurrency=crew.agent.concurrency,
            running=crew.active,
            waiting=crew.parked + unloaded[name],
            pending=pending[name],
            where=crew.agent.where,
        )
        for name, crew in sorted(engine.crews.items())
    ]


def progress(engine: Engine, run: Run) -> Progress:
    """How far a run has come."""
    tallies: dict[str, list[list[int]]] = {name: [] for name in engine.crews}
    for (agent, _), tally in run.tallies.items():
        tallies.setdefault(agent, []).append(tally)
    return Progress(
        run_id=run.id,
        status=run.standing(),
        seconds=max(0.0, (run.ended_at or engine.now()) - run.opened_at),
        messages=run.messages,
        agents={agent: _agent_progress(run, agent, found) for agent, found in tallies.items()},
    )


def _agent_progress(run: Run, agent: str, tallies: list[list[int]]) -> AgentProgress:
    return progress_of(tallies, run.queues[agent].depth if agent in run.queues else 0)


def progress_of(tallies: Sequence[Sequence[int]], pending: int) -> AgentProgress:
    """How far those have come of whom these are the counts, and who have so much in their queue."""
    delivered = sum(tally[0] for tally in tallies)
    ended = sum(sum(tally[1:]) for tally in tallies)
    lost = sum(tally[1 + kind] for tally in tallies for kind in _LOST)
    return AgentProgress(
        handled=ended - lost,
        failed=sum(tally[1 + kind] for tally in tallies for kind in DEAD_LETTER),
        lost=lost,
        pending=pending,
        in_hand=delivered - ended - pending,
    )


def _counts(engine: Engine, stage: int) -> dict[tuple[str, str], int]:
    """Deliveries at one stage, by (agent, channel)."""
    counts: dict[tuple[str, str], int] = {}
    for live in engine.runs.live.values():
        for delivery in live.state.deliveries.values():
            if delivery.stage == stage:
                place = delivery.queue.subscriber.name, delivery.envelope.publication.channel
                counts[place] = counts.get(place, 0) + 1
    return counts
