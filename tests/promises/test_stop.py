"""Stopping: everything ends, soon and once, however the block of the executor is left."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from dagger import Config, Context, Executor, Linear, MemoryStore, agent
from dagger.words.errors import ExecutionError, ExecutorStopped
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import endless
from tests.waiting import in_hand, turns, until


async def test_open_runs_end_cancelled() -> None:
    """Without a store that lasts, leaving the block ends open runs: `cancelled`, all counted."""
    ended: list[int] = []
    async with Executor([endless(ended)]) as executor:
        run = await executor.start("start", 0)
        await run.publish("start", 1)
        await until(lambda: in_hand(executor) == 1)
    report = await run.result()
    assert ended == [0]
    assert report.status == "cancelled"
    assert report.dispositions == {"cancelled": 2}
    assert "stopped" in report.reason


async def test_open_runs_stay_open_in_a_store_that_lasts() -> None:
    """With a store that lasts, what is unsettled stays so, and waiters are told."""
    ended: list[int] = []
    async with Executor([endless(ended)], store=MemoryStore()) as executor:
        run = await executor.start("start", 0)
        await until(lambda: in_hand(executor) == 1)
    assert ended == [0]
    assert run.report().ended is None
    assert run.report().open == 1
    with pytest.raises(ExecutorStopped):
        await run.result()


async def test_stop_may_be_called_by_anyone_any_number_of_times(
    make_executor: MakeExecutor,
) -> None:
    """`stop()` returns once the executor has stopped, to whoever called it, before or after."""
    ended: list[int] = []
    async with make_executor([endless(ended)]) as executor:
        await executor.start("start", 0)
        await until(lambda: in_hand(executor) == 1)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(executor.stop)
        assert ended == [0]
        await executor.stop()
        with pytest.raises(ExecutorStopped):
            await executor.run("start", 1)
    await executor.stop()


async def test_stop_does_what_it_began(make_executor: MakeExecutor) -> None:
    """A `stop()` whose caller is cancelled has stopped the executor all the same."""
    may_end = anyio.Event()

    @agent(subscribe="start")
    async def tidy(payload: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await may_end.wait()

    async with make_executor([tidy]) as executor:
        await executor.start("start", 0)
        await until(lambda: in_hand(executor) == 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(executor.stop)
            await turns()
            tasks.cancel_scope.cancel()
            may_end.set()
        with pytest.raises(ExecutorStopped):
            executor.runs()


CALLS: dict[str, Callable[[Executor], Any]] = {
    "run": lambda executor: executor.run("start", None),
    "start": lambda executor: executor.start("start", None),
    "publish": lambda executor: executor.publish("start", None),
    "drain": lambda executor: executor.drain(),
    "runs": lambda executor: executor.runs(),
    "live": lambda executor: executor.live("some"),
    "outcomes": lambda executor: executor.outcomes(),
    "watch": lambda executor: executor.watch(),
    "dead_letters": lambda executor: executor.dead_letters.list(),
    "shared": lambda executor: executor.shared.get("key"),
    "list_agents": lambda executor: executor.list_agents(),
    "list_channels": lambda executor: executor.list_channels(),
    "shutdown_channel": lambda executor: executor.shutdown_channel("start"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
async def test_an_executor_that_does_not_run_says_so(call: Callable[[Executor], Any]) -> None:
    """Before, after, and once it has stopped within its block, calls raise ExecutorStopped."""

    async def made() -> None:
        result = call(executor)
        if hasattr(result, "__await__"):
            await result

    async def refused() -> None:
        with pytest.raises(ExecutorStopped, match="async with"):
            await made()

    executor = Executor([endless([])])
    await refused()
    async with executor:
        await executor.stop()
        await refused()
    await refused()


async def test_an_executor_may_run_again(make_executor: MakeExecutor) -> None:
    """One that has stopped can be entered again, with the agents and channels it has."""

    @agent(subscribe="start", publish="out")
    async def echo(payload: Any) -> Any:
        return payload

    executor = make_executor([echo], store=None)
    for number in range(3):
        async with executor:
            report = await executor.run("start", number, run_id="same")
            open_run = await executor.start("start", number)
            assert report.outputs == {"out": [number]}
        assert (await open_run.result()).status in ("completed", "cancelled")


async def test_an_executor_runs_once_at_a_time(make_executor: MakeExecutor) -> None:
    """Entering an executor that runs is an error, and leaves it as it is."""

    @agent(subscribe="start", publish="out")
    async def echo(payload: Any) -> Any:
        return payload

    async with make_executor([echo]) as executor:
        with pytest.raises(ExecutionError, match="running"):
            async with executor:
                pass
        assert (await executor.run("start", 1)).outputs == {"out": [1]}


# -- however the block is left -------------------------------------------------------


async def test_an_error_of_the_block_stops_the_executor(make_executor: MakeExecutor) -> None:
    """An exception leaves the block as it came, once handlers have been cancelled and awaited."""
    ended: list[int] = []
    error = LookupError("the block's own")

    async def block() -> None:
        async with make_executor([endless(ended)]) as executor:
            await executor.start("start", 0)
            await until(lambda: in_hand(executor) == 1)
            raise error

    with pytest.raises(LookupError) as caught:
        await block()
    assert caught.value is error
    assert ended == [0]


async def test_a_group_of_the_block_leaves_as_it_came(make_executor: MakeExecutor) -> None:
    """An exception group raised in the block is not wrapped in another."""

    async def block() -> None:
        async with make_executor([endless([])]), anyio.create_task_group():
            raise LookupError("inside")

    with pytest.raises(ExceptionGroup) as caught:
        await block()
    assert [type(each) for each in caught.value.exceptions] == [LookupError]


async def test_cancelling_the_block_stops_the_executor(make_executor: MakeExecutor) -> None:
    """A block that is cancelled from outside awaits its handlers, and its runs end."""
    ended: list[int] = []
    reports: list[Any] = []

    async def wait(run: Any) -> None:
        reports.append(await run.result())

    async with anyio.create_task_group() as outside:
        with anyio.CancelScope() as scope:
            async with make_executor([endless(ended)], store=None) as executor:
                run = await executor.start("start", 0)
                await run.publish("start", 1)
                outside.start_soon(wait, run)
                await until(lambda: in_hand(executor) == 1)
                scope.cancel()
                await anyio.sleep_forever()
    assert ended == [0]
    assert [report.status for report in reports] == ["cancelled"]
    assert reports[0].dispositions == {"cancelled": 2}


async def test_cleanup_of_handlers_may_wait_when_the_block_is_cancelled(
    make_executor: MakeExecutor,
) -> None:
    """Handlers have their grace, and use the loop in it, whatever ended the block."""
    cleaned: list[int] = []

    @agent(subscribe="start")
    async def tidy(payload: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await turns()
                cleaned.append(payload)

    with anyio.CancelScope() as scope:
        async with make_executor([tidy]) as executor:
            await executor.start("start", 0)
            await until(lambda: in_hand(executor) == 1)
            scope.cancel()
            await anyio.sleep_forever()
    assert cleaned == [0]


async def test_a_block_that_is_cancelled_gives_up_what_ignores_it(
    make_executor: MakeExecutor,
) -> None:
    """The grace counts in a cancelled block as well: nothing is waited for any longer."""

    @agent(subscribe="start")
    async def deaf(payload: Any) -> None:
        while True:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                pass

    with anyio.CancelScope() as scope:
        async with make_executor([deaf], config={"cancel_grace": 0.02}, store=None) as executor:
            run = await executor.start("start", 0)
            await until(lambda: in_hand(executor) == 1)
            scope.cancel()
            await anyio.sleep_forever()
    assert run.report().status == "cancelled"
    assert len(run.report().abandoned) == 1


async def test_a_store_keeps_what_ignored_the_stop() -> None:
    """A handler that is given up while the executor stops goes on the next time."""
    store = MemoryStore()
    deaf_now = True

    @agent(subscribe="start", publish="out")
    async def deaf(payload: Any) -> Any:
        while deaf_now:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                pass
        return payload

    async with Executor([deaf], store=store, config=Config(cancel_grace=0.02)) as executor:
        await executor.start("start", "x", run_id="later")
        await until(lambda: in_hand(executor) == 1)
    deaf_now = False
    async with Executor([deaf], store=store) as executor:
        report = await executor.run("start", "x", run_id="later")
    assert report.status == "completed"
    assert report.outputs == {"out": ["x"]}


async def test_entering_a_cancelled_block_is_cancelled(make_executor: MakeExecutor) -> None:
    """An executor that is entered where everything is cancelled already starts nothing."""
    executor = make_executor([endless([])])
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with executor:
            await anyio.sleep_forever()
    async with executor:
        pass


@pytest.mark.parametrize("where", ["sleep", "ask", "request", "retry", "room", "thread", "idle"])
async def test_it_stops_wherever_its_handlers_are(where: str) -> None:
    """Whatever handlers wait for, leaving the block ends them all."""

    @agent(subscribe="start", publish="silent", retry=Linear(1000))
    async def waiter(payload: str, ctx: Context) -> None:
        if payload == "sleep":
            await ctx.sleep(1000)
        if payload == "ask":
            await ctx.ask("?")
        if payload == "request":
            await ctx.request("silent", None)
        if payload == "retry":
            raise ValueError("later")
        if payload == "thread":
            await ctx.step("quick", lambda: None)
            await ctx.step("never", anyio.sleep_forever)
        if payload == "room":
            for number in range(3):
                ctx.publish("silent", number)

    @agent(subscribe="silent", capacity=1, overflow="block")
    async def silent(payload: Any) -> None:
        await anyio.sleep_forever()

    async with Executor([waiter, silent]) as executor:
        run = await executor.start("silent", None)
        await until(lambda: in_hand(executor) == 1)
        if where == "room":
            await run.publish("silent", None)
        await run.publish("start", where)
        await turns()
    report = await run.result()
    assert report.status == "cancelled"
    assert report.open == 0


async def test_a_handler_that_stops_its_executor_is_given_up() -> None:
    """A handler that reaches for its executor and stops it waits for itself, but not for ever."""
    box: list[Executor] = []

    @agent(subscribe="start")
    async def suicidal(payload: Any) -> None:
        await box[0].stop()

    async with Executor([suicidal], config=Config(cancel_grace=0.02)) as executor:
        box.append(executor)
        report = await executor.run("start", None)
    assert report.status == "cancelled"
    assert len(report.abandoned) == 1


def test_an_executor_is_bound_to_no_loop() -> None:
    """One executor may run in one event loop after the other."""

    @agent(subscribe="start", publish="out")
    async def echo(payload: Any) -> Any:
        return payload

    executor = Executor([echo])

    async def main() -> Any:
        async with executor:
            return await executor.run("start", 1)

    for backend in ("asyncio", "trio", "asyncio"):
        assert anyio.run(main, backend=backend).outputs == {"out": [1]}


KEYBOARD = """
import sys
import anyio
from dagger import Executor, agent

@agent(subscribe="start")
async def interrupted(payload):
    await anyio.sleep(0)
    raise KeyboardInterrupt

@agent(subscribe="start")
async def endless(payload):
    await anyio.sleep_forever()

async def main():
    async with Executor([interrupted, endless]) as executor:
        await executor.run("start", None)

try:
    anyio.run(main, backend=sys.argv[1])
except BaseException as error:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    print(type(error).__name__)
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_keyboard_interrupt_ends_the_program(backend: str) -> None:
    """KeyboardInterrupt is no failure of a handler's: it goes through to the program."""
    ended = subprocess.run(
        [sys.executable, "-c", KEYBOARD, backend],
        timeout=PATIENCE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "KeyboardInterrupt\n"
