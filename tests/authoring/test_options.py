"""The options of `@agent`: what cannot be meant is refused where it is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from dagger import DefinitionError, agent


async def handler(payload: Any) -> Any:
    """A handler for the options to be about."""
    return payload


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retyr": 3}, "did you mean 'retry'?"),
        ({"retry": "exp"}, "no strategy 'exp'"),
        ({"concurrency": 0}, "concurrency must be a whole number of at least 1"),
        ({"concurrency": None}, "concurrency must be a whole number of at least 1"),
        ({"capacity": True}, "capacity must be a whole number of at least 1"),
        ({"timeout": float("inf")}, "timeout must be more than 0 seconds"),
        ({"hears_itself": "yes"}, "hears_itself must be True or False"),
        ({"publish_each": True}, "needs publish= with exactly one channel"),
        ({"publish_each": True, "publish": ["a", "b"]}, "needs publish= with exactly one channel"),
        ({"stream": 1}, "stream must be True or False"),
        ({"stream": True, "publish": "out"}, "stream=True is for generators"),
        ({"output_schema": {"type": "object"}}, "output_schema= needs publish="),
        ({"name": ""}, "an agent's name must be a non-empty text"),
        ({"overflow": "drop"}, "overflow must be one of"),
    ],
)
def test_an_odd_option_is_refused_with_its_place(options: dict[str, Any], said: str) -> None:
    """The sentence says what is wrong, and names function, file and line."""
    with pytest.raises(DefinitionError) as caught:
        agent(**{"subscribe": "start", **options})(handler)
    assert said in str(caught.value)
    assert "handler (" in str(caught.value)
    assert "test_options.py:" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "needs publish= with exactly one channel"),
        ({"publish": ["a", "b"]}, "needs publish= with exactly one channel"),
        ({"publish": "*"}, "needs publish= with exactly one channel"),
        ({"publish": "a", "publish_each": True}, "keep one"),
    ],
)
def test_a_stream_has_one_place_to_go(options: dict[str, Any], said: str) -> None:
    """A generator that streams publishes on one channel, and item by item anyway."""

    async def numbers() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(DefinitionError) as caught:
        agent(subscribe="start", stream=True, **options)(numbers)
    assert said in str(caught.value)
    assert "test_options.py:" in str(caught.value)


def test_a_channel_instead_of_a_handler_gets_a_hint() -> None:
    """`@agent("start")` is told what was meant."""
    with pytest.raises(DefinitionError, match=r"did you mean @agent\(subscribe='start'\)"):
        agent("start")  # type: ignore[call-overload]
