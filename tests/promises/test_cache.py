"""Cache: committed state and own writes, as fresh copies; what commutes is never lost."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, DaggerError, MemoryStore, agent
from dagger.words.errors import CacheConflict, CacheTypeError
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import spread
from tests.waiting import until


async def test_reads_see_committed_state_and_own_writes(make_executor: MakeExecutor) -> None:
    """An invocation sees its own writes at once; others see them when it has settled."""
    seen: list[Any] = []
    written, looked = anyio.Event(), anyio.Event()

    @agent(subscribe="start", publish="after")
    async def writer(payload: Any, ctx: Context) -> str:
        ctx.cache.set("k", 1)
        ctx.cache.increment("n", 5)
        seen.append(("own", ctx.cache.get("k"), ctx.cache.get("n"), ctx.cache.keys()))
        written.set()
        await looked.wait()
        return "settled"

    @agent(subscribe="start")
    async def reader(ctx: Context) -> None:
        await written.wait()
        seen.append(("other", ctx.cache.get("k"), ctx.cache.get("n", "absent"), ctx.cache.keys()))
        looked.set()

    @agent(subscribe="after")
    async def later(ctx: Context) -> None:
        seen.append(("later", ctx.cache.get("k"), ctx.cache.get("n"), ctx.cache.keys()))

    async with make_executor([writer, reader, later]) as executor:
        await executor.run("start", {})
    assert seen == [
        ("own", 1, 5, ["k", "n"]),
        ("other", None, "absent", []),
        ("later", 1, 5, ["k", "n"]),
    ]


async def test_values_are_the_readers_own(make_executor: MakeExecutor) -> None:
    """Changing what was read, or what was written, changes nothing in the cache."""

    @agent(subscribe="start", publish="next")
    async def writer(payload: Any, ctx: Context) -> Any:
        value = {"list": [1]}
        ctx.cache.set("k", value)
        value["list"].append(2)
        ctx.cache.get("k")["list"].append(3)
        assert ctx.cache.get("k") == {"list": [1]}
        return payload

    @agent(subscribe="next")
    async def reader(ctx: Context) -> None:
        ctx.cache.get("k")["list"].append(4)
        assert ctx.cache.get("k") == {"list": [1]}

    async with make_executor([writer, reader]) as executor:
        live = await executor.start("start", {})
        report = await live.result()
        live.cache.get("k")["list"].append(5)
        assert live.cache.get("k") == {"list": [1]}
    assert report.status == "completed"


async def test_increments_and_appends_of_all_count(make_executor: MakeExecutor) -> None:
    """However many agents increment and append at once, through retries, each counts once."""

    def counter(name: str) -> Agent:
        @agent(name=name, subscribe="work", concurrency=5, max_attempts=3)
        async def count(payload: int, ctx: Context) -> None:
            ctx.cache.increment("sum", payload)
            ctx.cache.append("list", payload)
            ctx.shared.increment("sum", payload)
            await anyio.lowlevel.checkpoint()
            if payload % 3 == 0 and ctx.attempt < 3:
                raise ValueError("not yet")

        return count

    async with make_executor([spread, counter("a"), counter("b")]) as executor:
        live = await executor.start("start", list(range(30)))
        await live.result()
        assert live.cache.get("sum") == 2 * sum(range(30)) == executor.shared.get("sum")
        assert sorted(live.cache.get("list")) == sorted([*range(30)] * 2)


async def test_a_set_is_last_settled_wins(make_executor: MakeExecutor) -> None:
    """Of plain sets the one whose invocation settles last stays, whoever wrote first."""
    order = {name: anyio.Event() for name in "ab"}

    def setter(name: str, waits_for: str | None) -> Agent:
        @agent(name=name, subscribe="start")
        async def write(ctx: Context) -> None:
            ctx.cache.set("k", name)
            if waits_for:
                await order[waits_for].wait()
                await until(lambda: ctx.cache.get("seen", namespace=waits_for) is not None)
            ctx.cache.set("seen", 1, namespace=name)
            order[name].set()

        return write

    async with make_executor([setter("a", "b"), setter("b", None)]) as executor:
        live = await executor.start("start", {})
        await live.result()
        assert live.cache.get("k") == "a"


async def test_a_version_that_has_passed_fails_the_attempt(make_executor: MakeExecutor) -> None:
    """`set(if_version=)` makes compare-and-set: who lost tries again, and nothing is lost."""
    read: list[int] = []
    both = anyio.Event()

    @agent(subscribe="work", concurrency=4, max_attempts=50)
    async def add(payload: int, ctx: Context) -> None:
        version, value = ctx.cache.version("total"), ctx.cache.get("total", 0)
        read.append(version)
        if len(read) == 2:
            both.set()
        await both.wait()  # so that one of the first two is too late
        await anyio.lowlevel.checkpoint()
        ctx.cache.set("total", value + payload, if_version=version)

    async with make_executor([spread, add]) as executor:
        live = await executor.start("start", list(range(12)))
        report = await live.result()
        assert live.cache.get("total") == sum(range(12))
    assert report.status == "completed"
    assert report.retries > 0
    assert report.error is not None
    assert report.error.type == "CacheConflict"


async def test_a_conflict_takes_the_other_effects_with_it(make_executor: MakeExecutor) -> None:
    """An attempt that loses a compare-and-set publishes nothing and writes nothing."""

    @agent(subscribe="start", publish="out", max_attempts=1)
    async def loser(payload: Any, ctx: Context) -> str:
        ctx.cache.set("other", "written")
        ctx.cache.set("k", "mine", if_version=77)
        return "published"

    async with make_executor([loser]) as executor:
        live = await executor.start("start", {})
        report = await live.result()
        assert live.cache.keys() == []
    assert report.outputs == {}
    assert report.agents["loser"].dispositions == {"dead": 1}


async def test_an_update_applies_at_settle(make_executor: MakeExecutor) -> None:
    """`update(key, fn)` gets what the key holds when the invocation settles."""
    release = anyio.Event()

    @agent(subscribe="start")
    async def slow(ctx: Context) -> None:
        ctx.cache.update("names", lambda names: sorted({*(names or ()), "slow"}))
        await release.wait()

    @agent(subscribe="start")
    async def quick(ctx: Context) -> None:
        ctx.cache.update("names", lambda names: sorted({*(names or ()), "quick"}))

    async with make_executor([slow, quick]) as executor:
        live = await executor.start("start", {})
        await until(lambda: live.cache.get("names") == ["quick"])
        release.set()
        await live.result()
        assert live.cache.get("names") == ["quick", "slow"]


@pytest.mark.parametrize("bad", [set(), float("nan"), 10**30, "\ud800"])
async def test_an_update_that_makes_no_json_fails_the_attempt(
    make_executor: MakeExecutor, bad: Any
) -> None:
    """What an update function returns is checked like any value, and what it raises counts."""

    @agent(name="bad", subscribe="start", max_attempts=1)
    async def wrong(ctx: Context) -> None:
        ctx.cache.update("k", lambda _: bad)

    @agent(name="raising", subscribe="start", max_attempts=1)
    async def raising(ctx: Context) -> None:
        ctx.cache.update("k", lambda _: 1 // 0)

    async with make_executor([wrong, raising]) as executor:
        live = await executor.start("start", {})
        report = await live.result()
        assert live.cache.keys() == []
    assert sorted(each.failure.type for each in report.dead_letters) == [
        "SerializationError",
        "ZeroDivisionError",
    ]


@pytest.mark.parametrize("bad", [{1}, b"x", float("inf"), 2**64, {"a": {1: 1}}])
async def test_a_value_that_is_no_json_is_refused_at_once(
    make_executor: MakeExecutor, bad: Any
) -> None:
    """Writing what cannot be kept raises from the call, inside and outside."""
    problems: list[str] = []

    @agent(subscribe="start")
    async def writer(ctx: Context) -> None:
        for write in (ctx.cache.set, ctx.cache.append, ctx.shared.set):
            try:
                write("k", bad)
            except DaggerError as error:
                problems.append(type(error).__name__)

    async with make_executor([writer]) as executor:
        live = await executor.start("start", {})
        async with live:
            with pytest.raises(DaggerError):
                live.cache.set("k", bad)
        report = await live.result()
        assert live.cache.keys() == executor.shared.keys() == []
    assert problems == ["SerializationError"] * 3
    assert report.status == "completed"


async def test_runs_have_caches_of_their_own(make_executor: MakeExecutor) -> None:
    """A run's cache is its own; `shared` is the executor's, over all runs."""

    @agent(subscribe="start")
    async def write(payload: int, ctx: Context) -> None:
        assert ctx.cache.get("k") is None
        ctx.cache.set("k", payload)
        ctx.shared.append("all", payload)

    async with make_executor([write]) as executor:
        runs = [await executor.start("start", number) for number in range(5)]
        for run in runs:
            await run.result()
        assert [run.cache.get("k") for run in runs] == list(range(5))
        assert sorted(executor.shared.get("all")) == list(range(5))
        assert executor.shared.get("k") is None


async def test_the_outside_writes_at_once(make_executor: MakeExecutor) -> None:
    """A live run's cache, and the shared one, may be read and written from outside."""
    seen: list[Any] = []
    go = anyio.Event()

    @agent(subscribe="start")
    async def read(ctx: Context) -> None:
        await go.wait()
        seen.append((ctx.cache.get("k"), ctx.shared.get("k")))

    async with make_executor([read]) as executor:
        executor.shared.set("k", "shared")
        live = await executor.start("start", {})
        live.cache.set("k", "mine")
        version = live.cache.version("k")
        live.cache.set("k", "again", if_version=version)
        with pytest.raises(CacheConflict):
            live.cache.set("k", "never", if_version=version)
        with pytest.raises(CacheTypeError):
            live.cache.increment("k")
        go.set()
        await live.result()
        with pytest.raises(DaggerError, match="ended"):
            live.cache.set("k", "too late")
    assert seen == [("again", "shared")]


async def test_namespaces_and_the_named_global_one(make_executor: MakeExecutor) -> None:
    """Keys live in namespaces; a named global one is for what several agents collect."""

    @agent(subscribe="start", publish="next")
    async def write(payload: Any, ctx: Context) -> Any:
        ctx.cache.set("k", "default")
        ctx.cache.set("k", "other", namespace="other")
        ctx.cache.append_global("findings", "all", {"by": ctx.node_id})
        return payload

    @agent(subscribe="next")
    async def more(ctx: Context) -> None:
        ctx.cache.append_global("findings", "all", "second")
        assert ctx.cache.get("k", namespace="other") == "other"
        ctx.cache.delete("k")

    async with make_executor([write, more]) as executor:
        live = await executor.start("start", {})
        report = await live.result()
        cache = live.cache
        assert cache.get("k") is None
        assert cache.namespaces() == ["other", "global:findings"]
        first, second = cache.get_global("findings", "all")
        assert first["by"].startswith("write:")
        assert second == "second"
    assert report.status == "completed"


async def test_paths_resolve(make_executor: MakeExecutor) -> None:
    """`resolve("node1.output_value")` follows a path through objects and lists."""
    found: list[Any] = []

    @agent(subscribe="start", publish="next")
    async def node1(payload: Any, ctx: Context) -> Any:
        ctx.cache.set("output_value", {"items": [10, {"deep": True}]}, namespace="node1")
        ctx.cache.set("plain", [1, 2])
        return payload

    @agent(subscribe="next")
    async def node2(ctx: Context) -> None:
        paths = ["node1.output_value", "node1.output_value.items.0", "plain[1]"]
        found.extend(map(ctx.cache.resolve, [*paths, "node1.output_value.items[1].deep"]))
        for path in ("node1.none", "plain[2]", "node1.output_value.items.x", "nowhere"):
            with pytest.raises(LookupError):
                ctx.cache.resolve(path)

    async with make_executor([node1, node2]) as executor:
        report = await executor.run("start", {})
    assert report.status == "completed"
    assert found == [{"items": [10, {"deep": True}]}, 10, 2, True]


async def test_a_cache_goes_through_json(make_executor: MakeExecutor) -> None:
    """`to_json` says all of it, and `from_json` puts it into another run."""

    @agent(subscribe="start")
    async def write(ctx: Context) -> None:
        ctx.cache.set("k", {"ü": [1, None]})
        ctx.cache.append("list", "x", namespace="n")

    @agent(subscribe="empty")
    async def idle() -> None:
        """Leaves the cache as it is."""

    async with make_executor([write, idle]) as executor:
        live = await executor.start("start", {})
        await live.result()
        text = live.cache.to_json(indent=2)
        async with await executor.start("empty", {}) as other:
            other.cache.from_json(text)
            assert other.cache.to_json() == live.cache.to_json()
    assert json.loads(text) == {"default": {"k": {"ü": [1, None]}}, "n": {"list": ["x"]}}
    assert "\n  " in text


async def test_a_thread_uses_the_cache_like_all_others(make_executor: MakeExecutor) -> None:
    """A plain `def` handler reads and writes from its thread."""

    @agent(subscribe="work", concurrency=4)
    def count(payload: int, cache: Any, ctx: Context) -> None:
        before = cache.get("own", 0, namespace=str(payload))
        cache.set("own", before + 1, namespace=str(payload))
        assert cache.get("own", namespace=str(payload)) == 1
        cache.increment("sum", payload)
        ctx.shared.append("seen", payload)

    async with make_executor([spread, count]) as executor:
        live = await executor.start("start", list(range(20)))
        report = await live.result()
        assert live.cache.get("sum") == sum(range(20))
        assert sorted(executor.shared.get("seen")) == list(range(20))
    assert report.status == "completed"


async def test_caches_outlive_the_executor_in_a_store_that_lasts(
    make_executor: MakeExecutor,
) -> None:
    """What was settled is there again, of ended runs, of open ones, and of the shared cache."""
    store = MemoryStore()
    inside = anyio.Event()

    @agent(subscribe="start", publish="wait")
    async def write(payload: Any, ctx: Context) -> Any:
        ctx.cache.append("k", payload)
        ctx.cache.increment("n", 1.5)
        ctx.shared.increment("runs")
        return payload

    @agent(subscribe="wait")
    async def wait(payload: Any) -> None:
        if payload == "open":
            inside.set()
            await anyio.sleep_forever()

    async with make_executor([write, wait], store=store) as executor:
        await executor.run("start", "ended", run_id="ended")
        await executor.start("start", "open", run_id="open")
        await inside.wait()

    async with make_executor([write, wait], store=store) as executor:
        assert executor.shared.get("runs") == 2
        for name in ("ended", "open"):
            assert executor.live(name).cache.get("k") == [name]
            assert executor.live(name).cache.get("n") == 1.5
        await executor.live("open").cancel()
