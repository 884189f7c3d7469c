"""The ready-made collector: what it folds messages into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger import Agent, Context, Executor, Report, agent
from dagger_agents import Collection, collected, collector


async def gather(folder: Agent, messages: Sequence[Any], into: str = "collected") -> Collection:
    """What a collector makes of messages on the channel "things"."""
    return (await gather_and_report(folder, messages, into))[0]


async def gather_and_report(
    folder: Agent, messages: Sequence[Any], into: str = "collected"
) -> tuple[Collection, Report]:
    """The same, with the report of the run."""
    async with Executor([folder]) as executor:
        async with await executor.start("things", messages[0]) as run:
            for message in messages[1:]:
                await run.publish("things", message)
        report = await run.result()
        return collected(run, into), report


async def test_without_a_wish_every_message_is_kept() -> None:
    """The messages are kept as they are, in the order they came."""
    messages = [{"a": 1}, "two", None, [3]]
    found = await gather(collector("things"), messages)
    assert found == Collection(messages=4, items=messages, counts={}, totals={}, tops={})


async def test_values_are_counted() -> None:
    """A counted field tells how often it had each value; what is no text is its JSON."""
    messages = [{"kind": kind} for kind in ("x", "y", "x", 1, True, None, "census.count.kind")]
    found = await gather(collector("things", count=["kind"]), messages)
    once = dict.fromkeys(("y", "1", "true", "null", "census.count.kind"), 1)
    assert found.counts == {"kind": {"x": 2, **once}}
    assert found.items == []


async def test_numbers_are_added_up() -> None:
    """A totalled field tells its sum."""
    found = await gather(collector("things", total=["n"]), [{"n": 1}, {"n": -3}, {"n": 0.5}])
    assert found.totals == {"n": -1.5}
    assert found.messages == 3


async def test_the_greatest_are_kept_whole() -> None:
    """A ranked field tells the messages in which it is greatest, greatest first."""
    messages = [{"n": n, "name": f"m{n}"} for n in (3, 9, 1, 7)]
    found = await gather(collector("things", top={"n": 2}), messages)
    assert found.tops == {"n": [{"n": 9, "name": "m9"}, {"n": 7, "name": "m7"}]}


async def test_equals_are_ranked_by_content() -> None:
    """Which of two equals is kept does not depend on which came first."""
    messages = [{"n": 1, "name": name} for name in ("b", "a", "c")]
    for order in (messages, messages[::-1]):
        found = await gather(collector("things", top={"n": 2}), order)
        assert [each["name"] for each in found.tops["n"]] == ["a", "b"]


@pytest.mark.parametrize("message", [{"n": "1", "kind": "x"}, {"n": 1}, {"n": 1, "kind": []}, 5])
async def test_a_message_without_its_fields_is_rejected(message: Any) -> None:
    """What cannot be folded is a dead letter, and leaves nothing half counted."""
    folder = collector("things", count=["kind"], total=["n"], top={"n": 1})
    found, report = await gather_and_report(folder, [message])
    assert found == Collection(0, [], {}, {}, {})
    assert report.dispositions == {"rejected": 1}


async def test_no_message_is_lost_where_its_queue_is_full() -> None:
    """More messages than fit into its queue are all collected: publishers wait."""

    @agent(subscribe="start", publish="seeds", publish_each=True)
    async def sow(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="seeds", publish="things", publish_each=True)
    async def grow(payload: int) -> list[int]:
        return [payload] * 3

    async with Executor([sow, grow, collector("things")]) as executor:
        executor.channel("things", capacity=2, overflow="drop_oldest")
        run = await executor.start("start", 100)
        report = await run.result()
        found = collected(run)
    assert report.ok
    assert Counter(found.items) == Counter([*range(100)] * 3)


async def test_an_agent_reads_what_is_collected() -> None:
    """`collected` takes a context as well: an agent of the run can look in between."""

    @agent(subscribe="ends", publish="answers")
    async def look(payload: None, ctx: Context) -> int:
        return collected(ctx).messages

    async with Executor([collector("things"), look]) as executor:
        async with await executor.start("things", 1) as run:
            await run.publish("things", 2)
            await executor.drain()
            await run.publish("ends", None)
        assert (await run.result()).outputs == {"answers": [2]}


async def test_two_collectors_do_not_mix() -> None:
    """Collectors with names and places of their own work side by side in one run."""
    sizes = collector("things", name="sizes", into="sizes", total=["n"])
    kinds = collector("things", name="kinds", into="kinds", count=["kind"])
    async with Executor([sizes, kinds]) as executor:
        run = await executor.start("things", {"n": 2, "kind": "x"})
        await run.result()
        assert collected(run, "sizes") == Collection(1, [], {}, {"n": 2}, {})
        assert collected(run, "kinds") == Collection(1, [], {"kind": {"x": 1}}, {}, {})
        assert collected(run, "elsewhere") == Collection(0, [], {}, {}, {})


things = st.lists(
    st.fixed_dictionaries({"kind": st.text("ab.", max_size=3), "n": st.integers(-5, 5)}),
    min_size=1,
    max_size=12,
)


@given(messages=things, places=st.integers(1, 4))
async def test_it_agrees_with_plain_python(messages: list[dict[str, Any]], places: int) -> None:
    """Counts, sums and rankings are those of Counter, sum and sorted, on any messages."""
    folder = collector("things", count=["kind"], total=["n"], top={"n": places})
    found = await gather(folder, messages)
    assert found.messages == len(messages)
    assert found.counts == {"kind": Counter(each["kind"] for each in messages)}
    assert found.totals == {"n": sum(each["n"] for each in messages)}
    best = sorted((each["n"] for each in messages), reverse=True)[:places]
    assert [each["n"] for each in found.tops["n"]] == best
