"""What is going on in the third sample store of format 1: calls, cleaning up and what is condensed.

Each kind of record, effect and row that there is stands in one of the three.
"""

from __future__ import annotations

from pathlib import Path

import anyio

from dagger import Agent, CancelAsked, Config, Context, Executor, agent

CONFIG = Config(snapshot_every_records=2**40, snapshot_every_seconds=1e9)


@agent(subscribe="numbers")
async def double(payload: int, ctx: Context) -> int:
    """What calls get; the last is somebody's to tell."""
    return 2 * (await ctx.ask("how many?", name="many") if payload == 3 else payload)


@agent(subscribe="start", publish=["numbers", "out"], cleans_up=True)
async def add(payload: list[int], ctx: Context) -> None:
    """One call after another, from the sum so far; when it is cancelled it takes it back."""
    with ctx.calls() as calls:
        done, total = calls.base() or (0, 0)
        for number in payload[done:]:
            await calls.send("numbers", number, key=str(number))
            found = await calls.next()
            if isinstance(found, CancelAsked):
                await calls.send("numbers", -total, key="undo", cleanup=True)
                return
            done, total = done + 1, total + found.value
            calls.condense([done, total])
    ctx.publish("out", total)


AGENTS: list[Agent] = [double, add]


async def made(path: Path, copy: Path) -> None:
    """One run is done, one is cancelled, and one waits amid its calls as the copy is made."""
    async with Executor(AGENTS, store=path, config=CONFIG) as executor:
        await executor.run("start", [1, 2], run_id="added")
        for run_id in ("taken back", "adding"):
            live = await executor.start("start", [1, 2, 3], run_id=run_id)
            while not live.questions:
                await _turn()
            if run_id == "taken back":
                await live.cancel("not needed")
                await live.result()
        await executor.backup(copy)


async def _turn() -> None:
    """Let the others go on."""
    await anyio.sleep(0.001)
