"""A stage for flows: steps that note what they do, wait where they are told to, and may fail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anyio

from dagger import Config, Context, Flow, Flows, step
from dagger.flows.functions import StepFunction
from tests.waiting import until

ONCE = Config(retry_strategy="immediate", max_attempts=1)
"""Settings under which nothing is tried again unless a step says so."""


class Stage:
    """What the steps of a flow note, and how they are told what to do."""

    def __init__(self, *, waits: Iterable[str] = (), fails: Iterable[str] = ()) -> None:
        self.noted: list[str] = []
        """What was begun: "NAME", "undo NAME"; and "NAME stopped" for what was interrupted."""
        self.gates = {name: anyio.Event() for name in waits}
        """What waits until its gate is open."""
        self.fails = {*fails}
        self.given: dict[str, Any] = {}
        """What each was given besides its name."""

    def functions(self) -> list[StepFunction]:
        """`act` and `undo`, which take a name and anything else."""

        @step
        async def act(name: str, ctx: Context, **more: Any) -> str:
            return await self._do(name, more)

        @step
        async def undo(name: str, **more: Any) -> None:
            await self._do(f"undo {name}", more)

        return [act, undo]

    async def _do(self, name: str, more: Any) -> str:
        self.noted.append(name)
        self.given[name] = more
        if name in self.gates:
            try:
                await self.gates[name].wait()
            except anyio.get_cancelled_exc_class():
                self.noted.append(f"{name} stopped")
                raise
        if name in self.fails:
            raise LookupError(f"no {name}")
        return f"made {name}"

    async def reached(self, name: str) -> None:
        """Return once something has begun."""
        await until(lambda: name in self.noted)

    def flows(self, *flows: Flow, config: Config = ONCE, **options: Any) -> Flows:
        """These flows, on this stage."""
        return Flows(*flows, uses=self.functions(), config=config, **options)


def acting(flow: Flow, name: str, **options: Any) -> Flow:
    """The flow with a step more, which acts and can be undone."""
    given = {"name": name, **options.pop("with_", {})}
    undo = {"uses": "undo", "with": {"name": name, **options.pop("undo_with", {})}}
    undo |= options.pop("undo", {})
    return flow.step(name, "act", with_=given, compensate=undo, **options)


def line(*names: str, flow: Flow | None = None, **options: Any) -> Flow:
    """A flow of steps that act and can be undone, each of which needs the one before it."""
    flow = flow or Flow("line")
    for number, name in enumerate(names):
        flow = acting(flow, name, needs=names[max(0, number - 1) : number], **options)
    return flow
