"""The branches of a run: a tree that splits grow and joins cut back.

A branch that splits becomes a frame, in whose slots are the branches that came of it, in the
order in which they were named. Each has a view of its own on what was there at the split. A
frame whose branches have all come to one node becomes one branch again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from dagger.graphs.merging import merge
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

    __slots__ = ("frame", "node", "number", "place", "stage", "tail", "turns", "view")

    def __init__(self, number: int, view: View, frame: Frame | None, place: float) -> None:
        self.number = number
        self.view = view
        self.frame = frame
        self.place = place  # among the slots of its frame
        self.node = ""
        self.stage = Stage.ENDED
        self.turns = 0  # how often its node has run, if that is a loop
        self.tail: tuple[int, ...] = ()  # executions that came last in it, for undoing

    def order(self) -> tuple[float, ...]:
        """Its place in the order in which branches were named."""
        places = [self.place]
        frame = self.frame
        while frame is not None:
            places.append(frame.place)
            frame = frame.parent
        return tuple(reversed(places))


class Frame:
    """What a branch has become that has split."""

    __slots__ = ("node", "parent", "place", "slots", "view")

    def __init__(self, view: View, parent: Frame | None, place: float, node: str = "") -> None:
        self.view = view  # that of the branch
        self.node = node  # at which it has split
        self.parent = parent
        self.place = place
        self.slots: dict[float, Branch | Frame] = {}

    def chain(self) -> list[Frame]:
        """It and the frames around it, the outermost last."""
        found: list[Frame] = [self]
        while found[-1].parent is not None:
            found.append(found[-1].parent)
        return found


class Branches:
    """All branches of one run. Those that have not ended are `live`."""

    def __init__(self, view: View, reducers: Mapping[str, Reduce]) -> None:
        self.live: dict[int, Branch] = {}
        self.waiting: dict[str, dict[int, Branch]] = {}
        """By the node at which they wait."""
        self.last = 0
        self.root: Branch | Frame
        self._reducers = reducers
        self._running: dict[str, int] = {}  # how many there are, by node
        self._coming: dict[str, Branch | None] = {}  # by node, one that may still come to it
        self._frames = 0
        self.root = self.make(view, None, 0.0)

    # -- where they stand ------------------------------------------------------------

    def make(self, view: View, frame: Frame | None, place: float) -> Branch:
        """One more, which stands nowhere yet."""
        self.last += 1
        branch = Branch(self.last, view, frame, place)
        self.live[branch.number] = branch
        return branch

    def wait(self, branch: Branch, node: str) -> None:
        """It waits at a node."""
        self._leave(branch)
        branch.node, branch.stage = node, Stage.WAITING
        self.waiting.setdefault(node, {})[branch.number] = branch

    def run(self, branch: Branch) -> None:
        """The node at which it is begins."""
        self._leave(branch)
        branch.stage = Stage.RUNNING
        self._running[branch.node] = self._running.get(branch.node, 0) + 1

    def end(self, branch: Branch) -> None:
        """It has nowhere to go."""
        self._leave(branch)
        branch.stage, branch.node = Stage.ENDED, ""
        self.live.pop(branch.number, None)

    def _leave(self, branch: Branch) -> None:
        if branch.stage is Stage.WAITING:
            there = self.waiting[branch.node]
            del there[branch.number]
            if not there:
                del self.waiting[branch.node]
        elif branch.stage is Stage.RUNNING:
            self._running[branch.node] -= 1
            if not self._running[branch.node]:
                del self._running[branch.node]

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
        one = next(iter(there.values()))
        if self._frames == 1 and one.frame is not None:
            reaching = reach.who_reaches(node, one.frame.node)
            if len(reaching) < len(self.live):
                at = (x in self._running or (x in self.waiting and x != node) for x in reaching)
                return any(at)
        known = self._coming.get(node)
        if known is None or not _may_come(known, one, node, reach):
            # Whoever has come last is mostly the last to go on.
            others = reversed(self.live.values())
            known = next((x for x in others if _may_come(x, one, node, reach)), None)
            self._coming[node] = known
        return known is not None

    def foremost(self, node: str) -> Branch:
        """Of those that wait at a node the one that was named first."""
        return min(self.waiting[node].values(), key=Branch.order)

    def running(self, node: str) -> int:
        """How many a node has begun for."""
        return self._running.get(node, 0)

    # -- splits and joins ------------------------------------------------------------

    def add(self, frame: Frame) -> None:
        """A frame that was saved is there again."""
        self._frames += 1

    def split(self, branch: Branch, count: int) -> list[Branch]:
        """So many branches in the place of one, which is none any more."""
        node = branch.node
        self.end(branch)
        frame = Frame(branch.view, branch.frame, branch.place, node)
        self._frames += 1
        self._put(branch.frame, branch.place, frame)
        made = [self.make(View(branch.view), frame, float(place)) for place in range(count)]
        for each in made:
            each.tail = branch.tail
            frame.slots[each.place] = each
        return made

    def join(self, node: str) -> Branch:
        """One branch of those that wait at a node, which waits there. Raises MergeConflict."""
        there = list(self.waiting[node].values())
        if len(there) == 1 and there[0].frame is None:
            return there[0]
        branches = self._closed(sorted(there, key=Branch.order))
        return branches[0] if len(branches) == 1 else self._part(branches)

    def flatten(self) -> None:
        """What all branches have changed is part of the state. Raises MergeConflict."""
        if isinstance(self.root, Frame):
            self._flat(self.root)

    def _flat(self, frame: Frame) -> View:
        slots = [frame.slots[place] for place in sorted(frame.slots)]
        views = [self._flat(each) if isinstance(each, Frame) else each.view for each in slots]
        merge(frame.view, views, self._reducers)
        return frame.view

    def _closed(self, branches: list[Branch]) -> list[Branch]:
        """The same, with each frame closed that all branches of are among them."""
        while True:
            counts: dict[Frame, int] = {}
            for each in branches:
                if each.frame is not None:
                    counts[each.frame] = counts.get(each.frame, 0) + 1
            whole = [frame for frame, count in counts.items() if count == len(frame.slots)]
            if not whole:
                return branches
            frame = whole[0]
            inside = [each for each in branches if each.frame is frame]
            merge(frame.view, [each.view for each in inside], self._reducers)
            self._frames -= 1
            made = self._instead(inside, frame.view, frame.parent, frame.place)
            self._put(frame.parent, frame.place, made)
            left = [each for each in branches if each.frame is not frame]
            branches = sorted([*left, made], key=Branch.order)

    def _part(self, branches: list[Branch]) -> Branch:
        """One branch of some of a frame's: it stands where the first of them stood."""
        frame = _common(branches)
        view = View(frame.view)
        merge(view, [each.view for each in branches], self._reducers)
        first = branches[0]
        place = first.place if first.frame is frame else _beside(frame, first)
        made = self._instead(branches, view, frame, place)
        for each in branches:
            if each.frame is not None:
                del each.frame.slots[each.place]
        frame.slots[place] = made
        return made

    def _instead(
        self, branches: Sequence[Branch], view: View, frame: Frame | None, place: float
    ) -> Branch:
        """A branch takes the place of others."""
        node = branches[0].node
        made = self.make(view, frame, place)
        made.turns = max(each.turns for each in branches)
        made.tail = tuple(dict.fromkeys(one for each in branches for one in each.tail))
        for each in branches:
            self.end(each)
        self.wait(made, node)
        return made

    def _put(self, frame: Frame | None, place: float, slot: Branch | Frame) -> None:
        if frame is None:
            self.root = slot
        else:
            frame.slots[place] = slot


def _may_come(branch: Branch, other: Branch, node: str, reach: Reach) -> bool:
    """Whether a branch may come to a node at which another one waits."""
    if branch.stage is Stage.ENDED or (branch.node == node and branch.stage is Stage.WAITING):
        return False
    frame = branch.frame if branch.frame is other.frame else _common((branch, other))
    return branch.node in reach.who_reaches(node, "" if frame is None else frame.node)


def _common(branches: Iterable[Branch]) -> Frame:
    """The innermost frame that all of some branches are in."""
    shared: list[Frame] | None = None
    for each in branches:
        chain = each.frame.chain() if each.frame is not None else []
        shared = chain if shared is None else [frame for frame in shared if frame in chain]
    assert shared
    return shared[0]


def _beside(frame: Frame, branch: Branch) -> float:
    """A free place in a frame, right behind that in which a branch is."""
    inner: Frame | None = branch.frame
    while inner is not None and inner.parent is not frame:
        inner = inner.parent
    place = branch.place if inner is None else inner.place
    step = 0.5
    while place + step in frame.slots:
        step /= 2
    return place + step
