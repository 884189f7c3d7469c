"""The hub: who calls a node waits for the machine of its run, and never in vain."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
import pytest

from dagger.authoring.origin import RunPlace
from dagger.graphs import Graph
from dagger.graphs.running.hub import Hub
from dagger.words.errors import ExecutionError
from tests.graphs.conducting import machine_of
from tests.waiting import until

RUN = (RunPlace(1, "run"), 1)
TOLD = "the run of this node cannot be carried out"


async def found(hub: Hub, how: str) -> Any:
    """What somebody finds, on the loop or in a thread."""
    try:
        if how == "loop":
            return await hub.get(RUN)
        return await anyio.to_thread.run_sync(hub.get_in_thread, RUN)
    except ExecutionError as error:
        return str(error)


@pytest.mark.parametrize("how", ["loop", "thread"])
@pytest.mark.parametrize("end", ["there", "failed", "stopped"])
async def test_who_waits_for_a_machine_hears_of_it(how: str, end: str) -> None:
    """Called before the machine is there a node waits until it is, or until it is clear that it
    never will be, since whoever was to carry the run out has failed or was stopped: then it
    fails, and says so.
    """
    hub, machine, heard = Hub(), machine_of(Graph("g").add_node("a")), list[Any]()
    unkind: type[BaseException] = ValueError if end == "failed" else KeyboardInterrupt

    async def wait() -> None:
        heard.append(await found(hub, how))

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(wait)
        await until(lambda: hub.awaited(RUN) == 2)
        assert heard == []
        if end == "there":
            hub.put(RUN, machine)
        else:
            with pytest.raises(unkind), hub.carried_out(RUN):
                raise unkind
    told = machine if end == "there" else TOLD
    assert heard == [told, told]


async def test_who_is_called_too_late_does_not_wait() -> None:
    """A run that has ended has no machine, and nobody waits for one; one that is stopped may go
    on later.
    """
    hub, machine = Hub(), machine_of(Graph("g").add_node("a"))
    with hub.carried_out(RUN):
        hub.put(RUN, machine)
        assert await found(hub, "loop") is machine
    assert await found(hub, "loop") == await found(hub, "thread") == TOLD
    hub.put(RUN, machine)
    assert await found(hub, "thread") is machine
