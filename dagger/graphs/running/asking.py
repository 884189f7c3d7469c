"""Asking people, and waiting for moments: what nodes do that call no function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagger.authoring.context import Context
from dagger.graphs.machine import Machine
from dagger.graphs.model import Question
from dagger.graphs.outcome import Outcome
from dagger.graphs.running.calling import reply
from dagger.graphs.running.context import NodeContext
from dagger.graphs.running.hub import Hub, branch_at, execution_at
from dagger.graphs.shape import Shape
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

    def __init__(self, hub: Hub, shapes: Mapping[str, Shape]) -> None:
        self._hub = hub
        self._shapes = shapes  # by the names of the graphs

    def _shape(self, machine: Machine) -> Shape:
        return self._shapes[machine.definition.name]

    async def ask(self, payload: Any, ctx: NodeContext) -> Any:
        """What an ask node asks."""
        machine = await self._hub.get((ctx.run_here, payload["of"]))
        inner, branch = branch_at(machine, tuple(payload["at"]))
        question = inner.nodes[payload["node"]].question
        assert question is not None
        shape = self._shape(inner)

        def fits(answer: Any) -> None:
            shape.check(question.key, answer, payload["node"])

        prompt = compiled(question.prompt).render({"state": Seen(branch.view)})
        default: dict[str, Any] = {"default": question.default} if question.has_default else {}
        answer = await ctx.ask(
            prompt,
            name=payload["node"],
            schema=_schema(question, shape),
            choices=question.choices,
            timeout=question.timeout,
            to=question.to,
            validator=None if shape.schema(question.key) is None else fits,
            **default,
        )
        return reply(Outcome(((question.key, answer),)), ctx)

    async def decide(self, payload: Any, ctx: NodeContext) -> Any:
        """What is to be done about a node that has failed."""
        machine = await self._hub.get((ctx.run_here, payload["of"]))
        inner, _ = execution_at(machine, tuple(payload["at"]))
        shape = self._shape(inner)

        def fits(answer: Any) -> None:
            for key, value in _edits(answer):
                shape.check(key, value, payload["node"])

        prompt = {
            "node": payload["node"],
            "error": payload["error"],
            "say": "retry, skip, abort, or {do: retry or skip, state: {what changes}}",
        }
        answer = await ctx.ask(
            prompt,
            name=payload["node"],
            schema=DECISIONS,
            validator=None if shape.fields is None else fits,
        )
        decision = answer if isinstance(answer, str) else answer["do"]
        return reply(Outcome(_edits(answer), decision=decision), ctx)

    async def wait(self, payload: Any, ctx: Context) -> Any:
        """Until a moment has come."""
        await ctx.sleep(until=payload["until"])
        return {"woken": True, "at": max(payload["until"], ctx.now())}


def _schema(question: Question, shape: Shape) -> Any:
    """What an answer is said to be: as the question has it, or else as the state does."""
    if question.schema is not None or question.choices is not None:
        return question.schema
    return shape.schema(question.key)


def _edits(answer: Any) -> tuple[tuple[str, Any], ...]:
    """What a person changes in the state."""
    return () if isinstance(answer, str) else tuple(answer.get("state", {}).items())
