"""Whether two states know the same of a run, in whichever way they have come by it."""

from __future__ import annotations

from itertools import islice
from typing import Any

from dagger.state.parts import AccountRow, LaneRow
from dagger.state.run import Run
from dagger.state.snapshot import RunCopy, copy_run
from dagger.state.tasks import Task, Tasks
from dagger.state.tree import Tree
from dagger.words.outcomes import TaskStatus


def difference(one: Run, other: Run) -> str:
    """The names of the first facts that differ; "" if none do.

    Of what a run keeps the last of, the last that both have are compared.
    """
    if not _same_ends(one.tree, other.tree):
        return "its tree"
    if _told(one.tasks) != _told(other.tasks):
        return "its tasks"
    left, right = _common(copy_run(one), copy_run(other))
    if b"".join(left.pieces()) == b"".join(right.pieces()):
        return ""
    for name, mine, others in zip(left.run._fields, left.run, right.run, strict=True):
        if mine != others:
            return f"its {name} ({mine!r} and {others!r})"
    for field in ("lanes", "outputs", "letters"):
        if getattr(left, field) != getattr(right, field):
            return f"its {field}"
    return "its deliveries or its cache"


def _same_ends(one: Tree, other: Tree) -> bool:
    """Whether two trees have grown alike, as far as both have kept them."""
    if one.forgotten + len(one) != other.forgotten + len(other):
        return False
    least = min(len(one), len(other))
    ends = (islice(tree.nodes(), len(tree) - least, None) for tree in (one, other))
    return all(mine == others for mine, others in zip(*ends, strict=True))


def _told(tasks: Tasks) -> tuple[list[list[Task]], dict[str, list[Task]]]:
    """All tasks, and in which order those that are pending will be claimed: no other counts."""
    pending = dict.fromkeys(task.type for task in tasks.of_status(TaskStatus.PENDING))
    all_of_them = [tasks.of_status(status) for status in TaskStatus]
    return all_of_them, {each: list(tasks.pending(each)) for each in pending}


def _counted(lane: LaneRow) -> LaneRow:
    """Who heard something there, in one order: what else is known depends on who asked."""
    return lane._replace(tallies=tuple(sorted(each for each in lane.tallies if any(each[1]))))


def _both(rows: list[AccountRow], known: list[set[Any]]) -> list[AccountRow]:
    return [each for each in rows if all(each[:2] in one for one in known)]


def _common(one: RunCopy, other: RunCopy) -> tuple[RunCopy, RunCopy]:
    """Two copies without trees and tasks, and of their lists the ends that both have."""
    outputs = min(len(one.outputs), len(other.outputs))
    known = [{each[:2] for each in (copy.accounts or (0, ()))[1]} for copy in (one, other)]
    letters = min(len(one.letters), len(other.letters))
    left, right = (
        each._replace(
            lanes=sorted(_counted(lane) for lane in each.lanes),
            outputs=each.outputs[len(each.outputs) - outputs :],
            letters=each.letters[len(each.letters) - letters :],
            accounts=each.accounts and (each.accounts[0], _both(each.accounts[1], known)),
            tasks=None,
            tree=None,
        )
        for each in (one, other)
    )
    return left, right
