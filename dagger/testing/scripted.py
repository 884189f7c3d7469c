"""Scripted agents: the n-th call is answered as the n-th entry of a script says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, fields
from inspect import isawaitable
from typing import Any, cast

from dagger.authoring.agent import Agent
from dagger.authoring.making import make
from dagger.authoring.options import AgentOptions
from dagger.words.errors import ScriptOver


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScriptedAgent(Agent):
    """An agent that answers by a script."""

    script: tuple[Any, ...]
    """What each call answers: a value, an exception, or a function of the payload."""
    calls: list[Any]
    """The payload of each call, in order: attempts that followed a failure, and calls behind
    the end of the script included."""

    def assert_finished(self) -> None:
        """Raise AssertionError unless it was called as often as its script says."""
        assert len(self.calls) == len(self.script), (
            f"agent {self.name!r} was called {len(self.calls)} times, and its script has "
            f"{len(self.script)} entries; it was called with {self.calls!r}"
        )


def scripted(name: str, *, script: Iterable[Any], **options: Any) -> ScriptedAgent:
    """An agent whose n-th call is answered by the n-th entry of `script`.

    An exception, or a class of them, is raised; a function is called with the payload, and
    awaited if it is async; any other value is returned. With `stream=True` an entry is a list
    of those, which are streamed one by one. One more call than there are entries fails with
    ScriptOver. `options` are those of `@agent`. It is in no registry.
    """
    entries, calls = tuple(script), list[Any]()

    def entry(payload: Any) -> Any:
        calls.append(payload)
        if len(calls) > len(entries):
            raise ScriptOver(name, len(entries))
        return entries[len(calls) - 1]

    async def answer(payload: Any) -> Any:
        """Answer as the script says."""
        return await _answer(entry(payload), payload)

    async def stream(payload: Any) -> AsyncGenerator[Any]:
        """Stream what the script says."""
        for each in entry(payload):
            yield await _answer(each, payload)

    handler = stream if options.get("stream") else answer
    made = make(handler, {}, cast("AgentOptions", {**options, "name": name}))
    said = {each.name: getattr(made, each.name) for each in fields(Agent)}
    return ScriptedAgent(**said, script=entries, calls=calls)


async def _answer(entry: Any, payload: Any) -> Any:
    if isinstance(entry, BaseException) or (
        isinstance(entry, type) and issubclass(entry, BaseException)
    ):
        raise entry
    value = entry(payload) if callable(entry) else entry
    return await value if isawaitable(value) else value
