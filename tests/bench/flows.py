"""What flows cost: loading a document, deciding what runs when, and carrying it out."""

from __future__ import annotations

import gc
import time
from collections import deque

from dagger import Executor
from dagger.flows import Flow, Flows, parse, step
from dagger.flows.happenings import Begun, FlowStatus, Running, Start, Succeeded
from dagger.flows.plan import advance, begin
from dagger.flows.references import in_condition, in_text
from tests.bench.scenarios import ROUNDS
from tests.flows.flows import SHAPES, Needs, chain, fan_out, shaped

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
    in_text.cache_clear()
    in_condition.cache_clear()
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


async def flow_steps(steps: int = 1_000) -> dict[str, float]:
    """Microseconds of one step in a chain of 1,000, all in memory: sent, carried out by a step
    function that does nothing, and heard of.
    """
    return await carrying_out(chain(steps))


async def flow_steps_at_once(steps: int = 1_000) -> dict[str, float]:
    """The same of 999 steps that all need one other, and run side by side."""
    return await carrying_out(fan_out(steps))


async def carrying_out(needs: Needs) -> dict[str, float]:
    """What a step of such a flow takes: the best of some runs, and the first."""

    @step
    async def work() -> None:
        """Do nothing."""

    flows = Flows(shaped(needs), uses=[work])
    times: list[float] = []
    for _ in range(1 + 2 * ROUNDS):
        async with Executor(flows.agents) as executor:
            gc.collect()
            started = time.perf_counter()
            report = await flows.run(executor, "shaped")
            times.append(time.perf_counter() - started)
        assert report.status is FlowStatus.SUCCEEDED
    return {"us": min(times) / len(needs) * 1e6, "first_us": times[0] / len(needs) * 1e6}
