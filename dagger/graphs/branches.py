"""The branches of a run: splits make several of one, and joins one of several.

A branch that splits becomes a frame, whose members are the branches that came of it and the frames
that these have become. A frame with one member left is none any more. Who is named first is told
by paths: that of a branch is that of the one that it came from, and its place among its siblings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

from dagger.graphs import merging
from dagger.graphs.reach import Reach
from dagger.graphs.reducers import Reduce
from dagger.graphs.values import View


class Stage(StrEnum):
    """Where a branch stands."""

    WAITING = "waiting"
    """At a node that has not begun: others may still come to it, or it needs something."""
    RUNNING = "running"
    """At a node that has begun, or has failed and is thought about."""
    ENDED = "ended"
    """It has nowhere to go; what it has changed is merged when the run ends."""


class Branch:
    """One line of execution."""

    __slots__ = ("frame", "node", "number", "path", "stage", "tail", "turns", "view")

    def __init__(self, number: int, view: View, frame: Frame | None, path: Path) -> None:
        self.number = number
        self.view = view
        self.frame = frame
        self.path = path
        self.node = ""
        self.stage = Stage.ENDED
        self.turns = 0  # how often its node has run, if that is a loop
        self.tail: tuple[int, ...] = ()  # executions that came last in it, for undoing


Path = tuple[int, ...]


class Frame:
    """What a branch has become that has split."""

    __slots__ = ("members", "node", "number", "parent", "path", "whole")

    def __init__(self, number: int, parent: Frame | None, path: Path, node: str = "") -> None:
        self.number = number
        self.parent = parent
        self.path = path  # that of the branch
        self.node = node  # at which it has split
        self.members: dict[int, Branch | Frame] = {}
        # Nobody has left it with changes: who is alone in it takes the place of the branch.
        self.whole = True

    def chain(self) -> list[Frame]:
        """It and the frames around it, the outermost last."""
        found: list[Frame] = [self]
        while found[-1].parent is not None:
            found.append(found[-1].parent)
        return found


class Branches:
    """All branches of one run. Those that have not ended are `live`."""

    def __init__(self, base: View, reducers: Mapping[str, Reduce]) -> None:
        self.live: dict[int, Branch] = {}
        self.waiting: dict[str, dict[int, Branch]] = {}
        """By the node at which they wait."""
        self.ended: list[Branch] = []
        """Those whose changes are still to be merged."""
        self.frames: dict[int, Frame] = {}
        self.last = 0
        """The last number of a branch or frame."""
        self._base = base
        self._reducers = reducers
        self._running: dict[str, int] = {}  # how many there are, by node
        self._first: dict[str, Branch] = {}  # by node who of those that wait was named first
        self._coming: dict[str, Branch | None] = {}  # by node, one that may still come to it
        self._make(base, None, ())

    # -- where they stand ------------------------------------------------------------

    def wait(self, branch: Branch, node: str) -> None:
        """It waits at a node."""
        self._leave(branch)
        branch.node, branch.stage = node, Stage.WAITING
        self.waiting.setdefault(node, {})[branch.number] = branch
        first = self._first.get(node)
        if first is None or branch.path < first.path:
            self._first[node] = branch

    def run(self, branch: Branch) -> None:
        """The node at which it is begins."""
        self._leave(branch)
        branch.stage = Stage.RUNNING
        self._running[branch.node] = self._running.get(branch.node, 0) + 1

    def end(self, branch: Branch) -> None:
        """It has nowhere to go."""
        self._drop(branch)
        if branch.view is not self._base and not merging.release(branch.view):
            self.ended.append(branch)
            for frame in branch.frame.chain() if branch.frame is not None else ():
                frame.whole = False
        self._take_out(branch)

    def _drop(self, branch: Branch) -> None:
        self._leave(branch)
        branch.stage, branch.node = Stage.ENDED, ""
        self.live.pop(branch.number, None)

    def _leave(self, branch: Branch) -> None:
        node = branch.node
        if branch.stage is Stage.WAITING:
            there = self.waiting[node]
            del there[branch.number]
            if self._first[node] is branch:
                del self._first[node]
                if there:
                    self._first[node] = min(there.values(), key=_path)
            if not there:
                del self.waiting[node]
        elif branch.stage is Stage.RUNNING:
            self._running[node] -= 1
            if not self._running[node]:
                del self._running[node]

    def may_come(self, node: str, reaching: Collection[str], besides: str = "") -> bool:
        """Whether a branch is at a node of `reaching`, or runs at `node` itself, other than those
        that wait at `besides`.
        """
        if any(each in reaching or each == node for each in self._running):
            return True
        return any(
            each in reaching or each == node for each in self.waiting if each not in (besides, "")
        )

    def others_may_come(self, node: str, reach: Reach) -> bool:
        """Whether branches that do not wait at a node may still come to it, before they join
        those that do.
        """
        there = self.waiting[node]
        if len(self.live) == len(there):
            return False
        one = self._first[node]
        if len(self.frames) == 1 and one.frame is not None:
            reaching = reach.who_reaches(node, one.frame.node)
            if len(reaching) < len(self.live):
                at = (x in self._running or (x in self.waiting and x != node) for x in reaching)
                return any(at)
        around = set() if one.frame is None else set(one.frame.chain())
        known = self._coming.get(node)
        if known is None or not _may_come(known, around, node, reach):
            # Whoever has come last is mostly the last to go on.
            others = reversed(self.live.values())
            known = next((x for x in others if _may_come(x, around, node, reach)), None)
            self._coming[node] = known
        return known is not None

    def foremost(self, node: str) -> Branch:
        """Of those that wait at a node the one that was named first."""
        return self._first[node]

    def seen(self, node: str) -> View:
        """The state as a node will see it at which branches wait. Raises what `join` does."""
        views = [each.view for each in sorted(self.waiting[node].values(), key=_path)]
        return views[0] if len(views) == 1 else merging.joined(views, self._base, self._reducers)

    def running(self, node: str) -> int:
        """How many a node has begun for."""
        return self._running.get(node, 0)

    # -- splits and joins ------------------------------------------------------------

    def split(self, branch: Branch, count: int) -> list[Branch]:
        """So many branches in the place of one, which is none any more."""
        self.last += 1
        frame = Frame(self.last, branch.frame, branch.path, branch.node)
        self.put_frame(frame)
        views = merging.split(branch.view, self._base, count)
        made = [self._make(view, frame, (*branch.path, n)) for n, view in enumerate(views)]
        for each in made:
            each.tail = branch.tail
        self._drop(branch)
        self._take_out(branch)
        return made

    def join(self, node: str) -> Branch:
        """One branch of those that wait at a node, which waits there.

        Raises MergeConflict, and what a reducer raises.
        """
        there = sorted(self.waiting[node].values(), key=_path)
        view = self._merged(there)
        if len(there) == 1:
            there[0].view = view
            return there[0]
        frame = _common(there)
        made = self._make(view, frame, there[0].path)
        made.turns = max(each.turns for each in there)
        made.tail = tuple(dict.fromkeys(one for each in there for one in each.tail))
        for each in reversed(there):  # who was named first stays so until the end
            for left in _between(each.frame, frame):
                left.whole = False
            self._drop(each)
            self._take_out(each)
        self.wait(made, node)
        return made

    def edit(self, changes: Mapping[str, bytes]) -> None:
        """Have all see other values of some keys, also who has changed them."""
        for view in (self._base, *(each.view for each in self.live.values())):
            merging.edit(view, changes, everywhere=view is self._base)

    def flatten(self) -> None:
        """What all branches have changed is part of the state. Raises what `join` does."""
        views = [each.view for each in sorted(self.ended, key=_path)]
        merging.merge(self._base, views, self._reducers)
        self.ended.clear()

    def _merged(self, branches: list[Branch]) -> View:
        """The view of those that go on as one."""
        views = [each.view for each in branches]
        if len(self.live) > len(branches) or self.ended:
            return views[0] if len(views) == 1 else merging.join(views, self._base, self._reducers)
        if views[0] is not self._base:  # nobody else has changed anything
            merging.merge(self._base, views, self._reducers)
        return self._base

    # -- the frames ------------------------------------------------------------------

    def _make(self, view: View, frame: Frame | None, path: Path) -> Branch:
        """One more, which stands nowhere yet."""
        self.last += 1
        branch = Branch(self.last, view, frame, path)
        self.put(branch)
        return branch

    def put(self, branch: Branch) -> None:
        """One that is live, in its frame."""
        self.live[branch.number] = branch
        if branch.frame is not None:
            branch.frame.members[branch.number] = branch

    def put_frame(self, frame: Frame) -> None:
        """One more, in the frame that it is in."""
        self.frames[frame.number] = frame
        if frame.parent is not None:
            frame.parent.members[frame.number] = frame

    def frame(self, number: int | None) -> Frame | None:
        """The frame of a number."""
        return None if number is None else self.frames[number]

    def clear(self, last: int) -> None:
        """There are none; so many there have been."""
        self.live.clear()
        self.last = last

    def _take_out(self, branch: Branch) -> None:
        """Out of its frame; one that is left with one member is none any more."""
        frame, branch.frame = branch.frame, None
        if frame is None:
            return
        del frame.members[branch.number]
        while frame is not None and len(frame.members) < 2:
            self._close(frame)
            frame = frame.parent

    def _close(self, frame: Frame) -> None:
        parent = frame.parent
        del self.frames[frame.number]
        if parent is not None:
            del parent.members[frame.number]
        for each in frame.members.values():
            if frame.whole:
                each.path = frame.path
            if isinstance(each, Branch):
                each.frame = parent
            else:
                each.parent = parent
            if parent is not None:
                parent.members[each.number] = each


def _path(branch: Branch) -> Path:
    return branch.path


def _may_come(branch: Branch, around: Collection[Frame], node: str, reach: Reach) -> bool:
    """Whether a branch may come to a node at which another one waits, in these frames."""
    if branch.stage is Stage.ENDED or (branch.node == node and branch.stage is Stage.WAITING):
        return False
    frame = branch.frame
    while frame is not None and frame not in around:
        frame = frame.parent
    return branch.node in reach.who_reaches(node, "" if frame is None else frame.node)


def _common(branches: Iterable[Branch]) -> Frame | None:
    """The innermost frame that all of some branches are in; None if that is the run."""
    first, *others = branches
    shared = [] if first.frame is None else first.frame.chain()
    for each in others:
        if shared and each.frame is not shared[0]:
            around = set() if each.frame is None else set(each.frame.chain())
            shared = [frame for frame in shared if frame in around]
    return shared[0] if shared else None


def _between(inner: Frame | None, outer: Frame | None) -> Iterable[Frame]:
    """A frame and those around it, up to another one."""
    while inner is not None and inner is not outer:
        yield inner
        inner = inner.parent
