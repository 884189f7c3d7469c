"""Agents: a function, a method, an instance; given what it names, in the way it names it."""

from __future__ import annotations

import functools
import threading
from typing import Any

import anyio
import anyio.from_thread
import pytest

from dagger import Agent, Context, ExecutionError, LoopClock, Message, agent
from dagger.authoring.signature import PARAMETERS
from dagger.views.report import Report
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor


async def handled(make_executor: MakeExecutor, one: Agent, payload: Any = None) -> Report:
    """The report of one message for one agent, which must have been fine."""
    channel = one.subscribe[0]
    payload = {"k": 1} if payload is None else payload
    async with make_executor([one], config={"max_attempts": 1}) as executor:
        report = await executor.run(channel, payload)
    assert report.error is None, report.error
    assert report.status == "completed"
    return report


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("style", ["async def {f}({p})", "async def {f}(*, {p})", "def {f}({p})"])
async def test_every_parameter_can_be_asked_for_alone(
    make_executor: MakeExecutor, name: str, style: str
) -> None:
    """A handler gets exactly what it names, however it is written."""
    given: list[Any] = []
    scope: dict[str, Any] = {"given": given}
    head = style.format(f="handler", p=name)
    exec(f"{head}:\n    given.append({name})", scope)
    await handled(make_executor, agent(subscribe="start")(scope["handler"]))
    (value,) = given
    kinds = {
        "payload": dict,
        "message": Message,
        "ctx": Context,
        "channel": str,
        "node_id": str,
    }
    assert isinstance(value, kinds.get(name, object))
    if name == "payload":
        assert value == {"k": 1}
    if name == "channel":
        assert value == "start"


async def test_parameters_come_in_any_order_and_number(make_executor: MakeExecutor) -> None:
    """All parameters at once, in another order, with defaults, some by keyword only."""
    seen: list[Any] = []

    @agent(subscribe="start")
    async def everything(
        executor: Any,
        cache: Any,
        node_id: str,
        ctx: Context,
        channel: str = "?",
        *,
        message: Message,
        payload: Any = None,
    ) -> None:
        cache.set("k", payload)
        assert ctx.cache.get("k") == payload == message.payload
        assert executor.list_agents()[0].name == "everything"
        assert executor.list_channels()[0].name == channel == "start"
        seen.append(node_id)

    await handled(make_executor, everything)
    assert len(seen) == 1


async def test_a_handler_may_ask_for_nothing(make_executor: MakeExecutor) -> None:
    """No parameter at all is fine."""
    calls: list[int] = []

    @agent(subscribe="start")
    async def nothing() -> None:
        calls.append(1)

    await handled(make_executor, nothing)
    assert calls == [1]


class Counting:
    """Counts what it is given; its state is its own."""

    def __init__(self, start: int = 0) -> None:
        self.seen = start

    async def process_message(
        self, node_id: str, channel: str, message: Message, executor: Any, cache: Any
    ) -> None:
        """Count a message."""
        self.seen += message.payload["k"]
        cache.set("seen", self.seen)
        await executor.publish("out", {"seen": self.seen, "by": node_id.partition(":")[0]})
        assert channel == "start"


async def test_a_class_with_process_message_is_an_agent(make_executor: MakeExecutor) -> None:
    """A class is instantiated; its name and docstring are the agent's."""
    one = agent(subscribe="start", publish="out")(Counting)
    assert (one.name, one.description) == (
        "Counting",
        "Counts what it is given; its state is its own.",
    )
    report = await handled(make_executor, one)
    assert report.outputs == {"out": [{"seen": 1, "by": "Counting"}]}


async def test_an_instance_with_process_message_is_an_agent(make_executor: MakeExecutor) -> None:
    """An instance keeps the state it has."""
    counting = Counting(10)
    one = agent(subscribe="start", publish="out", name="ten")(counting)
    report = await handled(make_executor, one)
    assert report.outputs == {"out": [{"seen": 11, "by": "ten"}]}
    assert counting.seen == 11


async def test_a_callable_instance_is_an_agent(make_executor: MakeExecutor) -> None:
    """An instance with `__call__`, async or not, is a handler."""

    class Adding:
        async def __call__(self, payload: dict[str, int], *, ctx: Context) -> int:
            return payload["k"] + 1

    class Threaded:
        def __call__(self, payload: dict[str, int]) -> str:
            return threading.current_thread().name

    first = agent(subscribe="start", publish="out")(Adding())
    second = agent(subscribe="start", publish="out")(Threaded())
    assert (first.name, second.name) == ("Adding", "Threaded")
    assert (await handled(make_executor, first)).outputs == {"out": [2]}
    (thread,) = (await handled(make_executor, second)).outputs["out"]
    assert thread != threading.main_thread().name


async def test_methods_partials_and_wrapped_functions_are_agents(
    make_executor: MakeExecutor,
) -> None:
    """A bound method, a static one, a partial and a decorated function work alike."""

    class Tools:
        factor = 3

        async def method(self, payload: dict[str, int]) -> int:
            return payload["k"] * self.factor

        @staticmethod
        async def static(payload: dict[str, int]) -> int:
            return payload["k"]

        @classmethod
        async def of_class(cls, payload: dict[str, int]) -> int:
            return payload["k"] * cls.factor

    def logged(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)

        return wrapper

    @logged
    async def decorated(payload: dict[str, int]) -> int:
        return payload["k"] + 5

    async def partly(payload: dict[str, int], channel: str) -> str:
        return f"{channel}:{payload['k']}"

    tools = Tools()
    for handler, expected in (
        (tools.method, 3),
        (Tools.static, 1),
        (Tools.of_class, 3),
        (decorated, 6),
        (functools.partial(partly), "start:1"),
    ):
        name = f"agent of {expected}, {handler}"
        one = agent(subscribe="start", publish="out", name=name)(handler)
        assert (await handled(make_executor, one)).outputs == {"out": [expected]}


async def test_a_plain_function_runs_in_a_thread(make_executor: MakeExecutor) -> None:
    """A `def` handler may block: the loop goes on meanwhile, and `ctx` works from the thread."""
    blocked, release = threading.Event(), threading.Event()
    logged: list[str] = []

    @agent(subscribe="start", publish=["out", "free"])
    def block(payload: Any, ctx: Context) -> None:
        assert threading.current_thread() is not threading.main_thread()
        ctx.log("from a thread")
        ctx.publish("out", payload)
        blocked.set()
        assert release.wait(PATIENCE)

    @agent(subscribe="other")
    async def free() -> None:
        logged.append("free")
        release.set()

    async with make_executor([block, free]) as executor:
        live = await executor.start("start", 5)
        while not blocked.is_set():
            await anyio.lowlevel.checkpoint()
        await executor.run("other", 1)
        report = await live.result()
    assert logged == ["free"]
    assert report.outputs == {"out": [5]}


async def test_an_agent_can_be_called_as_the_function_it_is() -> None:
    """Calling an agent calls its handler: it can be tested without an executor."""

    @agent(subscribe="start")
    async def double(payload: int) -> int:
        return payload * 2

    assert await double(4) == 8


async def test_one_agent_may_serve_many_executors(make_executor: MakeExecutor) -> None:
    """An agent is data: several executors run it side by side, and know nothing of each other."""
    seen: list[str] = []

    @agent(subscribe="start")
    async def note(payload: str, ctx: Context) -> None:
        seen.append(payload)
        ctx.shared.increment("n")

    async with make_executor([note]) as one, make_executor([note]) as two:
        await one.run("start", "one")
        await two.run("start", "two")
        assert one.shared.get("n") == two.shared.get("n") == 1
    assert seen == ["one", "two"]


@pytest.mark.parametrize("call", ["run", "drain", "stop"])
async def test_a_handler_cannot_wait_for_its_own_executor(
    make_executor: MakeExecutor, call: str
) -> None:
    """`run`, `drain` and `stop` raise from inside: they would wait for themselves."""
    problems: list[str] = []

    @agent(subscribe="start")
    async def inside(executor: Any) -> None:
        try:
            await getattr(executor, call)()
        except ExecutionError as error:
            problems.append(str(error))

    await handled(make_executor, inside)
    assert f"executor.{call}()" in problems[0]
    assert "inside:" in problems[0]


async def test_agents_are_listed_as_they_are_now(make_executor: MakeExecutor) -> None:
    """Each agent's channels, slots, what it has in hand, parked and pending are told."""
    release = anyio.Event()

    @agent(subscribe="start", publish=["b", "a"], concurrency=2, description="Does some work.")
    async def work(payload: Any, ctx: Context) -> None:
        if payload == "sleeps":
            await ctx.sleep(3600)
        await release.wait()

    async with make_executor([work], clock=LoopClock()) as executor:
        live = await executor.start("start", "sleeps")
        async with live:
            for _ in range(5):
                await live.publish("start", "works")
            (info,) = executor.list_agents()
            while info.running < 2 or info.waiting < 1:
                await anyio.lowlevel.checkpoint()
                (info,) = executor.list_agents()
            release.set()
            await live.cancel()
    assert (info.name, info.description) == ("work", "Does some work.")
    assert (info.subscribe, info.publish) == (("start",), ("b", "a"))
    assert (info.concurrency, info.running, info.waiting, info.pending) == (2, 2, 1, 3)
    assert "test_agents.py" in info.where


async def test_a_hundred_agents_and_a_thousand_messages(make_executor: MakeExecutor) -> None:
    """Many agents on one channel each get all of it."""
    counts = [0] * 100

    def nth(number: int) -> Agent:
        @agent(name=f"agent{number}", subscribe="work")
        async def count() -> None:
            counts[number] += 1

        return count

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    async with make_executor([spread, *map(nth, range(100))]) as executor:
        report = await executor.run("start", 100)
    assert counts == [100] * 100
    assert report.status == "completed"
    assert report.handled == 100 * 100 + 1
