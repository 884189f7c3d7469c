"""The hub: who calls a node waits for the machine of its run, and never in vain."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
import pytest

from dagger.graphs import Graph
from dagger.graphs.running.hub import Hub
from dagger.words.errors import ExecutionError
from tests.graphs.conducting import machine_of
from tests.waiting import turns

RUN = (1, 1)


async def found(hub: Hub, how: str) -> Any:
    """What somebody finds, on the loop or in a thread."""
    try:
        if how == "loop":
            return await hub.get(RUN)
        return await anyio.to_thread.run_sync(hub.get_in_thread, RUN)
    except ExecutionError as error:
        return str(error)


@pytest.mark.parametrize("how", ["loop", "thread"])
@pytest.mark.parametrize("there", [True, False])
async def test_who_waits_for_a_machine_hears_of_it(how: str, there: bool) -> None:
    """Called before the machine is there a node waits until it is, or until it is clear that it
    never will be: then it fails, and says so.
    """
    hub, machine, heard = Hub(), machine_of(Graph("g").add_node("a")), list[Any]()

    async def wait() -> None:
        heard.append(await found(hub, how))

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(wait)
        await turns()
        assert heard == []
        if there:
            hub.put(RUN, machine)
        else:
            hub.fail(RUN)
    told = machine if there else "the run of this node cannot be carried out"
    assert heard == [told, told]
