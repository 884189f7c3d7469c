"""What flows within another could not undo.

Whoever waits for one that was stopped, or whose time was over, hears no more than that. So it
says itself what it could not undo, on its own channel `flow.step:report`, and whoever tells of the
run as a whole tells that too: the steps within are named "step.inner".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dagger.flows.running.report import FlowReport, UndoneReport
from dagger.state.run import Output
from dagger.words.payload import decode

REPORTS = ":report"
"""What follows a flow's channel on which its report is put out."""


STEP = "step"
"""The key, in what a flow within another tells, of the step or item that it carries out."""


def is_stuck(report: FlowReport) -> bool:
    """Whether something that has to be undone is not."""
    return report.undo is not None and bool(report.undo.failed or report.undo.left)


def with_those_within(report: FlowReport, channel: str, outputs: Iterable[Output]) -> FlowReport:
    """A report with what the flows within could not undo, which is among a run's outputs."""
    failed: dict[str, str] = {}
    left: dict[str, None] = {}
    for each in outputs:
        if each.channel.startswith(f"{channel}.") and each.channel.endswith(REPORTS):
            data = decode(each.payload)
            undo = FlowReport.of(data).undo or UndoneReport()
            path = each.channel.removeprefix(f"{channel}.").removesuffix(REPORTS)
            path += "".join(data[STEP].partition("[")[1:])
            failed |= {f"{path}.{name}": problem for name, problem in undo.failed.items()}
            left |= dict.fromkeys(f"{path}.{name}" for name in undo.left)
    if not failed and not left:
        return report
    own = report.undo or UndoneReport()
    undo = UndoneReport(own.undone, {**own.failed, **failed}, (*own.left, *left))
    return replace(report, undo=undo)
