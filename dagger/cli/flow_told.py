"""What has become of a run of a flow, step by step, for people and as data."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dagger.cli.aligned import aligned
from dagger.cli.people import described
from dagger.cli.times import moment, recent
from dagger.flows.running.definition import flow_of
from dagger.flows.running.showing import flow_report
from dagger.flows.running.timing import StepRuns, step_runs
from dagger.views.questions import open_questions
from dagger.views.wording import clean, duration, one_line, plural

if TYPE_CHECKING:
    from dagger.flows.model import Rescue, Step
    from dagger.flows.running.report import FlowReport, StepReport, UndoneReport
    from dagger.state.run import Run

LONGEST = 200
"""Characters of an error that are told of a step."""

MOST = 10
"""Items that are named, of those that have failed."""

MARKS = {
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("-", ""),
    "blocked": ("⊘", "yellow"),
    "cancelled": ("■", "yellow"),
    "running": ("▸", "cyan"),
    "rescuing": ("▸", "cyan"),
}
"""By the status of a step, its mark and its colour."""


class Told(NamedTuple):
    """A run of a flow, all that there is to tell of it."""

    run: Run
    report: FlowReport
    runs: Mapping[str, StepRuns]
    standing: str
    """The word for how the run stands."""

    def data(self) -> dict[str, Any]:
        """As plain JSON data."""
        found = self.report.data()
        steps = [{**each, **_times(self.runs.get(each["id"]))} for each in found["steps"]]
        started, ended = self.run.opened_at, self.run.ended_at
        about = {"run_status": self.standing, "run_reason": self.run.reason or self.run.obstacle}
        return {**found, **about, "started": started, "ended": ended, "steps": steps}


def told(run: Run, standing: str) -> Told | None:
    """What there is to tell; None of a run that is of no flow, or of which that is not known."""
    report = flow_report(run)
    return None if report is None else Told(run, report, step_runs(run), standing)


def _times(runs: StepRuns | None) -> dict[str, Any]:
    if runs is None:
        return {}
    seconds = None if runs.ended is None else _seconds(runs, runs.ended)
    return {**runs._asdict(), "seconds": seconds}


def _seconds(runs: StepRuns, now: float) -> float:
    return max(0.0, (now if runs.ended is None else runs.ended) - runs.started)


# -- for people ----------------------------------------------------------------------


def lines(found: Told, *, here: bool = False) -> Iterator[str]:
    """Lines for people; of a run that was carried out `here` without what they know or are told
    anyway: what steps use and when they began, and what keeps the run from going on.
    """
    now = time.time()
    yield from _head(found, now, here)
    yield ""
    yield from _steps(found, now, here)
    for question in open_questions(found.run):
        yield from ("", *described(question))
    if found.report.undo is not None:
        yield from _undone(found.report.undo)
    if found.report.output is not None:
        output = json.dumps(found.report.output, indent=2, ensure_ascii=False)
        yield from ("", "output", clean(output))


def _head(found: Told, now: float, here: bool) -> Iterator[str]:
    run, report = found.run, found.report
    end = now if run.ended_at is None else run.ended_at
    took = duration(max(0.0, end - run.opened_at))
    since = f" after {took}" if run.ended_at is not None else f", opened {moment(run.opened_at)}"
    yield f"flow {report.flow} · run {clean(run.id)} · {found.standing}{since}"
    reasons = (report.reason, run.reason, "" if here else run.obstacle)
    for reason in dict.fromkeys(filter(None, reasons)):
        yield from (f"  {line}" for line in clean(reason).splitlines())


def _steps(found: Told, now: float, here: bool) -> Iterator[str]:
    reports = found.report.steps
    uses = {} if here else {each.id: each.uses for each in _known(found)}
    rows = [_cells(found, each, uses.get(each.id, ""), now) for each in reports]
    shown = [(row[0], row[2], row[4]) for row in rows] if here else rows
    for report, cells in zip(reports, aligned(shown, len(shown[0]) - 1), strict=True):
        mark, colour = MARKS.get(report.status, ("·", ""))
        told = ", ".join(remarks(report, found.runs.get(report.id)))
        yield f"{click.style(mark, fg=colour or None)} {'  '.join([*cells, told])}".rstrip()


def _known(found: Told) -> Iterator[Step | Rescue]:
    """The steps as the flow has them, unless that was too large for the report."""
    if found.report.definition:
        yield from flow_of(found.report.definition).all_steps()


def _cells(found: Told, report: StepReport, uses: str, now: float) -> tuple[str, ...]:
    runs = found.runs.get(report.id)
    began = "" if runs is None else recent(runs.started, now)
    return report.id, uses, report.status, began, _took(runs, now)


def _took(runs: StepRuns | None, now: float) -> str:
    return "" if runs is None else duration(_seconds(runs, now))


def notes(found: Told, now: float) -> dict[str, str]:
    """By step, what a picture says besides its status."""
    undo = found.report.undo
    undone = {} if undo is None else _steps_of(undo.undone, "undone")
    stuck = {} if undo is None else _steps_of(undo.failed, "could not be undone")
    return {
        each.id: ", ".join(_note(each, found.runs.get(each.id), (undone | stuck).get(each.id), now))
        for each in found.report.steps
    }


def _steps_of(items: Iterable[str], word: str) -> dict[str, str]:
    """By step, a word about those of which some are items: "store", "store[3]"."""
    return {each.partition("[")[0]: word for each in items}


def _note(
    report: StepReport, runs: StepRuns | None, undone: str | None, now: float
) -> Iterator[str]:
    if runs is not None:
        yield _took(runs, now)
    if undone is not None:
        yield undone
    yield from remarks(report, runs)


def remarks(report: StepReport, runs: StepRuns | None) -> Iterator[str]:
    """What else is to be said of a step: its items, its attempts, and why it ended so."""
    if report.items is not None:
        yield _items(report, runs)
    if runs is not None and runs.tried_again:
        yield plural(runs.attempts, "attempt")
    if report.reused:
        yield "reused" if report.items is None else f"{report.reused:,} reused"
    if report.error is not None:
        but = "in spite of " if report.status == "succeeded" else ""
        yield one_line(f"{but}{report.error['type']}: {report.error['message']}", LONGEST)
    if report.reason:
        yield one_line(report.reason, LONGEST)


def _items(report: StepReport, runs: StepRuns | None) -> str:
    """How many of its items there are, are done, and have failed."""
    assert report.items is not None
    failed = report.items_failed
    done = runs.done if runs is not None else 0
    few = f"{done:,} of " if done + len(failed) < report.items else ""
    said = f"{few}{plural(report.items, 'item')}{' done' if few else ''}"
    if not failed:
        return said
    named = ", ".join(map(str, failed[:MOST])) + (", …" if len(failed) > MOST else "")
    return f"{said}, {len(failed):,} failed ({named})"


def _undone(undo: UndoneReport) -> Iterator[str]:
    yield from _list("undone", undo.undone)
    yield from _list(
        "could not be undone",
        [f"{step} · {one_line(why, LONGEST)}" for step, why in undo.failed.items()],
    )
    yield from _list("not undone", undo.left)


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from chain(("", f"{title} ({len(lines):,})"), (f"  {each}" for each in lines))
