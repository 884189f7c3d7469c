"""The tasks of one run, as a fold of writes, with the leases of those in hand.

What a write makes of a task is one pure function, `after`. Who decides a write
lets it raise; the fold applies the same function and ignores what is impossible.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dagger.words.effects import TaskWrite
from dagger.words.errors import TaskNotFound, TransitionError
from dagger.words.outcomes import TRANSITIONS, TaskStatus
from dagger.words.versions import WrittenByNewer


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work; it never changes, a write puts another one in its place."""

    id: str
    type: str
    data: bytes
    """The encoded payload."""
    max_attempts: int
    parent: str | None
    """The id of the task that this one is a part of."""
    created_at: float
    updated_at: float
    status: TaskStatus = TaskStatus.PENDING
    attempts: int = 0
    """How often it was begun: the moves to InProgress."""
    claimed_by: str | None = None
    """Who has it in hand, or had it last; None while it is pending."""
    holder: int = 0
    """The delivery that holds it as a lease; 0 for none, or for the outside world."""
    number: int = 0
    """Its place in the order of creation; 0 for one that nobody has committed yet."""


MAX_ATTEMPTS = 3
"""Attempts at a task where whoever created it did not say."""

Place = TaskStatus | tuple[str, TaskStatus] | int
"""Where a task is found: its status, its type and status, the holder of its lease."""


class Tasks:
    """The tasks of one run at one journal position."""

    __slots__ = ("_places", "_tasks")

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        # Ordered, and not a plain dict, because taking the first of one again and again
        # skips over all those taken before.
        self._places: dict[Place, OrderedDict[str, Task]] = {}

    def apply(self, write: TaskWrite) -> None:
        """Make one decided write true, in constant time.

        Another invocation may have been quicker: a write of an unknown task, or one that
        the table of transitions does not allow any more, changes nothing.
        """
        try:
            self._put(after(self._tasks.get(write.task_id), write))
        except (TaskNotFound, TransitionError):
            return

    def release(self, holder: int, at: float) -> None:
        """The holder's attempt failed or died: what it held is pending again, or Failed
        where its attempts are used up.
        """
        for task in self._at(holder):
            self._put(_failed(task, at))

    def settled(self, holder: int) -> None:
        """The holder settled: what it did not complete stays in progress, held by nobody."""
        for task in self._at(holder):
            self._put(replace(task, holder=0))

    def holds(self, holder: int) -> bool:
        """Whether anything is leased to the holder."""
        return bool(self._at(holder))

    def get(self, task_id: str) -> Task | None:
        """The task of that id, if there is one."""
        return self._tasks.get(task_id)

    def pending(self, task_type: str) -> Iterator[Task]:
        """The pending tasks of a type, longest pending first. Change nothing meanwhile."""
        return iter(self._places.get((task_type, TaskStatus.PENDING), _NOWHERE).values())

    def of_type(self, task_type: str) -> list[Task]:
        """The tasks of a type, oldest first."""
        found = [task for status in TaskStatus for task in self._at((task_type, status))]
        return sorted(found, key=created)

    def of_status(self, status: TaskStatus) -> list[Task]:
        """The tasks that stand so, oldest first."""
        return sorted(self._at(status), key=created)

    def count(self, status: TaskStatus) -> int:
        """How many tasks stand so."""
        return len(self._places.get(status, ()))

    def open_tasks(self) -> list[Task]:
        """The tasks in progress that nobody holds, oldest first: somebody has to end them."""
        return [task for task in self.of_status(TaskStatus.IN_PROGRESS) if not task.holder]

    def copy(self) -> TasksCopy:
        """The tasks as they are now, in few and large steps: 100,000 take a millisecond."""
        # Nothing is ever moved within a place, so that what `dict` says of the order in
        # there is true, and ten times as quick as asking an OrderedDict.
        held, others = (
            [list(dict.values(here)) for place, here in self._places.items() if type(place) is kind]
            for kind in (int, tuple)
        )
        return TasksCopy(held, others)

    def restore(self, task: Task) -> None:
        """Keep `task` as it stands: last of those among which it is not yet."""
        self._tasks[task.id] = task
        for place in _places(task):
            here = self._places.get(place)
            if here is None:
                here = self._places[place] = OrderedDict()
            here[task.id] = task

    def _at(self, place: Place) -> list[Task]:
        return list(self._places.get(place, _NOWHERE).values())

    def _put(self, task: Task) -> None:
        """Keep `task`; where it stays, it keeps its turn."""
        places = _places(task)
        old = self._tasks.get(task.id)
        if old is None:
            task = replace(task, number=len(self._tasks) + 1)
        for place in _places(old) if old is not None else ():
            if place not in places:
                self._leave(place, task.id)
        self.restore(task)

    def _leave(self, place: Place, task_id: str) -> None:
        here = self._places[place]
        del here[task_id]
        if not here:
            del self._places[place]


class TasksCopy:
    """Tasks as they were, in an order in which `restore` makes the same tasks of them."""

    __slots__ = ("_held", "_others")

    def __init__(self, held: list[list[Task]], others: list[list[Task]]) -> None:
        self._held = held  # by holder, longest held first
        self._others = others  # by type and status, and among them those that are held

    def __iter__(self) -> Iterator[Task]:
        for line in self._held:
            yield from line
        for line in self._others:
            yield from (task for task in line if not task.holder)


_NOWHERE: OrderedDict[str, Task] = OrderedDict()


def created(task: Task) -> int:
    """The key that sorts tasks oldest first, whatever clocks say."""
    return task.number or sys.maxsize


def _places(task: Task) -> tuple[Place, ...]:
    places: tuple[Place, ...] = (task.status, (task.type, task.status))
    return (*places, task.holder) if task.holder else places


def after(task: Task | None, write: TaskWrite) -> Task:
    """What `write` makes of `task` (None: there is none of its id).

    Raises TaskNotFound or TransitionError where it is impossible, and ValueError for
    an unknown `op` or status.
    """
    if write.op == "put":
        return _created(write) if task is None else _updated(task, write)
    if task is None:
        raise TaskNotFound(write.task_id)
    match write.op:
        case "claim":
            claimed = _moved(task, TaskStatus.IN_PROGRESS, write.at)
            return replace(claimed, claimed_by=write.agent, holder=write.holder)
        case "status":
            return _moved(task, TaskStatus(write.status), write.at)
        case "fail" if task.status is TaskStatus.PENDING:
            return _failed(_moved(task, TaskStatus.IN_PROGRESS, write.at), write.at)
        case "fail":
            return _failed(task, write.at)
    raise WrittenByNewer(f"unknown task operation {write.op!r}")


def _created(write: TaskWrite) -> Task:
    task = Task(
        id=write.task_id,
        type=write.task_type,
        data=write.data,
        max_attempts=write.max_attempts or MAX_ATTEMPTS,
        parent=write.parent,
        created_at=write.at,
        updated_at=write.at,
    )
    wanted = TaskStatus(write.status or task.status)
    return task if wanted is task.status else _moved(task, wanted, write.at)


def _updated(task: Task, write: TaskWrite) -> Task:
    """The task with the given fields; an empty one leaves what is there."""
    wanted = TaskStatus(write.status or task.status)
    return replace(
        task if wanted is task.status else _moved(task, wanted, write.at),
        type=write.task_type or task.type,
        data=write.data or task.data,
        max_attempts=write.max_attempts or task.max_attempts,
        parent=write.parent or task.parent,
        updated_at=write.at,
    )


def _failed(task: Task, at: float) -> Task:
    """One attempt at it failed: there is another, or it was the last."""
    if task.status is TaskStatus.IN_PROGRESS and task.attempts < task.max_attempts:
        return _moved(task, TaskStatus.PENDING, at)
    return _moved(task, TaskStatus.FAILED, at)


def _moved(task: Task, status: TaskStatus, at: float) -> Task:
    """The task in another status, held by nobody."""
    if status not in TRANSITIONS[task.status]:
        raise TransitionError(task.id, task.status, status)
    return replace(
        task,
        status=status,
        attempts=task.attempts + (status is TaskStatus.IN_PROGRESS),
        claimed_by=None if status is TaskStatus.PENDING else task.claimed_by,
        holder=0,
        updated_at=at,
    )
