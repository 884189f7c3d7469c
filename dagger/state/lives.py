"""Folds of agents, channels and runs: how they come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.state.codes import codes_of
from dagger.state.loading import load_run
from dagger.state.messages import brought, publish
from dagger.state.queues import (
    Channel,
    Subscriber,
)
from dagger.state.run import Run
from dagger.words.outcomes import RunStatus
from dagger.words.records import (
    AgentAdded,
    AgentRemoved,
    ChannelOpened,
    ChannelShut,
    CommandTaken,
    RunCancelling,
    RunEnded,
    RunForked,
    RunOpened,
    RunPaused,
    RunResumed,
    RunsForgotten,
)

if TYPE_CHECKING:
    from dagger.state.state import State

STATUS = {each.value: each for each in RunStatus}


def agent_added(state: State, record: AgentAdded) -> None:
    """It hears from the next message on; one of the same name is its successor."""
    known = state.subscribers.get(record.name)
    if known is None:
        state.subscribers[record.name] = Subscriber(
            record.name,
            record.subscriptions,
            record.hears_itself,
            record.code,
            record.join,
            record.publishes,
            record.cleans_up,
        )
    else:  # replaced: what is pending stays pending, for its successor
        known.subscriptions = record.subscriptions
        known.hears_itself = record.hears_itself
        known.code = record.code
        known.join, known.publishes = record.join, record.publishes
        known.cleans_up = record.cleans_up
    state.codes = codes_of(state.subscribers)
    state.rewired()


def agent_removed(state: State, record: AgentRemoved) -> None:
    """It hears nothing more."""
    gone = state.subscribers[record.name]
    gone.subscriptions = ()  # one of its name would be its successor
    gone.code = ""
    state.codes = codes_of(state.subscribers)
    state.rewired()


def channel_opened(state: State, record: ChannelOpened) -> None:
    """It is there, and open."""
    channel = state.channels.get(record.name)
    if channel is None:
        state.channels[record.name] = Channel(record.name, record.at)
    else:
        channel.closed = False
        state.rewired()


def channel_shut(state: State, record: ChannelShut) -> None:
    """Nothing can be published on it."""
    state.channels[record.name].closed = True
    state.rewired()


def run_opened(state: State, record: RunOpened) -> None:
    """A run, with its first message."""
    first = record.first
    run = Run(
        record.run,
        record.id,
        first,
        record.limits,
        record.at,
        state.keep,
        state.names,
    )
    run.codes = state.codes
    state.next_run = record.run
    state.runs[record.run] = run
    state.run_numbers[record.id] = record.run
    state.open_runs += 1
    run.outside = 1
    brought(state, run, first)
    publish(state, run, first, None, 0, record.at)


def run_forked(state: State, record: RunForked) -> None:
    """A run that has a past already, and goes on with the agents of now."""
    load_run(state, record.part, record.run).codes = state.codes
    state.next_run = record.run


def run_cancelling(state: State, record: RunCancelling) -> None:
    """The run only winds down, towards its terminal status."""
    run = state.runs[record.run]
    run.status = RunStatus.CANCELLING
    run.target = STATUS[record.status]
    run.reason = record.reason
    run.on_hold = False


def run_paused(state: State, record: RunPaused) -> None:
    """Nothing of it is taken until it is resumed."""
    run = state.runs[record.run]
    run.on_hold = True
    run.reason = record.reason


def run_resumed(state: State, record: RunResumed) -> None:
    """It goes on."""
    run = state.runs[record.run]
    run.on_hold = False
    run.reason = ""


def run_ended(state: State, record: RunEnded) -> None:
    """Its end: what only an open run needs is let go."""
    run = state.runs[record.run]
    run.status = STATUS[record.status]
    run.reason = record.reason
    run.ended_at = record.at
    for lane in run.lanes.values():
        lane.retire()
    for queue in run.queues.values():
        queue.leave()  # nobody takes while a journal is read: rotations would keep the run
    run.queues = {}
    run.joins = run.keyed = None
    state.open_runs -= 1
    state.backlog -= run.brought


def runs_forgotten(state: State, record: RunsForgotten) -> None:
    """They are gone, but for what channels count."""
    for number in record.runs:
        run = state.runs.pop(number)
        del state.run_numbers[run.id]
        for name, lane in run.lanes.items():
            if lane.messages:
                state.channels[name].forgotten += lane.messages


def command_taken(state: State, record: CommandTaken) -> None:
    """It, and all before it, are not carried out again."""
    state.commands = record.number
