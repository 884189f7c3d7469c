"""Registries: where executors find agents by name."""

from __future__ import annotations

from typing import Any

import pytest

from dagger import Agent, AgentNotFound, Registry, agent, registry
from dagger.words.errors import DefinitionError, DuplicateAgent
from tests.promises.conftest import MakeExecutor


async def test_an_executor_finds_agents_by_name(make_executor: MakeExecutor) -> None:
    """What `@agent` decorates is in the default registry; its name will do for it."""
    heard: list[Any] = []

    @agent(name="test_registry.found by name", subscribe="start")
    async def found(payload: Any) -> None:
        heard.append(payload)

    assert registry.get("test_registry.found by name") is found
    async with make_executor(["test_registry.found by name"]) as executor:
        await executor.run("start", 1)
    assert heard == [1]


async def test_a_registry_of_ones_own(make_executor: MakeExecutor) -> None:
    """An executor may look in another registry, which knows only what it was told."""
    heard: list[str] = []
    own = Registry()

    def made(name: str) -> Agent:
        @agent(name=name, subscribe="start")
        async def note() -> None:
            heard.append(name)

        return note

    kept = made("kept")
    own.add(kept)
    own.add_factory("made", lambda: made("made"))
    executor = make_executor(["kept"], registry=own)
    executor.register("made")
    with pytest.raises(AgentNotFound, match=r"'other'.*'kept', 'made'"):
        executor.register("other")
    async with executor:
        await executor.run("start", {})
    assert sorted(heard) == ["kept", "made"]


async def test_what_a_factory_makes_is_the_executors_own(make_executor: MakeExecutor) -> None:
    """Two executors that ask a factory get an agent each."""
    own = Registry()
    made: list[Agent] = []

    def factory() -> Agent:
        count = len(made)

        @agent(name="made", subscribe="start", publish="out")
        async def number() -> int:
            return count

        made.append(number)
        return number

    own.add_factory("made", factory)
    for expected in range(2):
        async with make_executor(["made"], registry=own) as executor:
            report = await executor.run("start", {})
        assert report.outputs == {"out": [expected]}


@pytest.mark.parametrize("thing", [print, 5, None, object()])
async def test_what_is_no_agent_is_refused(make_executor: MakeExecutor, thing: Any) -> None:
    """Registering something that was never decorated says what to do."""
    with pytest.raises(DefinitionError, match=r"@agent\(subscribe=\.\.\.\)"):
        make_executor([thing])


async def test_two_agents_of_one_name_do_not_come_together(make_executor: MakeExecutor) -> None:
    """One executor has one agent of a name, wherever they come from."""

    def one() -> Agent:
        @agent(name="same", subscribe="start")
        async def handler() -> None:
            """The first."""

        return handler

    def other() -> Agent:
        @agent(name="same", subscribe="start")
        async def handler() -> None:
            """The second."""

        return handler

    with pytest.raises(DuplicateAgent) as caught:
        make_executor([one(), other()])
    assert "test_registry.py" in str(caught.value)
    assert str(caught.value).count("test_registry.py") == 2
