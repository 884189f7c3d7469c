"""Asking people, and waiting for moments: what nodes do that call no function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagger.authoring.context import Context
from dagger.graphs.outcome import Outcome
from dagger.graphs.running.calling import reply
from dagger.graphs.running.context import NodeContext
from dagger.graphs.running.hub import Hub, branch_at
from dagger.graphs.values import Seen
from dagger.rules.expressions import compiled

DECISIONS: Mapping[str, Any] = {
    "anyOf": [
        {"enum": ["retry", "skip", "abort"]},
        {
            "type": "object",
            "properties": {"do": {"enum": ["retry", "skip"]}, "state": {"type": "object"}},
            "required": ["do"],
            "additionalProperties": False,
        },
    ]
}
"""What a person may say about a node that has failed: one word, or what is to be done with what
changes in the state.
"""


class Asker:
    """Asks people, and waits for moments."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def ask(self, payload: Any, ctx: NodeContext) -> Any:
        """What an ask node asks."""
        machine = await self._hub.get((ctx.run_here, payload["of"]))
        inner, branch = branch_at(machine, tuple(payload["at"]))
        question = inner.nodes[payload["node"]].question
        assert question is not None
        prompt = compiled(question.prompt).render({"state": Seen(branch.view)})
        default: dict[str, Any] = {"default": question.default} if question.has_default else {}
        answer = await ctx.ask(
            prompt,
            name=payload["node"],
            schema=question.schema,
            choices=question.choices,
            timeout=question.timeout,
            to=question.to,
            **default,
        )
        return reply(Outcome(((question.key, answer),)), ctx)

    async def decide(self, payload: Any, ctx: NodeContext) -> Any:
        """What is to be done about a node that has failed."""
        prompt = {
            "node": payload["node"],
            "error": payload["error"],
            "say": "retry, skip, abort, or {do: retry or skip, state: {what changes}}",
        }
        answer = await ctx.ask(prompt, name=payload["node"], schema=DECISIONS)
        if isinstance(answer, str):
            return reply(Outcome(decision=answer), ctx)
        changes = tuple(answer.get("state", {}).items())
        return reply(Outcome(changes, decision=answer["do"]), ctx)

    async def wait(self, payload: Any, ctx: Context) -> Any:
        """Until a moment has come."""
        await ctx.sleep(until=payload["until"])
        return {"woken": True, "at": max(payload["until"], ctx.now())}
