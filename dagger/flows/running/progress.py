"""How far a run of a flow has come, step by step, while it goes on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from dagger.executor.listing import Progress, progress_of
from dagger.state.queues import PENDING

if TYPE_CHECKING:
    from dagger.executor.live import LiveRun
    from dagger.flows.flow import Flow


def by_step(live: LiveRun, flow: Flow) -> Progress:
    """The steps of a flow in their order, those too that have not begun; what is within one is
    "step.inner", and what undoes it "step:undo".
    """
    run, above = live.state, f"{live.state.opening.channel}."
    tallies: dict[str, list[list[int]]] = {step.id: [] for step in flow.all_steps()}
    for (_, channel), tally in run.tallies.items():
        if channel.startswith(above):
            tallies.setdefault(channel.removeprefix(above), []).append(tally)
    pending = Counter(
        each.envelope.publication.channel.removeprefix(above)
        for each in run.deliveries.values()
        if each.stage == PENDING
    )
    steps = {step: progress_of(found, pending[step]) for step, found in tallies.items()}
    return replace(live.progress(), agents=steps, of="step")
