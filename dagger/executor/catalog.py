"""The catalog: which agents and channels an executor has, before, while and after it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from dagger.authoring.agent import Agent
from dagger.authoring.finding import check_found
from dagger.authoring.fingerprint import fingerprint
from dagger.authoring.options import SchemaLike
from dagger.authoring.registry import Registry
from dagger.executor.policies.terms import check_names
from dagger.executor.recovery import catch_up
from dagger.rules.schema import Schema, schema
from dagger.state.queues import PENDING, RUNNING
from dagger.words.errors import (
    AgentNotFound,
    ChannelInUse,
    ChannelNotFound,
    DefinitionError,
    DuplicateAgent,
)
from dagger.words.outcomes import Disposition, Overflow
from dagger.words.records import AgentAdded, AgentRemoved, ChannelOpened, ChannelShut, Swept

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.executor.policies.pool import Pool
    from dagger.state.queues import Delivery, Subscriber
    from dagger.state.run import Run
    from dagger.views.topology import AgentShape, Topology
    from dagger.words.config import Config

_DISCARDED = int(Disposition.DISCARDED)


class Channel(NamedTuple):
    """What was declared of a channel with `executor.channel`."""

    name: str
    capacity: int | None = None
    overflow: Overflow | None = None
    schema: Schema | None = None


class Catalog:
    """Agents and declared channels by name; with an engine, what is said takes effect."""

    def __init__(self, registry: Registry, pool: Pool) -> None:
        self.agents: dict[str, Agent] = {}
        self.channels: dict[str, Channel] = {}
        self._registry = registry
        self._pool = pool
        self._engine: Engine | None = None

    def attach(self, engine: Engine) -> None:
        """From now on everything here is so in the engine as well."""
        self._engine = engine
        for former in engine.state.subscribers.values():
            if former.subscriptions and former.name not in self.agents:
                engine.commit(AgentRemoved(former.name, engine.now()))
        for channel in self.channels.values():
            self._open(channel)
        for agent in self.agents.values():
            self._add(agent)

    def detach(self) -> None:
        """The engine has stopped."""
        self._engine = None

    # -- agents ----------------------------------------------------------------------

    def register(self, agents: Iterable[Agent | str], *, replace: bool) -> None:
        """Take agents in, all or none.

        Raises DuplicateAgent, AgentNotFound, ResourceUnavailable, and DefinitionError where they
        say different limits under one name.
        """
        found: dict[str, Agent] = {}
        for each in agents:
            agent = self._registry.get(each) if isinstance(each, str) else each
            if not isinstance(agent, Agent):
                raise DefinitionError(
                    f"{agent!r} is not an agent; decorate it with @agent(subscribe=...)"
                )
            check_found(agent)
            known = found.get(agent.name) or (None if replace else self.agents.get(agent.name))
            if known is not None:
                raise DuplicateAgent(agent.name, agent.where, known.where)
            self._pool.check(agent)
            found[agent.name] = agent
        check_names((self.agents | found).values())
        self.agents.update(found)
        if self._engine is not None:
            for agent in found.values():
                self._add(agent)
            catch_up(self._engine)

    def unregister(self, name: str) -> int:
        """Let an agent go; how many pending deliveries that discarded."""
        if self.agents.pop(name, None) is None:
            raise AgentNotFound(name, tuple(self.agents))
        engine = self._engine
        if engine is None:
            return 0
        engine.dismiss(name)
        discarded = _discard(engine, lambda each: each.queue.subscriber.name == name)
        engine.commit(AgentRemoved(name, engine.now()))
        _look_around(engine)
        return discarded

    def _add(self, agent: Agent) -> None:
        engine = self._engine
        assert engine is not None
        now = engine.now()
        for channel in (*agent.subscribe, *agent.publish):
            if channel not in engine.state.channels:
                engine.commit(ChannelOpened(channel, now))
        known = engine.state.subscribers.get(agent.name)
        code = fingerprint(agent) if engine.store.lasting else ""
        publishes = ("*",) if agent.publish_any else tuple(agent.publish)
        fields = (agent.name, agent.subscribe, agent.hears_itself, now, code, agent.join)
        wanted = AgentAdded(*fields, publishes, agent.cleans_up)
        if known is None or wanted != _added(known, now):
            engine.commit(wanted)
        engine.hire(agent)

    # -- channels --------------------------------------------------------------------

    def channel(
        self,
        name: str,
        capacity: int | None,
        overflow: str | None,
        declared: SchemaLike | None,
    ) -> None:
        """Declare a channel, or open one again; what is not given stays as it was declared."""
        if not name or not isinstance(name, str):
            raise DefinitionError(f"a channel's name must be a non-empty text, not {name!r}")
        where = f"channel {name!r}"
        if capacity is not None and (type(capacity) is not int or capacity < 1):
            raise DefinitionError(f"capacity must be at least 1, not {capacity!r}", where)
        if overflow is not None and overflow not in list(Overflow):
            known = ", ".join(Overflow)
            raise DefinitionError(f"overflow must be one of {known}, not {overflow!r}", where)
        before = self.channels.get(name, Channel(name))
        channel = self.channels[name] = Channel(
            name,
            before.capacity if capacity is None else capacity,
            before.overflow if overflow is None else Overflow(overflow),
            before.schema if declared is None else schema(declared, where),
        )
        if self._engine is not None:
            self._open(channel)

    def shutdown(self, name: str, *, force: bool) -> int:
        """Close a channel; how many pending deliveries that discarded.

        Raises ChannelInUse without `force` while it has subscribers or pending deliveries.
        """
        engine = self._engine
        if engine is None or name not in engine.state.channels:
            raise ChannelNotFound(name, tuple(engine.state.channels) if engine else ())

        def from_here(delivery: Delivery) -> bool:
            return delivery.envelope.publication.channel == name

        hearers = [s.name for s in engine.state.subscribers.values() if name in s.subscriptions]
        pending = sum(
            from_here(each) and each.stage == PENDING
            for live in engine.runs.live.values()
            for each in live.state.deliveries.values()
        )
        if (hearers or pending) and not force:
            raise ChannelInUse(name, tuple(hearers), pending)
        discarded = _discard(engine, from_here)
        engine.commit(ChannelShut(name, engine.now()))
        _look_around(engine)
        return discarded

    def _open(self, channel: Channel) -> None:
        engine = self._engine
        assert engine is not None
        known = engine.state.channels.get(channel.name)
        if known is None or known.closed:
            engine.commit(ChannelOpened(channel.name, engine.now()))
        engine.channel_limits[channel.name] = channel.capacity, channel.overflow
        if channel.schema is not None:
            engine.channel_schemas[channel.name] = channel.schema
        else:
            engine.channel_schemas.pop(channel.name, None)
        engine.relimit()
        if engine.admissions.any:
            engine.admissions.room()

    # -- the picture -----------------------------------------------------------------

    def topology(self, config: Config) -> Topology:
        """Agents and channels as they are declared."""
        from dagger.views.topology import ChannelShape, Topology

        return Topology(
            agents=tuple(self._shape(agent, config) for agent in self.agents.values()),
            channels=tuple(
                ChannelShape(
                    channel.name,
                    channel.capacity,
                    channel.overflow.value if channel.overflow else None,
                    channel.schema.source if channel.schema else None,
                )
                for channel in self.channels.values()
            ),
        )

    def _shape(self, agent: Agent, config: Config) -> AgentShape:
        from dagger.views.topology import AgentShape

        over = [self.channels[name].overflow for name in agent.subscribe if name in self.channels]
        overflow = agent.overflow or next(filter(None, over), None) or config.overflow
        return AgentShape(
            name=agent.name,
            subscribes=agent.subscribe,
            publishes="*" if agent.publish_any else tuple(agent.publish),
            description=agent.description,
            concurrency=agent.concurrency,
            overflow=overflow.value,
            capacity=agent.capacity,
            input_schema=agent.input.source if agent.input else None,
            output_schemas={
                name: declared.source for name, declared in agent.publish.items() if declared
            },
            where=agent.where,
            hears_itself=agent.hears_itself,
        )


def _added(known: Subscriber, at: float) -> AgentAdded:
    """What the journal says of an agent."""
    fields = (known.name, known.subscriptions, known.hears_itself, at)
    return AgentAdded(*fields, known.code, known.join, known.publishes, known.cleans_up)


def _discard(engine: Engine, chosen: Callable[[Delivery], bool]) -> int:
    """End what is not in hand of the chosen deliveries, in every run; how many that were."""
    count = 0
    for live in list(engine.runs.live.values()):
        run: Run = live.state
        numbers = tuple(
            each.number
            for each in run.deliveries.values()
            if each.stage != RUNNING and chosen(each)
        )
        if numbers:
            engine.commit(Swept(run.number, numbers, _DISCARDED, engine.now()))
            count += len(numbers)
    return count


def _look_around(engine: Engine) -> None:
    """After deliveries were discarded: queues may have room, and what is left may be nothing."""
    if engine.admissions.any:
        engine.admissions.room()
    for live in list(engine.runs.live.values()):
        engine.runs.quiet(live.state)
