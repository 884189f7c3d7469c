"""A store that nobody owns, opened here for a moment, and left as it was but for one thing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from dagger.executor.executor import Executor
from dagger.executor.recovery import MANY
from dagger.words.errors import LockError

if TYPE_CHECKING:
    from dagger.words.config import Config


def visiting(store: Path, **settings: Any) -> Executor:
    """An executor of that store which has no agents, goes on with nothing, and lets nothing go.

    Entering it raises LockError while somebody else owns the store.
    """
    return Executor([], store=store, config=keeping(**settings), resume=False)


def done_here(store: Path, do: Callable[[Executor], Awaitable[object]]) -> bool:
    """Open the store and do it; False if somebody else has come to own it."""

    async def main() -> None:
        async with visiting(store) as executor:
            await do(executor)

    try:
        anyio.run(main)
    except LockError:
        return False
    return True


def keeping(**settings: Any) -> Config:
    """Settings that let nothing go, but for those given: what the programs of a store keep in
    it is theirs to say.
    """
    from dagger.words.config import Config

    everything: dict[str, Any] = {
        "keep_outputs": MANY,
        "keep_dead_letters": MANY,
        "keep_nodes": MANY,
        "keep_runs": MANY,
        "keep_runs_seconds": None,
        "keep_runs_bytes": None,
    }
    return Config(**everything | settings)
