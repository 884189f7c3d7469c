"""What a user holds of a run's tasks: held-back writes, leases, and what settling decides."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dagger.authoring.tasks import TaskInfo, TaskView, decide_tasks
from dagger.state.tasks import Tasks
from dagger.words.effects import CacheWrite, E, TaskWrite
from dagger.words.errors import (
    ContextClosed,
    ExecutionError,
    SerializationError,
    TaskNotFound,
    TransitionError,
)
from dagger.words.outcomes import TaskStatus

PENDING, IN_PROGRESS, COMPLETED, FAILED = TaskStatus


class House:
    """The tasks of one run, with invocations that hold back, settle and fail."""

    def __init__(self) -> None:
        self.tasks = Tasks()
        self.time = 1.0
        self.deliveries = itertools.count(1)
        ids = (f"outside.{number}" for number in itertools.count())
        self.outside = TaskView(
            lambda: self.tasks, self.commit, new_id=lambda: next(ids), now=self.now
        )

    def now(self) -> float:
        return self.time

    def commit(self, decision: Callable[[], tuple[E, ...]]) -> tuple[E, ...]:
        """Changes that take effect at once."""
        effects = decision()
        for effect in effects:
            assert isinstance(effect, TaskWrite)
            self.tasks.apply(effect)
        return effects

    def invocation(self, number: int = 0) -> Invocation:
        """One more invocation, with nothing held back."""
        return Invocation(self, number or next(self.deliveries))

    def status(self, task_id: str) -> tuple[TaskStatus, int]:
        """Committed status and attempts of a task."""
        task = self.tasks.get(task_id)
        assert task is not None
        return task.status, task.attempts


@dataclass
class Invocation:
    """What an invocation has of the tasks, until it settles or fails."""

    house: House
    number: int
    held: list[Any] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        house = self.house
        ids = (f"{self.number}.{place}" for place in itertools.count())
        self.tasks = TaskView(
            lambda: house.tasks,
            house.commit,
            new_id=lambda: next(ids),
            now=house.now,
            held=self.held,
            guard=self.guard,
            holder=self.number,
            agent="worker",
        )

    def guard(self) -> None:
        if self.closed:
            raise ContextClosed("worker:1")

    def settle(self) -> None:
        """Decide and apply, as one step."""
        decide_tasks(self.house.tasks, self.held)
        self.closed = True
        for write in self.held:
            self.house.tasks.apply(write)
        self.house.tasks.settled(self.number)

    def fail(self) -> None:
        """The attempt fails: nothing held back is left of it, nor what it claimed."""
        self.closed = True
        self.house.tasks.release(self.number, self.house.time)


def ids(tasks: list[TaskInfo]) -> list[str]:
    """The ids of some tasks, in their order."""
    return [task.id for task in tasks]


class TasksAreConserved(RuleBasedStateMachine):
    """Invocations share out tasks: each is in one place, and no attempt is made twice."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.open = [self.house.invocation(), self.house.invocation()]
        self.claimed: list[dict[str, TaskStatus]] = [{}, {}]  # what each will make of it
        self.standing: dict[str, TaskStatus] = {}
        self.attempts: dict[str, int] = {}

    @rule(most=st.integers(1, 2))
    def add(self, most: int) -> None:
        """The outside world adds a task."""
        task = self.house.outside.add_task("search", {"n": most}, most)
        self.standing[task.id] = PENDING
        self.attempts[task.id] = 0

    @rule(who=st.integers(0, 1))
    def claim(self, who: int) -> None:
        """An invocation claims the next task, at once; the other cannot claim it."""
        task = self.open[who].tasks.claim_task("search", "worker")
        pending = [each for each, stands in self.standing.items() if stands is PENDING]
        assert (task is not None) == bool(pending)
        if task is not None:
            assert task.id in pending
            self.attempts[task.id] += 1
            assert (task.status, task.attempts) == (IN_PROGRESS, self.attempts[task.id])
            self.standing[task.id] = self.claimed[who][task.id] = IN_PROGRESS

    @rule(who=st.integers(0, 1), success=st.booleans())
    def complete(self, who: int, success: bool) -> None:
        """An invocation completes what it has claimed, which only it can see yet."""
        mine = [each for each, made in self.claimed[who].items() if made is IN_PROGRESS]
        if mine:
            self.open[who].tasks.complete_task(mine[0], success)
            made = COMPLETED if success else self.after_failure(mine[0])
            self.claimed[who][mine[0]] = made

    def after_failure(self, task_id: str) -> TaskStatus:
        most = self.house.tasks.get(task_id).max_attempts  # type: ignore[union-attr]
        return PENDING if self.attempts[task_id] < most else FAILED

    @rule(who=st.integers(0, 1))
    def settle(self, who: int) -> None:
        """It settles: what it completed is done, the rest stays in progress."""
        self.open[who].settle()
        self.standing.update(self.claimed[who])
        self.begin(who)

    @rule(who=st.integers(0, 1))
    def fail(self, who: int) -> None:
        """Its attempt fails: what it claimed can be claimed again, if attempts are left."""
        self.open[who].fail()
        for task_id in self.claimed[who]:
            self.standing[task_id] = self.after_failure(task_id)
        self.begin(who)

    def begin(self, who: int) -> None:
        self.open[who] = self.house.invocation()
        self.claimed[who] = {}

    @invariant()
    def each_sees_its_own(self) -> None:
        """Every view shows committed tasks and own changes, and nothing of another's."""
        views = [self.open[0].tasks, self.open[1].tasks, self.house.outside]
        for view, own in zip(views, [*self.claimed, {}], strict=True):
            wanted = self.standing | own
            for each in TaskStatus:
                found = ids(view.get_tasks_by_status(each))
                assert found == [task_id for task_id in wanted if wanted[task_id] is each]
            assert {task.id: task.status for task in view.get_tasks_by_type("search")} == wanted
            done = sum(stands is COMPLETED for stands in wanted.values())
            idle = PENDING not in wanted.values()
            assert view.is_complete(done) == idle
            assert not view.is_complete(done + 1)


TestTasksAreConserved = TasksAreConserved.TestCase


def test_tasks_added_are_held_back() -> None:
    """An added task is seen by oneself, and by others and claims once it is settled."""
    house = House()
    one, two = house.invocation(), house.invocation()
    task = one.tasks.add_task("search", {"q": "x"}, 3)
    assert one.tasks.get_task_by_id(task.id) == task
    assert task == TaskInfo(
        "1.0", "search", {"q": "x"}, PENDING, 0, 3, None, None, task.created_at, task.created_at
    )
    assert ids(one.tasks.get_pending_tasks()) == [task.id]
    assert two.tasks.get_task_by_id(task.id) is None
    assert one.tasks.claim_task("search") is None
    one.settle()
    claimed = two.tasks.claim_task("search")
    assert claimed is not None
    assert (claimed.id, claimed.claimed_by) == (task.id, "worker")


def test_task_claims_are_leases() -> None:
    """A claim holds at once, and ends with a failed attempt, which is counted."""
    house = House()
    task = house.outside.add_task("search", 1, 2)
    one, two = house.invocation(), house.invocation()
    assert one.tasks.claim_task("search", "searcher") is not None
    assert two.tasks.claim_task("search", "searcher") is None
    assert one.held == []
    one.fail()
    assert house.status(task.id) == (PENDING, 1)
    assert two.tasks.claim_task("search", "searcher") is not None
    two.fail()
    assert house.status(task.id) == (FAILED, 2)
    assert house.outside.claim_task("search", "me") is None


def test_a_claimed_task_that_is_not_completed_stays_in_progress() -> None:
    """It is named as open, and anybody may complete it later."""
    house = House()
    task = house.outside.add_task("search", 1, 2)
    one = house.invocation()
    one.tasks.claim_task("search")
    one.settle()
    assert [each.id for each in house.tasks.open_tasks()] == [task.id]
    house.outside.complete_task(task.id, True)
    assert house.status(task.id) == (COMPLETED, 1)


def test_completing_is_held_back() -> None:
    """A completion of a failed attempt is as if it had never been."""
    house = House()
    task = house.outside.add_task("search", 1, 3)
    one = house.invocation()
    one.tasks.claim_task("search")
    one.tasks.complete_task(task.id, True)
    assert one.tasks.is_complete([task.id])
    assert not house.outside.is_complete([task.id])
    one.fail()
    assert house.status(task.id) == (PENDING, 1)


def test_completing_without_success_uses_up_attempts() -> None:
    """The task is pending again until its last attempt, then Failed."""
    house = House()
    task = house.outside.add_task("search", 1, 2)
    for wanted in ((PENDING, 1), (FAILED, 2)):
        one = house.invocation()
        one.tasks.claim_task("search")
        one.tasks.complete_task(task.id, False)
        one.settle()
        assert house.status(task.id) == wanted


def test_a_settle_that_comes_too_late_fails_the_attempt() -> None:
    """If somebody else has ended the task meanwhile, settling raises and changes nothing."""
    house = House()
    task = house.outside.add_task("search", 1, 2)
    one, two = house.invocation(), house.invocation()
    for each in (one, two):
        each.tasks.add_task("extra", each.number, 1)
        each.tasks.complete_task(task.id, each is one)
    one.settle()
    with pytest.raises(TransitionError):
        two.settle()
    assert [each.data for each in house.outside.get_tasks_by_type("extra")] == [one.number]


def test_own_writes_build_on_each_other() -> None:
    """An invocation may add, update and complete a task, and settles all of it together."""
    house = House()
    one = house.invocation()
    task = one.tasks.add_task("search", 1, 2)
    part = one.tasks.add_task("search", 2, 2, parent=task.id)
    one.tasks.update_task_status(task.id, IN_PROGRESS)
    one.tasks.complete_task(task.id, True)
    with pytest.raises(TransitionError):
        one.tasks.complete_task(task.id, True)
    one.settle()
    assert house.status(task.id) == (COMPLETED, 1)
    assert [each.parent for each in house.outside.get_pending_tasks()] == [part.parent] == [task.id]


def test_a_change_that_the_table_forbids_raises_at_once() -> None:
    """Ending an ended task, or one that does not exist, raises from the call."""
    house = House()
    task = house.outside.add_task("search", 1, 2)
    house.outside.complete_task(task.id, True)
    for view in (house.invocation().tasks, house.outside):
        with pytest.raises(TransitionError):
            view.complete_task(task.id, False)
        with pytest.raises(TransitionError):
            view.update_task_status(task.id, PENDING)
        with pytest.raises(TaskNotFound):
            view.complete_task("none", True)
        with pytest.raises(TaskNotFound):
            view.add_task("search", 1, 1, parent="none")
        with pytest.raises(ExecutionError, match="InProgress"):
            view.update_task_status(task.id, "Done")
        with pytest.raises(ExecutionError):
            view.add_task("search", 1, 0)


def test_reads_stay_possible_when_an_own_write_has_become_impossible() -> None:
    """A read shows what somebody else has made of the task; settling is what fails."""
    house = House()
    task = house.outside.add_task("search", 1, 2)
    one = house.invocation()
    one.tasks.update_task_status(task.id, FAILED)
    house.outside.complete_task(task.id, True)
    assert ids(one.tasks.get_tasks_by_status(COMPLETED)) == [task.id]
    assert one.tasks.get_tasks_by_status("Failed") == []


def test_create_or_update_task() -> None:
    """An unknown id is created, a known one gets type and data, and a status if one is given."""
    house = House()
    one = house.invocation()
    made = one.tasks.create_or_update_task("t", "search", {"n": 1})
    assert (made.status, made.max_attempts) == (PENDING, 3)
    assert one.tasks.create_or_update_task("t", "read", [2], IN_PROGRESS).attempts == 1
    one.settle()
    kept = house.outside.create_or_update_task("t", "read", [3])
    assert (kept.type, kept.data, kept.status) == ("read", [3], IN_PROGRESS)
    assert house.outside.get_tasks_by_type("search") == []


def test_a_message_creates_or_updates_its_task() -> None:
    """A new task takes the channel for its type, a known one keeps what it is."""
    house = House()
    one = house.invocation()
    one.tasks.link("new", b"\x01", channel="queries")
    known = house.outside.add_task("search", 1, 5)
    one.tasks.link(known.id, b"\x02", channel="queries", status="InProgress")
    one.settle()
    new, old = (house.outside.get_task_by_id(task_id) for task_id in ("new", known.id))
    assert new is not None
    assert old is not None
    assert (new.type, new.data, new.status) == ("queries", 1, PENDING)
    assert (old.type, old.data, old.status, old.max_attempts) == ("search", 2, IN_PROGRESS, 5)


def test_a_claim_passes_over_what_oneself_has_changed() -> None:
    """A pending task that this invocation is about to end is not handed to it again."""
    house = House()
    first, second = (house.outside.add_task("search", n, 1) for n in range(2))
    one = house.invocation()
    one.tasks.complete_task(first.id, True)
    claimed = one.tasks.claim_task("search")
    assert claimed is not None
    assert claimed.id == second.id
    assert one.tasks.claim_task("search") is None


def test_is_complete_counts_or_names() -> None:
    """A number wants that many Completed and none Pending; ids want each of them Completed."""
    house = House()
    tasks = [house.outside.add_task("search", n, 1) for n in range(3)]
    assert not house.outside.is_complete(1)
    assert not house.outside.is_complete([tasks[0].id])
    assert house.outside.is_complete([])
    for task in tasks[:2]:
        house.outside.complete_task(task.id, True)
    assert not house.outside.is_complete(2)
    assert house.outside.is_complete(task.id for task in tasks[:2])
    house.outside.complete_task(tasks[2].id, False)
    assert house.outside.is_complete(2)
    assert not house.outside.is_complete(3)
    assert not house.outside.is_complete([tasks[0].id, "none"])


def test_a_tasks_data_is_the_readers_own() -> None:
    """What a caller does to given or read data changes nothing."""
    house = House()
    data = {"list": [1]}
    task = house.outside.add_task("search", data, 1)
    data["list"].append(2)
    task.data["list"].append(3)
    read = house.outside.get_task_by_id(task.id)
    assert read is not None
    assert read.data == {"list": [1]}


def test_what_cannot_be_kept_is_refused_at_once() -> None:
    """Data that is not JSON, or names the journal could not hold, raise from the call."""
    one = House().invocation()
    calls: list[Callable[[], object]] = [
        lambda: one.tasks.add_task("search", {1}, 1),
        lambda: one.tasks.add_task("\ud800", 1, 1),
        lambda: one.tasks.create_or_update_task(5, "search", 1),  # type: ignore[arg-type]
        lambda: one.tasks.claim_task("search", "\ud800"),
    ]
    for call in calls:
        with pytest.raises(SerializationError):
            call()
    assert one.held == []


def test_a_closed_context_refuses_everything() -> None:
    """After its invocation has settled a view neither reads nor writes."""
    one = House().invocation()
    tasks = one.tasks
    one.settle()
    calls: list[Callable[[], object]] = [
        lambda: tasks.add_task("search", 1, 1),
        lambda: tasks.claim_task("search", "a"),
        lambda: tasks.complete_task("t", True),
        lambda: tasks.update_task_status("t", PENDING),
        lambda: tasks.create_or_update_task("t", "search", 1),
        lambda: tasks.link("t", b"\x01", channel="c"),
        lambda: tasks.get_task_by_id("t"),
        lambda: tasks.get_tasks_by_type("search"),
        lambda: tasks.get_tasks_by_status(PENDING),
        tasks.get_pending_tasks,
        lambda: tasks.is_complete(0),
    ]
    for call in calls:
        with pytest.raises(ContextClosed):
            call()
    assert one.held == []


def test_a_handler_in_a_thread_may_use_its_tasks() -> None:
    """Held-back writes may come from another thread; deciding passes over other effects."""
    house = House()
    one = house.invocation()
    one.held.append(CacheWrite("delete", "n", "k"))

    def handler() -> None:
        for number in range(9):
            one.tasks.add_task("t", number, 1)

    thread = threading.Thread(target=handler)
    thread.start()
    thread.join()
    decide_tasks(house.tasks, one.held)
    assert [write.data for write in one.held[1:]] == [bytes([n]) for n in range(9)]
