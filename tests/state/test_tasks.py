"""The fold of a run's tasks, against a plain list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dagger.state.tasks import Task, Tasks, after
from dagger.words.effects import TaskWrite
from dagger.words.errors import TaskNotFound, TransitionError
from dagger.words.outcomes import TRANSITIONS, TaskStatus

PENDING, IN_PROGRESS, COMPLETED, FAILED = TaskStatus
IDS = st.sampled_from([f"t{number}" for number in range(6)])
TYPES = st.sampled_from(["search", "read"])
HOLDERS = st.integers(0, 3)


def put(task_id: str, task_type: str = "search", status: str = "", most: int = 2) -> TaskWrite:
    """A task is created or updated."""
    return TaskWrite("put", task_id, status, task_type, b"\xc0", most, at=1.0)


def claim(task_id: str, holder: int = 1, at: float = 2.0) -> TaskWrite:
    """A task is claimed."""
    return TaskWrite("claim", task_id, agent="worker", holder=holder, at=at)


def move(task_id: str, status: TaskStatus) -> TaskWrite:
    """A task gets another status."""
    return TaskWrite("status", task_id, status.value, at=3.0)


def fail(task_id: str) -> TaskWrite:
    """An attempt at a task failed."""
    return TaskWrite("fail", task_id, at=3.0)


def holding(*writes: TaskWrite) -> Tasks:
    """Tasks after some writes."""
    tasks = Tasks()
    for each in writes:
        tasks.apply(each)
    return tasks


def status(tasks: Tasks, task_id: str) -> tuple[TaskStatus, int, int]:
    """How a task stands: status, attempts, holder."""
    task = tasks.get(task_id)
    assert task is not None
    return task.status, task.attempts, task.holder


def ids(tasks: Iterable[Task]) -> list[str]:
    """The ids of some tasks, in their order."""
    return [task.id for task in tasks]


class TasksAgainstList(RuleBasedStateMachine):
    """Any sequence of writes, possible or not, leaves what it leaves of a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks = Tasks()
        self.model: dict[str, Task] = {}
        self.turns: list[str] = []  # pending ones, longest pending first
        self.leases: list[str] = []  # held ones, longest held first
        self.at = 0.0

    def keep(self, task: Task) -> None:
        """The task as it has to be now, in the model."""
        old = self.model.get(task.id)
        stays = old is not None and (old.status, old.type) == (task.status, task.type)
        if not stays and task.id in self.turns:
            self.turns.remove(task.id)
        if task.status is PENDING and task.id not in self.turns:
            self.turns.append(task.id)
        if not task.holder and task.id in self.leases:
            self.leases.remove(task.id)
        if task.holder and task.id not in self.leases:
            self.leases.append(task.id)
        self.model[task.id] = task

    def become(self, task: Task, status: TaskStatus, by: str = "", holder: int = 0) -> None:
        """The task moves in the model, if the table lets it."""
        if status in TRANSITIONS[task.status]:
            moved = replace(task, status=status, holder=holder, updated_at=self.at)
            if status is IN_PROGRESS:
                moved = replace(moved, attempts=task.attempts + 1)
            if by or status is PENDING:
                moved = replace(moved, claimed_by=by or None)
            self.keep(moved)

    def end(self, task: Task) -> None:
        """An attempt at the task has failed."""
        self.become(task, FAILED if task.attempts >= task.max_attempts else PENDING)

    @rule()
    def tick(self) -> None:
        """Time passes; or it does not, between most of the writes."""
        self.at += 1

    @rule(task_id=IDS, task_type=TYPES, most=st.integers(1, 3))
    def put(self, task_id: str, task_type: str, most: int) -> None:
        """A task is created, or gets another type."""
        self.tasks.apply(TaskWrite("put", task_id, "", task_type, b"\xc0", most, at=self.at))
        old = self.model.get(task_id)
        if old is None:
            created = Task(task_id, task_type, b"\xc0", most, None, self.at, self.at)
            self.keep(replace(created, number=len(self.model) + 1))
        else:
            self.keep(replace(old, type=task_type, max_attempts=most, updated_at=self.at))

    @rule(task_id=IDS, holder=HOLDERS)
    def claim(self, task_id: str, holder: int) -> None:
        """Somebody claims a task, pending or not."""
        self.tasks.apply(claim(task_id, holder, self.at))
        if task_id in self.model:
            self.become(self.model[task_id], IN_PROGRESS, "worker", holder)

    @rule(task_id=IDS, wanted=st.sampled_from(TaskStatus))
    def move(self, task_id: str, wanted: TaskStatus) -> None:
        """Somebody gives a task another status, allowed or not."""
        self.tasks.apply(TaskWrite("status", task_id, wanted.value, at=self.at))
        if task_id in self.model:
            self.become(self.model[task_id], wanted)

    @rule(task_id=IDS)
    def fail(self, task_id: str) -> None:
        """Somebody completes a task without success, claimed or not."""
        self.tasks.apply(TaskWrite("fail", task_id, at=self.at))
        task = self.model.get(task_id)
        if task is not None and task.status is PENDING:
            begun = replace(task, attempts=task.attempts + 1, updated_at=self.at)
            last = begun.attempts >= task.max_attempts
            self.keep(replace(begun, status=FAILED) if last else begun)  # it keeps its turn
        elif task is not None and task.status is IN_PROGRESS:
            self.end(task)

    @rule(holder=st.integers(1, 3))
    def release(self, holder: int) -> None:
        """An attempt fails: what it held is pending again, or Failed after the last attempt."""
        self.tasks.release(holder, self.at)
        for task in [self.model[task_id] for task_id in self.leases]:
            if task.holder == holder:
                self.end(task)

    @rule(holder=st.integers(1, 3))
    def settled(self, holder: int) -> None:
        """An invocation settles: what it still held stays in progress, held by nobody."""
        self.tasks.settled(holder)
        for task in [self.model[task_id] for task_id in self.leases]:
            if task.holder == holder:
                self.keep(replace(task, holder=0))

    @rule()
    def load(self) -> None:
        """A copy is all there is of them."""
        copy, self.tasks = self.tasks.copy(), Tasks()
        for task in copy:
            self.tasks.restore(task)

    @invariant()
    def equal(self) -> None:
        """Tasks, lists, turns and counts are those of the model."""
        model = list(self.model.values())
        assert [self.tasks.get(task.id) for task in model] == model
        for status in TaskStatus:
            assert self.tasks.of_status(status) == [t for t in model if t.status is status]
            assert self.tasks.count(status) == len(self.tasks.of_status(status))
        for kind in ("search", "read"):
            assert self.tasks.of_type(kind) == [t for t in model if t.type == kind]
            turns = [task_id for task_id in self.turns if self.model[task_id].type == kind]
            assert ids(self.tasks.pending(kind)) == turns
        working = [task for task in model if task.status is IN_PROGRESS]
        assert self.tasks.open_tasks() == [task for task in working if not task.holder]


TestTasksAgainstList = TasksAgainstList.TestCase


def test_pending_tasks_wait_in_a_queue() -> None:
    """The longest pending comes first; a task that comes back goes to the end."""
    tasks = holding(put("a"), put("b"), put("other", "read"), put("c"), claim("a"))
    assert ids(tasks.pending("search")) == ["b", "c"]
    tasks.apply(put("b"))
    tasks.release(1, at=9.0)
    assert ids(tasks.pending("search")) == ["b", "c", "a"]
    assert ids(tasks.of_type("search")) == ["a", "b", "c"]
    assert ids(tasks.pending("none")) == []


def test_released_tasks_come_back_in_the_order_of_their_claims() -> None:
    """Recovery releases what a delivery held in the same order as live work did."""
    names = [f"task {number}" for number in range(20)]
    tasks = holding(*map(put, names), *map(claim, reversed(names)))
    tasks.release(1, at=9.0)
    assert ids(tasks.pending("search")) == list(reversed(names))


def test_a_copy_does_not_change() -> None:
    """What becomes of tasks later is not in a copy of them."""
    tasks = holding(put("a"), put("b"), claim("b"))
    copy = tasks.copy()
    tasks.apply(claim("a"))
    tasks.apply(put("c"))
    assert [(task.id, task.status) for task in copy] == [("b", IN_PROGRESS), ("a", PENDING)]


def test_a_failed_attempt_releases_its_tasks() -> None:
    """What a failed attempt held is pending again, its attempt counted, then Failed."""
    tasks = holding(put("a"), put("b"), claim("a", 1), claim("b", 2))
    tasks.release(1, at=9.0)
    assert status(tasks, "a") == (PENDING, 1, 0)
    assert tasks.get("a").updated_at == 9.0  # type: ignore[union-attr]
    assert status(tasks, "b") == (IN_PROGRESS, 1, 2)
    tasks.apply(claim("a", 3))
    tasks.release(3, at=9.0)
    assert status(tasks, "a") == (FAILED, 2, 0)


def test_a_settled_invocation_leaves_its_tasks_open() -> None:
    """What was claimed and not completed stays in progress, is named, and may be ended later."""
    tasks = holding(put("a"), put("b"), claim("a"), claim("b"))
    tasks.settled(1)
    tasks.apply(move("b", COMPLETED))
    assert ids(tasks.open_tasks()) == ["a"]
    tasks.release(1, at=9.0)
    assert status(tasks, "a") == (IN_PROGRESS, 1, 0)
    tasks.apply(move("a", COMPLETED))
    assert tasks.open_tasks() == []


def test_a_lease_ends_when_its_task_moves() -> None:
    """A task that somebody else has ended or given back is not held any more."""
    tasks = holding(put("a"), claim("a", 1), move("a", PENDING), claim("a", 2))
    tasks.release(1, at=9.0)
    assert status(tasks, "a") == (IN_PROGRESS, 2, 2)


def test_failing_counts_attempts() -> None:
    """A failed task is pending until its attempts are used up, claimed before or not."""
    tasks = holding(put("a", most=3), claim("a"), fail("a"))
    assert status(tasks, "a") == (PENDING, 1, 0)
    tasks.apply(fail("a"))
    assert status(tasks, "a") == (PENDING, 2, 0)
    tasks.apply(claim("a"))
    tasks.apply(fail("a"))
    assert status(tasks, "a") == (FAILED, 3, 0)


@pytest.mark.parametrize("current", TaskStatus)
@pytest.mark.parametrize("wanted", TaskStatus)
def test_the_table_says_what_may_follow(current: TaskStatus, wanted: TaskStatus) -> None:
    """Every move of the table happens; every other raises when decided, and is ignored after."""
    tasks = holding(put("a", status=current))
    before = tasks.get("a")
    if wanted in TRANSITIONS[current]:
        tasks.apply(move("a", wanted))
        assert status(tasks, "a")[0] is wanted
    else:
        with pytest.raises(TransitionError):
            after(before, move("a", wanted))
        tasks.apply(move("a", wanted))
        assert tasks.get("a") is before


def test_what_comes_too_late_changes_nothing() -> None:
    """Writes of ended or unknown tasks are ignored by the fold, and raise when decided."""
    tasks = holding(put("a", status=COMPLETED))
    before = tasks.get("a")
    for write in (claim("a"), fail("a"), put("a", status=PENDING)):
        with pytest.raises(TransitionError):
            after(before, write)
        tasks.apply(write)
        assert tasks.get("a") is before
    with pytest.raises(TaskNotFound):
        after(None, claim("b"))
    tasks.apply(claim("b"))
    assert tasks.get("b") is None


def test_an_update_leaves_what_it_does_not_name() -> None:
    """Empty fields of an update keep type, data, attempts, parent and status."""
    first = TaskWrite("put", "a", "", "search", b"\x01", 5, "parent", at=1.0)
    tasks = holding(first, claim("a"), TaskWrite("put", "a", data=b"\x02", at=4.0))
    assert tasks.get("a") == Task(
        "a", "search", b"\x02", 5, "parent", 1.0, 4.0, IN_PROGRESS, 1, "worker", 1, number=1
    )


def test_an_unknown_operation_changes_nothing() -> None:
    """A write of an unknown kind raises before anything has changed."""
    tasks = holding(put("a"))
    before = tasks.get("a")
    with pytest.raises(ValueError, match="twist"):
        tasks.apply(TaskWrite("twist", "a"))
    assert tasks.get("a") is before
