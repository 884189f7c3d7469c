"""Conservation: nothing that was published is ever unaccounted for.

Per run, agent and channel, what was delivered is what has ended, in one disposition
each, plus what is still open. The same counts are kept in several places of the
state; here they are held against each other.
"""

from __future__ import annotations

from collections import Counter

from dagger.state.run import Run
from dagger.words.errors import ConservationError
from dagger.words.outcomes import Disposition

_DROPPED = 1 + Disposition.DROPPED  # its place in a tally, after what was delivered

Tallies = dict[tuple[str, str], list[int]]
"""(agent, channel) -> counts, as `Run.tallies` gives them."""


def check(run: Run) -> None:
    """Raise ConservationError, with the numbers, unless all counts of a run add up.

    One step for each pair of agent and channel, each channel and each open delivery.
    """
    tallies = run.tallies
    _check_pairs(run, tallies)
    _check_channels(run, tallies)
    dropped = sum([tally[_DROPPED] for tally in tallies.values()])
    if dropped != run.dropped:
        problem = f"{dropped} dropped by agent and channel, but {run.dropped} in all"
        raise ConservationError(run.id, "what was dropped", problem)


def _check_pairs(run: Run, tallies: Tallies) -> None:
    """What an agent was delivered on a channel has ended or is open."""
    still = _still_open(run)
    handled = 0
    for pair, tally in tallies.items():
        delivered = tally[0]
        ended = sum(tally) - delivered
        handled += ended
        if delivered != ended + still.get(pair, 0):
            problem = f"{delivered} delivered, but {ended} ended and {still.get(pair, 0)} open"
            raise ConservationError(run.id, _named(pair), problem)
    for pair, count in still.items():
        if pair not in tallies:
            raise ConservationError(run.id, _named(pair), f"0 delivered, but {count} open")
    if handled != run.handled:
        problem = f"{handled} ended by agent and channel, but {run.handled} in all"
        raise ConservationError(run.id, "what has ended", problem)


def _check_channels(run: Run, tallies: Tallies) -> None:
    """Each message is an output, or was delivered at most once to each agent."""
    lanes = run.lanes
    heard: dict[str, int] = {}
    for pair, tally in tallies.items():
        delivered, channel = tally[0], pair[1]
        heard[channel] = heard.get(channel, 0) + delivered
        messages = lanes[channel].messages if channel in lanes else 0
        if delivered > messages:
            problem = f"{delivered} delivered, but {messages} published"
            raise ConservationError(run.id, _named(pair), problem)
    for channel, lane in lanes.items():
        if lane.messages - lane.outputs > heard.get(channel, 0):
            problem = (
                f"{lane.messages} published, but {lane.outputs} outputs "
                f"and {heard.get(channel, 0)} delivered"
            )
            raise ConservationError(run.id, f"channel {channel!r}", problem)


def _still_open(run: Run) -> dict[tuple[str, str], int]:
    """Deliveries that have not ended, by agent and channel."""
    if not run.deliveries:
        return {}
    return Counter(
        (each.queue.subscriber.name, each.envelope.publication.channel)
        for each in run.deliveries.values()
    )


def _named(pair: tuple[str, str]) -> str:
    return f"agent {pair[0]!r} on channel {pair[1]!r}"
