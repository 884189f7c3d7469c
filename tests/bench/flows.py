"""What flows cost before anything runs: loading a document, and deciding what runs when."""

from __future__ import annotations

import gc
import time
from collections import deque

from dagger.flows import Flow, parse
from dagger.flows.happenings import Begun, FlowStatus, Running, Start, Succeeded
from dagger.flows.plan import advance, begin
from dagger.flows.references import forget
from tests.bench.scenarios import ROUNDS
from tests.flows.flows import SHAPES, shaped

STEP = """\
  - id: s{number}
    uses: http.request
    with:
      url: "http://localhost/${{{{ inputs.month }}}}/{number}"
      headers: {{accept: application/json, authorization: "${{{{ inputs.token }}}}"}}
      json: ${{{{ steps.s{before}.output.items[0].id }}}}
    retry: {{kind: exponential, max_attempts: 4}}
    timeout: 30
    when: ${{{{ steps.s{before}.output.ok and inputs.month != '' }}}}
"""


def document(steps: int) -> str:
    """A chain of requests, each with three expressions and a condition."""
    head = "name: long\ninputs: {month: {type: string}, token: {type: string}}\nsteps:\n"
    first = "  - {id: s0, uses: http.request, with: {url: x}}\n"
    return (
        head
        + first
        + "".join(STEP.format(number=number, before=number - 1) for number in range(1, steps))
    )


def flow_loading(steps: int = 1_000) -> dict[str, float]:
    """Seconds of the processor that a document of 1,000 steps takes: the first one of a process,
    with all that is imported for it, and the best of some others.
    """
    text = document(steps)
    times = [loading(text) for _ in range(1 + 2 * ROUNDS)]
    return {"s": times[0], "best_s": min(times), "kb": len(text) / 1e3}


def loading(text: str) -> float:
    """Seconds of the processor that a document takes of which nothing is remembered."""
    forget()
    gc.collect()
    started = time.process_time()
    parse(text)
    return time.process_time() - started


def plan(flow: Flow) -> None:
    """Decide of each step of a flow when it runs."""
    state = begin(flow)
    started = deque(advance(state, Begun()))
    while started:
        command = started.popleft()
        if isinstance(command, Start):
            started += advance(state, Running(command.step))
            started += advance(state, Succeeded(command.step))
    assert state.status is FlowStatus.SUCCEEDED


def planning(large: int = 100_000, small: int = 1_000) -> dict[str, float]:
    """What planning costs a step in one flow of 100,000, against 100 flows of 1,000.

    The same number of steps is planned both times, so that what differs is how large a flow is
    and not how much memory the steps take. The worst of the shapes counts.
    """
    found: dict[str, float] = {}
    for name, shape in SHAPES.items():
        one, many = [shaped(shape(large))], [shaped(shape(small)) for _ in range(large // small)]
        rounds = [(timed(one), timed(many)) for _ in range(ROUNDS + 2)]
        of_large, of_small = (min(times) / large for times in zip(*rounds, strict=True))
        found[f"{name}_us"], found[f"{name}_ratio"] = of_large * 1e6, of_large / of_small
    return {"ratio": max(found[f"{name}_ratio"] for name in SHAPES), **found}


def timed(flows: list[Flow]) -> float:
    """Seconds of the processor that planning some flows takes."""
    gc.collect()
    gc.freeze()
    started = time.process_time()
    for each in flows:
        plan(each)
    return time.process_time() - started
