"""Registries: agents by name, as long as somebody holds them."""

from __future__ import annotations

import gc
import weakref

import pytest

from dagger import Agent, AgentNotFound, Registry, agent
from dagger.words.errors import DuplicateAgent


def one(name: str = "found") -> Agent:
    """An agent, made anew each time."""

    @agent(name=name, subscribe="start")
    async def handler() -> None:
        """One of this name."""

    return handler


def another(name: str = "found") -> Agent:
    """An agent of another definition."""

    @agent(name=name, subscribe="start")
    async def handler() -> None:
        """Another of this name."""

    return handler


def test_an_agent_is_found_by_name() -> None:
    """What was added is found, and listed in order of names."""
    registry = Registry()
    kept = [one("b"), one("a")]
    for each in kept:
        registry.add(each)
    registry.add_factory("c", one)
    assert list(registry) == ["a", "b", "c"]
    assert registry.get("b") is kept[0]


def test_a_name_nobody_has_is_an_error_that_lists_the_others() -> None:
    """AgentNotFound says which names there are."""
    registry = Registry()
    kept = one("known")
    registry.add(kept)
    with pytest.raises(AgentNotFound, match=r"no agent 'unknown'; known: 'known'"):
        registry.get("unknown")


def test_a_definition_that_runs_again_replaces_itself() -> None:
    """Of one definition the agent that was made last is found."""
    registry = Registry()
    first, second = one(), one()
    registry.add(first)
    registry.add(second)
    assert registry.get("found") is second


def test_modules_and_functions_may_use_one_name_until_it_is_asked_for() -> None:
    """Two agents of one name from different places both work; only the name is refused."""
    registry = Registry()
    first, second = one(), another()
    registry.add(first)
    registry.add(second)
    with pytest.raises(DuplicateAgent) as caught:
        registry.get("found")
    assert caught.value.existing == first.where
    assert second.where in str(caught.value)


def test_agents_are_held_weakly() -> None:
    """An agent that its owner has let go is not found any more, and is not kept alive."""
    registry = Registry()
    made = one()
    registry.add(made)
    alive = weakref.ref(made)
    del made
    gc.collect()
    assert alive() is None
    assert list(registry) == []
    with pytest.raises(AgentNotFound):
        registry.get("found")


def test_factories_make_an_agent_each_time() -> None:
    """A factory is called when its agent is asked for, and not before."""
    registry = Registry()
    calls: list[int] = []

    def factory() -> Agent:
        calls.append(1)
        return one()

    registry.add_factory("made", factory)
    assert calls == []
    assert registry.get("made") is not registry.get("made")
    assert len(calls) == 2
    with pytest.raises(DuplicateAgent):
        registry.add_factory("made", factory)


def test_clear_forgets_all() -> None:
    """After `clear` the registry is as new."""
    registry = Registry()
    kept = one()
    registry.add(kept)
    registry.add_factory("made", one)
    registry.clear()
    assert list(registry) == []
