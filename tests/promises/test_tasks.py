"""Tasks: units of work that agents share out among themselves; a claim is a lease."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import Context, ExecutionError, MemoryStore, agent
from dagger.words.errors import TaskNotFound, TransitionError
from tests.promises.conftest import MakeExecutor
from tests.waiting import until


async def test_agents_share_out_the_work(make_executor: MakeExecutor) -> None:
    """What one agent adds, others claim, each task once, and complete."""
    done: list[int] = []

    @agent(subscribe="start", publish="go", publish_each=True)
    async def plan(payload: int, ctx: Context) -> list[int]:
        for number in range(payload):
            ctx.tasks.add_task("work", {"n": number}, 3)
        return list(range(payload))

    @agent(subscribe="go", concurrency=4)
    async def work(ctx: Context) -> None:
        task = ctx.tasks.claim_task("work", ctx.node_id)
        assert task is not None
        await anyio.lowlevel.checkpoint()
        done.append(task.data["n"])
        ctx.tasks.complete_task(task.id, True)

    async with make_executor([plan, work]) as executor:
        live = await executor.start("start", 12)
        report = await live.result()
        tasks = live.tasks
        assert tasks.is_complete(12)
        assert not tasks.get_pending_tasks()
        assert {task.status for task in tasks.get_tasks_by_type("work")} == {"Completed"}
    assert sorted(done) == list(range(12))
    assert report.status == "completed"
    assert report.open_tasks == ()


async def test_adding_is_held_back_and_claiming_is_not(make_executor: MakeExecutor) -> None:
    """An added task exists for others once its invocation has settled; a claim is at once."""
    seen: list[Any] = []
    added, looked = anyio.Event(), anyio.Event()

    @agent(subscribe="start", publish="next")
    async def add(payload: Any, ctx: Context) -> Any:
        task = ctx.tasks.add_task("work", payload, 1)
        assert [each.id for each in ctx.tasks.get_pending_tasks()] == [task.id]
        assert ctx.tasks.claim_task("work") is None
        added.set()
        await looked.wait()
        return payload

    @agent(subscribe="start")
    async def look(ctx: Context) -> None:
        await added.wait()
        seen.append(ctx.tasks.get_pending_tasks())
        looked.set()

    @agent(subscribe="next")
    async def claim(ctx: Context) -> None:
        task = ctx.tasks.claim_task("work")
        assert task is not None
        seen.append(task.claimed_by)
        seen.append(live.tasks.get_task_by_id(task.id).status)  # type: ignore[union-attr]
        ctx.tasks.complete_task(task.id, True)

    async with make_executor([add, look, claim]) as executor:
        live = await executor.start("start", {})
        report = await live.result()
    assert report.status == "completed"
    assert seen == [[], "claim", "InProgress"]


async def test_a_failed_attempt_gives_its_claim_back(make_executor: MakeExecutor) -> None:
    """A claim is a lease: when its attempt fails the task is pending again, counted."""
    attempts: list[int] = []

    @agent(subscribe="start", max_attempts=3)
    async def work(payload: Any, ctx: Context) -> None:
        task = ctx.tasks.claim_task("work")
        assert task is not None
        attempts.append(task.attempts)
        if ctx.attempt < 3:
            raise ValueError("not yet")
        ctx.tasks.complete_task(task.id, True)

    async with make_executor([work]) as executor:
        live = await executor.start("start", {})
        task = live.tasks.add_task("work", {}, 5)
        report = await live.result()
        ended = live.tasks.get_task_by_id(task.id)
    assert attempts == [1, 2, 3]
    assert ended is not None
    assert (ended.status, ended.attempts) == ("Completed", 3)
    assert report.status == "completed"


async def test_a_task_fails_with_its_last_attempt(make_executor: MakeExecutor) -> None:
    """A claimed task whose attempts are used up is Failed, and nobody can claim it."""

    @agent(subscribe="start", max_attempts=5, on_failure="continue")
    async def work(ctx: Context) -> None:
        ctx.tasks.claim_task("work")
        raise ValueError("never")

    async with make_executor([work]) as executor:
        live = await executor.start("start", {})
        task = live.tasks.add_task("work", {}, 2)
        report = await live.result()
        ended = live.tasks.get_task_by_id(task.id)
        assert ended is not None
        assert (ended.status, ended.attempts) == ("Failed", 2)
        assert not live.tasks.is_complete([task.id])
    assert report.status == "completed"


@pytest.mark.parametrize("how", ["cancelled", "timeout", "dead", "rejected"])
async def test_every_bad_end_gives_the_claim_back(make_executor: MakeExecutor, how: str) -> None:
    """However an invocation that holds a claim ends badly, the task is free again."""
    claimed = anyio.Event()

    @agent(
        subscribe="start", publish="out", max_attempts=1, on_failure="continue",
        timeout=0.01 if how == "timeout" else None, output_schema={"type": "string"},
    )  # fmt: skip
    async def work(ctx: Context) -> Any:
        assert ctx.tasks.claim_task("work") is not None
        claimed.set()
        if how == "dead":
            raise ValueError("no")
        if how == "rejected":
            return 5
        return await anyio.sleep_forever()

    async with make_executor([work]) as executor:
        live = await executor.start("start", {})
        task = live.tasks.add_task("work", {}, 2)
        await claimed.wait()
        if how == "cancelled":
            await live.cancel()
        await live.result()
        ended = live.tasks.get_task_by_id(task.id)
        assert ended is not None
        assert (ended.status, ended.claimed_by) == ("Pending", None)


async def test_a_task_nobody_completed_stalls_the_run(make_executor: MakeExecutor) -> None:
    """A claim that its invocation left open is named in the report, and the run is stalled."""

    @agent(subscribe="start")
    async def forgetful(ctx: Context) -> None:
        ctx.tasks.claim_task("work")

    async with make_executor([forgetful]) as executor:
        live = await executor.start("start", {})
        task = live.tasks.add_task("work", {}, 2)
        report = await live.result()
    assert report.status == "stalled"
    (left,) = report.open_tasks
    assert (left.id, left.status, left.claimed_by) == (task.id, "InProgress", "forgetful")
    assert task.id in str(report)


async def test_another_agent_may_complete_what_one_has_claimed(
    make_executor: MakeExecutor,
) -> None:
    """A task that stays in progress when its invocation settles may be completed later."""

    @agent(subscribe="start", publish="next")
    async def first(payload: Any, ctx: Context) -> str:
        ctx.tasks.add_task("work", payload, 1)
        return "go"

    @agent(subscribe="next", publish="last")
    async def second(ctx: Context) -> str:
        task = ctx.tasks.claim_task("work")
        assert task is not None
        return task.id

    @agent(subscribe="last")
    async def third(payload: str, ctx: Context) -> None:
        ctx.tasks.complete_task(payload, True)

    async with make_executor([first, second, third]) as executor:
        report = await executor.run("start", {})
    assert report.status == "completed"


async def test_a_held_back_completion_that_comes_too_late_fails_the_attempt(
    make_executor: MakeExecutor,
) -> None:
    """Of two that complete one task the second to settle is told, and tries again."""
    both = anyio.Event()
    inside: list[str] = []

    @agent(subscribe="start", concurrency=2, max_attempts=2)
    async def finish(ctx: Context) -> None:
        task = ctx.tasks.get_task_by_id("t")
        assert task is not None
        if task.status == "Completed":
            return
        ctx.tasks.update_task_status("t", "Completed")
        inside.append(ctx.node_id)
        if len(inside) == 2:
            both.set()
        await both.wait()

    async with make_executor([finish]) as executor:
        live = await executor.start("start", {})
        async with live:
            live.tasks.create_or_update_task("t", "work", {})
            await live.publish("start", {})
        report = await live.result()
    assert report.status == "completed"
    assert report.retries == 1
    assert report.error is not None
    assert report.error.type == "TransitionError"


async def test_the_table_of_transitions_holds(make_executor: MakeExecutor) -> None:
    """What the table does not allow raises, and changes nothing."""

    @agent(subscribe="start")
    async def idle() -> None:
        """Does nothing."""

    async with make_executor([idle]) as executor, await executor.start("start", {}) as live:
        tasks = live.tasks
        task = tasks.add_task("work", {}, 1)
        tasks.update_task_status(task.id, "InProgress")
        tasks.complete_task(task.id, success=True)
        for status in ("Pending", "InProgress", "Failed", "Completed"):
            with pytest.raises(TransitionError):
                tasks.update_task_status(task.id, status)
        with pytest.raises(TaskNotFound):
            tasks.complete_task("nobody", success=True)
        with pytest.raises(TaskNotFound):
            tasks.add_task("work", {}, 1, parent="nobody")
        with pytest.raises(ExecutionError):
            tasks.add_task("work", {}, 0)
        with pytest.raises(ExecutionError, match="Pending, InProgress"):
            tasks.update_task_status(task.id, "Done")
        assert [each.id for each in tasks.get_tasks_by_status("Completed")] == [task.id]


async def test_publishing_with_a_task_creates_or_updates_it(make_executor: MakeExecutor) -> None:
    """`ctx.publish(..., task=)` keeps the task up to date and stamps the message with it."""
    stamps: list[Any] = []

    @agent(subscribe="start", publish="work")
    async def plan(payload: Any, ctx: Context) -> None:
        ctx.publish("work", {"n": 1}, task="one")
        ctx.publish("work", {"n": 2}, task={"id": "two", "type": "special"})
        ctx.publish("work", {"n": 3})

    @agent(subscribe="work", publish="done")
    async def work(payload: Any, message: Any, ctx: Context) -> None:
        stamps.append((payload["n"], message.task_id))
        if message.task_id:
            status = {"id": message.task_id, "status": "Completed"}
            ctx.publish("done", {"result": payload["n"]}, task=status)

    async with make_executor([plan, work]) as executor:
        live = await executor.start("start", {})
        report = await live.result()
        one, two = live.tasks.get_task_by_id("one"), live.tasks.get_task_by_id("two")
    assert stamps == [(1, "one"), (2, "two"), (3, None)]
    assert one is not None
    assert two is not None
    assert (one.type, one.status, one.data) == ("work", "Completed", {"result": 1})
    assert (two.type, two.status, two.data) == ("special", "Completed", {"result": 2})
    assert report.status == "completed"


async def test_task_ids_are_the_same_for_each_attempt(make_executor: MakeExecutor) -> None:
    """The id of an added task is derived from its invocation, so that a retry has it again."""
    ids: list[list[str]] = []

    @agent(subscribe="start", max_attempts=3)
    async def plan(ctx: Context) -> None:
        ids.append([ctx.tasks.add_task("work", number, 1).id for number in range(3)])
        if ctx.attempt < 3:
            raise ValueError("not yet")

    async with make_executor([plan]) as executor:
        live = await executor.start("start", {})
        await live.result()
        assert [task.id for task in live.tasks.get_pending_tasks()] == ids[0]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids[0])) == 3


async def test_children_know_their_parent(make_executor: MakeExecutor) -> None:
    """A task may be a part of another one, also of one that is added with it."""

    @agent(subscribe="start")
    async def plan(ctx: Context) -> None:
        whole = ctx.tasks.add_task("whole", {}, 1)
        for _ in range(2):
            ctx.tasks.add_task("part", {}, 1, parent=whole.id)

    async with make_executor([plan]) as executor:
        live = await executor.start("start", {})
        await live.result()
        (whole,) = live.tasks.get_tasks_by_type("whole")
        assert {part.parent for part in live.tasks.get_tasks_by_type("part")} == {whole.id}


async def test_a_lease_ends_with_the_executor(make_executor: MakeExecutor) -> None:
    """What was claimed when the executor died is pending again when it is opened, counted."""
    store = MemoryStore()
    claims: list[int] = []
    inside = anyio.Event()

    @agent(subscribe="start")
    async def work(ctx: Context) -> None:
        task = ctx.tasks.claim_task("work")
        assert task is not None
        claims.append(task.attempts)
        if len(claims) == 1:
            inside.set()
            await anyio.sleep_forever()
        ctx.tasks.complete_task(task.id, True)

    async with make_executor([work], store=store) as executor:
        live = await executor.start("start", {}, run_id="r")
        live.tasks.add_task("work", {}, 3)
        await inside.wait()
    async with make_executor([work], store=store) as executor:
        report = await executor.run("start", {}, run_id="r")
    assert claims == [1, 2]
    assert report.status == "completed"


async def test_a_thread_claims_like_all_others(make_executor: MakeExecutor) -> None:
    """Plain `def` handlers claim from their threads, each task once."""
    taken: list[str] = []

    @agent(subscribe="start", publish="go", publish_each=True)
    async def plan(payload: int, ctx: Context) -> list[int]:
        for number in range(payload):
            ctx.tasks.add_task("work", number, 1)
        return list(range(payload))

    @agent(subscribe="go", concurrency=4)
    def work(ctx: Context) -> None:
        task = ctx.tasks.claim_task("work")
        assert task is not None
        taken.append(task.id)
        ctx.tasks.complete_task(task.id, success=True)

    async with make_executor([plan, work]) as executor:
        report = await executor.run("start", 15)
    assert len(taken) == len(set(taken)) == 15
    assert report.status == "completed"


async def test_tasks_are_of_one_run(make_executor: MakeExecutor) -> None:
    """Nobody claims a task of another run."""
    go = anyio.Event()
    claims: list[Any] = []

    @agent(subscribe="start")
    async def work(ctx: Context) -> None:
        await go.wait()
        claims.append(ctx.tasks.claim_task("work"))

    async with make_executor([work]) as executor:
        first = await executor.start("start", {})
        second = await executor.start("start", {})
        await until(lambda: first.state.handled == 0)
        first.tasks.add_task("work", {}, 1)
        assert second.tasks.get_pending_tasks() == []
        await first.cancel()
        go.set()
        await second.result()
    assert claims == [None]
