"""Progress: how far a run of a flow is, step by step, while it goes on."""

from __future__ import annotations

import anyio

from dagger import Executor, Flow
from dagger.executor.listing import AgentProgress
from dagger.flows.running.progress import by_step
from tests.flows.running.stage import ONCE, Stage
from tests.waiting import until


async def test_each_step_is_told_of_though_agents_do_several() -> None:
    """In the order of the flow, those too that have not begun; items count one by one, and what
    undoes a step stands apart.
    """
    stage = Stage(fails=["c"])
    stage.gates["b2"] = anyio.Event()
    undo = {"uses": "act", "with": {"name": "undo a"}}
    flow = Flow("f").step("a", "act", with_={"name": "a"}, compensate=undo)
    flow = flow.step(
        "b", "act", foreach=["b1", "b2", "b3"], with_={"name": "${{ item }}"}, needs="a"
    )
    flow = flow.step("c", "act", with_={"name": "c"}, needs="b")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow)
        await until(lambda: {"b1", "b2", "b3"} <= {*stage.noted})
        await until(lambda: by_step(live, flow).agents["b"].handled == 2)
        found = by_step(live, flow)
        assert found.of == "step"
        assert dict(found.agents) == {
            "a": AgentProgress(1, 0, 0, 0, 0),
            "b": AgentProgress(2, 0, 0, 0, 1),
            "c": AgentProgress(0, 0, 0, 0, 0),
        }
        stage.gates["b2"].set()
        await live.result()
        ended = by_step(live, flow).agents
        assert [*ended] == ["a", "b", "c", "a:undo"]
        assert (ended["c"].failed, ended["a:undo"].handled) == (1, 1)
