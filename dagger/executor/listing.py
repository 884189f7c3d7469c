"""What an executor tells of its agents and channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagger.state.queues import PENDING

if TYPE_CHECKING:
    from dagger.executor.engine import Engine


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """A channel as it is now, over all open runs."""

    name: str
    subscriber_count: int
    message_count: int
    """Messages ever published on it."""
    pending: Mapping[str, int]
    """Pending deliveries by agent."""
    capacity: int
    """Of a queue for this channel, where its agent does not say otherwise."""
    overflow: str
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
    description: str
    subscribe: tuple[str, ...]
    publish: tuple[str, ...]
    concurrency: int
    running: int
    """Deliveries it has in hand."""
    waiting: int
    """Handlers of it that wait without a worker."""
    pending: int
    where: str


def list_channels(engine: Engine) -> list[ChannelInfo]:
    """Every channel that an agent names, or that was declared, by name."""
    pending = _pending(engine)
    found = []
    for name, channel in sorted(engine.state.channels.items()):
        capacity, overflow = engine.channel_limits.get(name, (None, None))
        hearers = [s.name for s in engine.state.subscribers.values() if name in s.subscriptions]
        found.append(
            ChannelInfo(
                name=name,
                subscriber_count=len(hearers),
                message_count=channel.messages,
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
    pending: dict[str, int] = {}
    for (agent, _), count in _pending(engine).items():
        pending[agent] = pending.get(agent, 0) + count
    return [
        AgentInfo(
            name=name,
            description=crew.agent.description,
            subscribe=crew.agent.subscribe,
            publish=tuple(crew.agent.publish),
            concurrency=crew.limit,
            running=crew.active,
            waiting=crew.parked,
            pending=pending.get(name, 0),
            where=crew.agent.where,
        )
        for name, crew in sorted(engine.crews.items())
    ]


def _pending(engine: Engine) -> dict[tuple[str, str], int]:
    """Pending deliveries by (agent, channel)."""
    counts: dict[tuple[str, str], int] = {}
    for live in engine.runs.live.values():
        for delivery in live.state.deliveries.values():
            if delivery.stage == PENDING:
                place = delivery.queue.subscriber.name, delivery.envelope.publication.channel
                counts[place] = counts.get(place, 0) + 1
    return counts
