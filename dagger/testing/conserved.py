"""Whether all that a run published is accounted for, as far as its report tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dagger.views.report import AgentCounts, ChannelCounts, Report
from dagger.views.table import table
from dagger.words.outcomes import DISPOSITIONS

WIDTH = 100
"""Columns of the tables."""


def assert_conserved(report: Report) -> None:
    """Raise AssertionError, with the counts in tables, unless the counts of a report add up.

    What each agent was delivered has ended in one disposition each, or is open; nothing is
    open once the run has ended; and each message is an output or was delivered.
    """
    problems = list(_problems(report))
    assert not problems, "\n".join(
        [
            f"run {report.run_id!r}, which is {report.status}, does not add up:",
            *(f"- {problem}" for problem in problems),
            *_table("agent", report.agents),
            *_table("channel", report.channels),
        ]
    )


def _problems(report: Report) -> Iterator[str]:
    if not report.conserved:
        yield "its own counts do not agree"
    if report.ended is not None and report.open:
        yield f"it has ended with {report.open} deliveries open"
    for noun, rows in (("agents", report.agents), ("channels", report.channels)):
        yield from _sums(report, noun, rows)
    messages = sum(each.messages for each in report.channels.values())
    if messages != report.messages:
        yield f"{messages} messages over its channels, but {report.messages} in all"
    for channel, counts in report.channels.items():
        if counts.delivered < counts.messages - counts.outputs:
            yield (
                f"channel {channel!r}: of {counts.messages} messages {counts.outputs} are "
                f"outputs, and there were {counts.delivered} deliveries"
            )


def _sums(
    report: Report, noun: str, rows: Mapping[str, AgentCounts] | Mapping[str, ChannelCounts]
) -> Iterator[str]:
    """What agents or channels count must come to what the run counts."""
    for name, counts in rows.items():
        ended = sum(counts.dispositions.values())
        if counts.delivered != ended + counts.open or counts.open < 0:
            yield f"{name!r}: {counts.delivered} delivered, {ended} ended, {counts.open} open"
    opened = sum(counts.open for counts in rows.values())
    if opened != report.open:
        yield f"{opened} deliveries are open by {noun}, but {report.open} in all"
    ended = sum(sum(counts.dispositions.values()) for counts in rows.values())
    if ended != report.handled:
        yield f"{ended} deliveries have ended by {noun}, but {report.handled} in all"


def _table(
    noun: str, rows: Mapping[str, AgentCounts] | Mapping[str, ChannelCounts]
) -> Iterator[str]:
    titles = (noun, "delivered", "open", *DISPOSITIONS)
    cells = [
        (name, [each.delivered, each.open, *(each.dispositions.get(d, 0) for d in DISPOSITIONS)])
        for name, each in rows.items()
    ]
    yield from ("", *table(titles, cells, WIDTH))
