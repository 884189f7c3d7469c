"""Scripted agents answer as their script says, remember what they got, and say when it is over."""

from __future__ import annotations

from typing import Any

import pytest

from dagger import Immediate, agent, registry
from dagger.testing import scripted, simulate, simulated


def run(*agents: Any, payload: Any = 1) -> Any:
    """The report of one simulated run."""

    async def main() -> Any:
        async with simulated(*agents) as executor:
            return await executor.run("start", payload)

    return simulate(main)


def test_the_nth_call_gets_the_nth_entry() -> None:
    """Values are returned, errors raised, functions called; and every payload is noted."""

    @agent(subscribe="start", publish="ask", publish_each=True)
    async def spread() -> list[int]:
        return [1, 2, 3, 4]

    async def doubled(payload: int) -> int:
        return 2 * payload

    script = ["first", ValueError("once"), LookupError, lambda payload: -payload, doubled, None]
    model = scripted(
        "model", subscribe="ask", publish="out", retry=Immediate(), max_attempts=3, script=script
    )
    report = run(spread, model)
    assert report.outputs == {"out": ["first", -2, 6]}
    assert sorted(model.calls) == [1, 2, 2, 2, 3, 4]
    assert report.retries == 2
    model.assert_finished()


def test_a_script_may_be_streamed() -> None:
    """With `stream=True` each entry is a list, whose items go out one by one, errors among them."""
    script = [["a", "b", ValueError("cut off")], ["a", lambda payload: -payload]]
    model = scripted(
        "model", subscribe="start", publish="out", retry=Immediate(), stream=True, script=script
    )
    report = run(model)
    assert report.outputs == {"out": ["a", "b", -1]}
    assert report.retries == 1
    model.assert_finished()


def test_one_call_too_many_fails() -> None:
    """Behind the end of its script a call fails, and names the agent."""
    model = scripted("model", subscribe="start", script=[ValueError("once")], max_attempts=2)
    report = run(model)
    assert report.error.type == "ValueError"
    assert report.dead_letters[0].failure.type == "ScriptOver"
    assert "'model'" in report.dead_letters[0].failure.message
    with pytest.raises(AssertionError, match="called 2 times"):
        model.assert_finished()


def test_a_script_that_was_not_used_up_is_told() -> None:
    """Fewer calls than the script says are an error too, if somebody asks."""
    model = scripted("model", subscribe="start", publish="out", script=["a", "b"])
    run(model, payload="hello")
    with pytest.raises(AssertionError, match=r"called 1 times.*2 entries.*'hello'"):
        model.assert_finished()


def test_a_scripted_agent_is_in_no_registry() -> None:
    """Tests may make many of one name."""
    for _ in range(2):
        scripted("one of many", subscribe="start", script=[])
    assert "one of many" not in list(registry)


def test_it_is_an_agent_like_any_other() -> None:
    """Its options are those of `@agent`, schemas included."""
    model = scripted(
        "model", subscribe="start", publish={"out": {"type": "string"}}, script=[1, "good"]
    )
    assert model.subscribe == ("start",)
    assert run(model).outputs == {"out": ["good"]}
