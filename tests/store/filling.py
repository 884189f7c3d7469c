"""A program that publishes while its disk gets full, twice, and then has room again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagger import DiskFull, Executor, LmdbStore, OutcomeUnknown, StoreUnavailable, agent
from tests.waiting import until

MIB = 1024 * 1024


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Answer with what came."""
    return payload


def long_payload(run_id: str) -> str:
    """Much, and of each run something else: what is the same is on disk once."""
    return run_id + "x" * 50_000


async def fill_twice(
    path: Path, fill: Callable[[], None], look: Callable[[], None], free: Callable[[], None]
) -> int:
    """Work over a store until no room is left by `fill`; the ballast goes, and then there is none
    again. That is when `look` is called, and then `free`. All runs that were acknowledged are
    there in the end: how many.
    """
    kept = list[str]()
    store, ballast = LmdbStore(path), path / "ballast"
    async with Executor([echo], store=store) as executor:
        await executor.publish("start", long_payload("run 0"), run_id="run 0")
        kept.append("run 0")
        await until(lambda: ballast.stat().st_size == MIB)
        fill()
        await _publish_until_refused(executor, kept)
        # Now the ballast is let go of, which helps for a while.
        await until(lambda: store.trouble is None)
        assert ballast.stat().st_size == 0
        known = kept.pop()
        await _publish_until_refused(executor, kept)
        unknown = kept.pop()
        assert known in kept
        await until(lambda: store.trouble is not None)
        assert isinstance(store.trouble, DiskFull)
        look()

        free()
        await until(lambda: store.trouble is None)
        report = await executor.run("start", long_payload(unknown), run_id=unknown)
        assert report.outputs == {"out": [long_payload(unknown)]}
        await until(lambda: ballast.stat().st_size == MIB)
    async with Executor([echo], store=path) as executor:
        for run_id in kept:
            report = await executor.run("start", long_payload(run_id), run_id=run_id)
            assert report.outputs == {"out": [long_payload(run_id)]}
    return len(kept)


async def _publish_until_refused(executor: Executor, kept: list[str]) -> None:
    """Open runs until the store cannot keep one; `kept` are those that were acknowledged."""
    for number in range(len(kept), len(kept) + 1000):
        run_id = f"run {number}"
        try:
            await executor.publish("start", long_payload(run_id), run_id=run_id)
        except (OutcomeUnknown, StoreUnavailable):
            kept.append(run_id)  # refused or unknown: said again once there is room
            return
        kept.append(run_id)
    raise AssertionError("the disk never got full")
