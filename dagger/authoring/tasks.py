"""What a user holds of a run's tasks: inside an invocation, or outside of all.

Inside, adding, completing and updating are held back until the invocation settles,
and reads see what is committed at that moment plus the invocation's own writes.
Outside, each write takes effect at once. Claiming takes effect at once everywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dagger.authoring.cache import unguarded
from dagger.state.tasks import Task, Tasks, after, created
from dagger.words.effects import Commit, TaskWrite
from dagger.words.errors import ExecutionError, TaskNotFound, TransitionError
from dagger.words.outcomes import TaskStatus
from dagger.words.payload import decode, encode, string


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task as it stood when it was asked for."""

    id: str
    """What it is claimed and completed by."""
    type: str
    """A word of the caller's, to ask for tasks by."""
    data: Any
    """The caller's own copy."""
    status: TaskStatus
    """Where it stands."""
    attempts: int
    """How often it was begun."""
    max_attempts: int
    """How often it may be begun before it is Failed."""
    parent: str | None
    """The id of the task that this one is a part of."""
    claimed_by: str | None
    """The agent that has it in hand, or had it last; None while it is pending."""
    created_at: float
    """Epoch seconds."""
    updated_at: float
    """Epoch seconds."""


def decide_tasks(tasks: Tasks, held: Iterable[Any]) -> None:
    """Check held-back task writes, one after the other, against what is committed now.

    Call it and apply them in one step. Raises TransitionError or TaskNotFound for the
    first that is not possible any more; what is no task write is passed over.
    """
    drafts: dict[str, Task] = {}
    for write in held:
        if type(write) is TaskWrite:
            task = drafts.get(write.task_id) or tasks.get(write.task_id)
            drafts[write.task_id] = after(task, write)


def _checked(tasks: Tasks, write: TaskWrite) -> tuple[TaskWrite, ...]:
    decide_tasks(tasks, (write,))
    return (write,)


class _Draft:
    """Committed tasks as they will look with some own writes on top of them."""

    __slots__ = ("_own", "committed")

    def __init__(self, committed: Callable[[], Tasks]) -> None:
        self.committed = committed
        self._own: dict[str, list[TaskWrite]] = {}

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._own

    def add(self, write: TaskWrite) -> None:
        """One more own write."""
        self._own.setdefault(write.task_id, []).append(write)

    def task(self, task_id: str) -> Task | None:
        """The task as it would be; writes that have become impossible are passed over."""
        task = self.committed().get(task_id)
        for write in self._own.get(task_id, ()):
            try:
                task = after(task, write)
            except (TaskNotFound, TransitionError):
                continue
        return task

    def standing(self, status: TaskStatus) -> list[Task]:
        """The tasks that would stand so."""
        found = self.committed().of_status(status)
        return self._overlaid(found, lambda task: task.status is status)

    def of_type(self, task_type: str) -> list[Task]:
        """The tasks that would be of a type."""
        found = self.committed().of_type(task_type)
        return self._overlaid(found, lambda task: task.type == task_type)

    def count(self, status: TaskStatus) -> int:
        """How many tasks would stand so."""
        committed = self.committed()
        count = committed.count(status)
        for task_id in self._own:
            count += _stands(self.task(task_id), status) - _stands(committed.get(task_id), status)
        return count

    def _overlaid(self, found: list[Task], wanted: Callable[[Task], bool]) -> list[Task]:
        """`found` with the own tasks replaced by what they would be; oldest first."""
        if not self._own:
            return found
        drafts = [task for task in map(self.task, self._own) if task is not None]
        kept = [task for task in found if task.id not in self._own]
        return sorted([*kept, *filter(wanted, drafts)], key=created)


def _stands(task: Task | None, status: TaskStatus) -> bool:
    return task is not None and task.status is status


class TaskView:
    """The tasks of a run: units of work that agents share out among themselves.

    A task is Pending, InProgress, Completed or Failed (`words.outcomes.TRANSITIONS` says
    what may follow what). Every call is plain, never awaited, and may come from the
    invocation's own thread. Lists are oldest first. A write that the table does not
    allow raises TransitionError; held back, it raises once more when the invocation
    settles, and fails the attempt, if somebody else has changed the task meanwhile.

    Writes join the effects that an invocation has `held` back; without it (outside of
    all) they go through `commit`, as claims always do. `new_id` gives a re-execution the
    same ids again. `guard` is called first by every call, and raises once the context
    is closed. `holder` and `agent` are the delivery and the agent that claims are for.
    """

    __slots__ = ("_agent", "_commit", "_draft", "_guard", "_held", "_holder", "_new_id", "_now")

    def __init__(
        self,
        committed: Callable[[], Tasks],
        commit: Commit,
        *,
        new_id: Callable[[], str],
        now: Callable[[], float],
        held: list[Any] | None = None,
        guard: Callable[[], None] = unguarded,
        holder: int = 0,
        agent: str = "",
    ) -> None:
        self._draft = _Draft(committed)
        self._commit = commit
        self._new_id = new_id
        self._now = now
        self._held = held
        self._guard = guard
        self._holder = holder
        self._agent = agent

    def add_task(
        self, task_type: str, data: Any, max_attempts: int, parent: str | None = None
    ) -> TaskInfo:
        """A new pending task, which can be claimed once the invocation has settled.

        `data` is JSON data; `max_attempts` at least 1; `parent` the id of a task that
        exists. Raises SerializationError, TaskNotFound, or ExecutionError.
        """
        self._guard()
        if type(max_attempts) is not int or not 1 <= max_attempts <= sys.maxsize:
            raise ExecutionError(f"a task needs at least 1 attempt, not {max_attempts!r}")
        if parent is not None:
            self._task(parent)
        task_id = self._new_id()
        blob = _encoded(task_id, data)
        return _info(self._put(task_id, task_type, blob, None, max_attempts, parent))

    def claim_task(self, task_type: str, agent_name: str = "") -> TaskInfo | None:
        """The longest pending task of a type, now InProgress; None if there is none.

        It happens at once, as a lease: if the attempt fails or the process dies, the task
        is Pending again (Failed, where this was its last attempt). Whoever claims has to
        complete it; if the invocation settles without that, the task stays InProgress.
        Passes over tasks that this invocation itself holds back a change of. `agent_name`
        is the handler's agent, where it is not given.
        """
        self._guard()
        agent = string(agent_name or self._agent, "agent name")

        def first() -> tuple[TaskWrite, ...]:
            for task in self._draft.committed().pending(task_type):
                if task.id not in self._draft:
                    return (self._claim(task, agent),)
            return ()

        claims = self._commit(first)
        return _info(self._task(claims[0].task_id)) if claims else None

    def complete_task(self, task_id: str, success: bool) -> None:
        """Completed; or, without success, Pending again, or Failed after the last attempt.

        Who claimed it does not matter. A Pending task may be completed too; without
        success, that counts as an attempt.
        """
        if success:
            self._change(TaskWrite("status", task_id, TaskStatus.COMPLETED.value, at=self._now()))
        else:
            self._change(TaskWrite("fail", task_id, at=self._now()))

    def update_task_status(self, task_id: str, status: TaskStatus | str) -> None:
        """Give the task another status. InProgress counts as an attempt, without a lease."""
        self._change(TaskWrite("status", task_id, _status(status), at=self._now()))

    def create_or_update_task(
        self, task_id: str, task_type: str, data: Any, status: TaskStatus | str | None = None
    ) -> TaskInfo:
        """A task of this id, type and data, whether or not there was one.

        Without `status` a new task is Pending, with 3 attempts, and an old one stays as
        it stands.
        """
        return _info(self._put(task_id, task_type, _encoded(task_id, data), status))

    def link(
        self,
        task_id: str,
        data: bytes,
        *,
        channel: str,
        task_type: str | None = None,
        status: TaskStatus | str | None = None,
    ) -> None:
        """`create_or_update_task` from a message, whose payload is encoded already.

        A new task without a type takes the channel's name for one.
        """
        known = self._draft.task(task_id) is not None
        self._put(task_id, task_type or ("" if known else channel), data, status)

    def get_task_by_id(self, task_id: str) -> TaskInfo | None:
        """The task of that id, if there is one."""
        self._guard()
        task = self._draft.task(task_id)
        return None if task is None else _info(task)

    def get_tasks_by_type(self, task_type: str) -> list[TaskInfo]:
        """The tasks of a type, however they stand."""
        self._guard()
        return [_info(task) for task in self._draft.of_type(task_type)]

    def get_tasks_by_status(self, status: TaskStatus | str) -> list[TaskInfo]:
        """The tasks that stand so, whatever their type."""
        self._guard()
        return [_info(task) for task in self._draft.standing(TaskStatus(_status(status)))]

    def get_pending_tasks(self) -> list[TaskInfo]:
        """The tasks that wait to be claimed."""
        return self.get_tasks_by_status(TaskStatus.PENDING)

    def is_complete(self, planned: int | Iterable[str]) -> bool:
        """Whether what was planned is done.

        For a number: at least so many tasks are Completed, and none is Pending. For task
        ids: every one of them is Completed.
        """
        self._guard()
        if isinstance(planned, int):
            done = self._draft.count(TaskStatus.COMPLETED)
            return done >= planned and not self._draft.count(TaskStatus.PENDING)
        tasks = map(self._draft.task, planned)
        return all(_stands(task, TaskStatus.COMPLETED) for task in tasks)

    def _put(
        self,
        task_id: str,
        task_type: str,
        data: bytes,
        status: TaskStatus | str | None,
        max_attempts: int = 0,
        parent: str | None = None,
    ) -> Task:
        write = TaskWrite(
            "put",
            string(task_id, "task id"),
            _status(status) if status is not None else "",
            string(task_type, "task type"),
            data,
            max_attempts,
            parent,
            at=self._now(),
        )
        return self._change(write)

    def _claim(self, task: Task, agent: str) -> TaskWrite:
        return TaskWrite("claim", task.id, agent=agent, holder=self._holder, at=self._now())

    def _change(self, write: TaskWrite) -> Task:
        """Check the write, hold it back or make it; the task as it is then."""
        self._guard()
        task = after(self._draft.task(write.task_id), write)
        if self._held is None:
            self._commit(lambda: _checked(self._draft.committed(), write))
        else:
            self._draft.add(write)
            self._held.append(write)
        return task

    def _task(self, task_id: str) -> Task:
        task = self._draft.task(task_id)
        if task is None:
            raise TaskNotFound(task_id)
        return task


def _encoded(task_id: str, data: Any) -> bytes:
    who = f"task {task_id}"
    return encode(data, who)


def _status(status: TaskStatus | str) -> str:
    try:
        return TaskStatus(status).value
    except ValueError:
        known = ", ".join(TaskStatus)
        raise ExecutionError(f"no task status {status!r}; known: {known}") from None


def _info(task: Task) -> TaskInfo:
    return TaskInfo(
        id=task.id,
        type=task.type,
        data=decode(task.data),
        status=task.status,
        attempts=task.attempts,
        max_attempts=task.max_attempts,
        parent=task.parent,
        claimed_by=task.claimed_by,
        created_at=task.created_at,
        updated_at=task.updated_at,
    )
