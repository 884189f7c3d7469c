"""What a record means to somebody who watches."""

from __future__ import annotations

import json

from dagger import Context, Executor, MemoryStore, agent
from dagger.cli.telling import Line, lines
from dagger.state.state import State
from dagger.words.records import Restarted
from tests.waiting import until


async def told(store: MemoryStore) -> list[Line]:
    """Everything there is to tell of a store."""
    state, found = State(), list[Line]()
    for record in store.read():
        found.extend(lines(state, record))
        state.apply(record)
    return found


@agent(subscribe="numbers", publish="squares", max_attempts=2, retry="linear:0.001")
async def square(payload: int, ctx: Context) -> int | None:
    """Fails on 7, asks about 8, and talks about 9."""
    if payload == 7:
        raise ValueError("not seven")
    if payload == 8:
        await ctx.ask({"really": 8}, name="sure")
    if payload == 9:
        ctx.log("nine!", level="WARNING")
        await ctx.emit("squares", 9)
    return payload * payload


async def test_every_turn_of_a_run_is_told() -> None:
    """Its start and end, pauses, outcomes, failed attempts, logs, questions and emitted values."""
    store = MemoryStore()
    async with Executor([square], store=store) as executor:
        run = await executor.start("numbers", 3, run_id="mine")
        for number in (7, 8, 9):
            await run.publish("numbers", number)
        await run.pause("for lunch")
        await run.resume()
        await run.result()
        await run.cancel("enough")
    found = await told(store)
    assert {each.run for each in found} == {"mine"}
    texts = [f"{each.word}: {each.text}" for each in found]
    assert texts[0] == "opened: on numbers"
    assert texts[-1].startswith("cancelled: after ")
    assert texts[-1].endswith(" · enough")
    for text in (
        "paused: for lunch",
        "resumed: ",
        "cancelling: enough",
        "warning: square · nine!",
        "emits: square · → squares · 9",
        'asks: square · sure: {"really": 8}',
        "failed: square · numbers · attempt 1, again in 1.0 ms · ValueError: not seven",
    ):
        assert text in texts
    assert any(text.startswith("cancelled: square · numbers") for text in texts)
    oks = [text for text in texts if text.startswith("ok: square · numbers · ")]
    assert len(oks) == 2
    assert all(text.endswith(" · → squares") for text in oks)
    (dead,) = (text for text in texts if text.startswith("dead: square · numbers · 2 attempts · "))
    assert dead.endswith(" · ValueError: not seven")


async def test_lines_are_data_too() -> None:
    """Each line is plain JSON data, with the node it is about and its payloads decoded."""
    store = MemoryStore()
    async with Executor([square], store=store) as executor:
        await executor.run("numbers", 9, run_id="mine")
    data = [json.loads(json.dumps(each.to_dict())) for each in await told(store)]
    assert [each["event"] for each in data] == ["opened", "log", "emitted", "outcome", "ended"]
    opened, log, emitted, outcome, ended = data
    assert (opened["channel"], opened["payload"]) == ("numbers", 9)
    assert (log["level"], log["text"], log["node_id"]) == ("warning", "nine!", "square:mine.1")
    assert (emitted["channel"], emitted["value"]) == ("squares", 9)
    assert (emitted["attempt"], emitted["index"], emitted["restarted"]) == (1, 0, False)
    assert outcome["outputs"] == [{"channel": "squares", "payload": 81}]
    assert (outcome["status"], outcome["attempts"], outcome["error"]) == ("ok", 1, None)
    assert ended["status"] == "completed"
    assert all(each["run_id"] == "mine" and each["at"] > 0 for each in data)


async def test_who_died_is_told() -> None:
    """A run that goes on after the process died under it says so."""
    store = MemoryStore()
    async with Executor([square], store=store) as executor:
        await executor.run("numbers", 9, run_id="mine")
    state = State()
    for record in store.read():
        state.apply(record)
    told = [next(lines(state, Restarted(1, died, 0.0))).text for died in ((), (1,), (1, 2))]
    assert told == [
        "in another process",
        "the process died under 1 delivery",
        "the process died under 2 deliveries",
    ]


async def test_other_code_is_told() -> None:
    """A run that goes on under other code says which agents changed."""
    store = MemoryStore()
    async with Executor([square], store=store) as executor:
        await executor.run("numbers", 9, run_id="mine")
    state = State()
    for record in store.read():
        state.apply(record)
    (line,) = lines(state, Restarted(1, (), 0.0, ("cube", "square")))
    assert line.text == "under other code of: cube, square"
    assert line.to_dict()["changed"] == ["cube", "square"]


async def test_a_redrive_is_told() -> None:
    """A dead letter that is handled once more: by whom, and what it says now."""
    store = MemoryStore()
    async with Executor([square], store=store) as executor:
        async with await executor.start("numbers", "text", run_id="mine") as run:
            await until(lambda: run.report().dead_letters_total == 1)
            await executor.dead_letters.redrive("square:mine.1", payload=3)
        await run.result()
    (line,) = [each for each in await told(store) if each.event == "redriven"]
    assert (line.run, line.text) == ("mine", "square · numbers · 3")
    assert line.to_dict()["node_id"] == "square:mine.1"
