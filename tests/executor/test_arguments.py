"""What an executor is made of: odd arguments are told apart where they are handed in."""

from __future__ import annotations

from typing import Any

import pytest

import dagger
from dagger import Config, ConfigError, Context, Executor, MemoryStore, agent


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """An agent to hand in."""
    return payload


def test_a_folder_without_a_name_is_no_store() -> None:
    """A store is a folder; the empty path is refused at once."""
    with pytest.raises(ConfigError, match="its name is not empty"):
        Executor([echo], store="")


def test_a_dict_is_no_config() -> None:
    """Settings come as a Config."""
    with pytest.raises(ConfigError, match="it takes a Config"):
        Executor([echo], config={"capacity": 3})  # type: ignore[arg-type]


def test_an_unknown_strategy_is_told_under_its_own_name() -> None:
    """The setting is called retry_strategy, and it is looked at when the executor is made."""
    with pytest.raises(ConfigError, match="config 'retry_strategy': no strategy 'bogus'"):
        Executor([echo], config=Config(retry_strategy="bogus"))


async def test_one_agent_needs_no_list() -> None:
    """A single agent is as good as a list of one."""
    async with Executor(echo) as executor:
        assert (await executor.run("start", 1)).outputs == {"out": [1]}


def test_the_store_of_the_one_liner_may_stand_fourth() -> None:
    """`dagger.run(agents, channel, payload, store)`."""
    store = MemoryStore()
    assert dagger.run([echo], "start", 1, store).outputs == {"out": [1]}
    assert store.position > 0


@pytest.mark.parametrize("call", ["step", "sleep", "ask", "request", "scatter", "emit", "spend"])
async def test_a_plain_function_is_told_what_it_cannot_await(call: str) -> None:
    """A call that waits raises at once in a plain def handler, where it would do nothing."""
    arguments: dict[str, Any] = {
        "step": ("name", int),
        "sleep": (1,),
        "ask": ("?",),
        "request": ("out", 1),
        "scatter": ("out", [1]),
        "emit": ("c", 1),
        "spend": (),
    }

    @agent(subscribe="start", publish="out", max_attempts=1)
    def plain(ctx: Context) -> None:
        named = {"tokens": 1} if call == "spend" else {}
        getattr(ctx, call)(*arguments[call], **named)

    async with Executor([plain]) as executor:
        report = await executor.run("start", 1)
    assert report.error is not None
    assert f"called ctx.{call} in a plain def handler" in report.error.message
