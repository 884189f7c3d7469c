"""Turns: who may begin, where there is not enough of everything for all.

What invocations share while they run is a `Bound`: so much of it there is, and who has some
of it is written down with it. A turn begins once all of its bounds have room for it, and
takes what it needs of all of them together, or of none. Until then it stands in the line of
the first that has none, in the order in which bounds are asked.

    enter ──> room in all bounds           ──>  begun
          ──> no room in one of them       ──>  stands there
    end, leave ──> there is room again     ──>  the most urgent of those who stand there is
                                                called; or stands where it lacks something else

Urgency is fair, and ages. Turns of one source (an agent in a run) are numbered in rounds, of
which each source has one at a time: the start tags of fair queueing (P. Goyal, H. Vin, H. Cheng,
"Start-time Fair Queueing", 1996). A priority is worth AGEING rounds, so that whoever has
waited for so many more is as urgent. Whoever has been overdue for OVERDUE rounds is kept room
free everywhere, as backfilling schedulers do for the first of their queue (D. Lifka, "The
ANL/IBM SP Scheduling System", 1995): what needs much of several things comes to its turn too.

Turns of the same needs are a flow, and only the first of a flow stands in a line, so that
whatever happens costs the logarithm of how many there are. Pure: no wait, no clock, no I/O.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from enum import Enum
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Generic, TypeVar, cast

AGEING = 16
"""Rounds of waiting that a priority of 1 is worth."""

OVERDUE = 64
"""Rounds after which what was due is kept room free for."""

FEW = 64
"""Sources that are too few to look through them for those that have nothing to remember."""


class Stage(Enum):
    """Where a turn is."""

    NEW = "it has not asked yet"
    WAITING = "it stands in a line"
    BEGUN = "it has what it needs"
    PAUSED = "it has given that back, and will want it again"
    OVER = "it has given that back, or needs it no more"


class Bound:
    """So much of something; who has how much of it, and who stands in line for it."""

    __slots__ = ("holders", "label", "line", "total", "used", "wanted")

    timed = False
    """Whether there is room again after a while, whoever has it: nothing is kept free for
    those who wait for that, nobody has to give way to them, and who comes back needs none.
    """

    stalls = False
    """Whether who has some of it may wait for others that need something else, such as for room
    in a queue: nothing is kept free meanwhile for those who wait for that.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label = label  # as it is told to people
        self.total = total
        self.holders: dict[Turn, int] = {}
        self.used = 0  # the sum of that
        self.line: list[Place] = []  # first ones of flows; those that have gone on are skipped
        self.wanted = 0  # by flows in which somebody waits, and by turns that are paused

    def lacks(self, turn: Turn, amount: int, kept_free: int, now: float) -> bool:
        """Whether there is no room for a turn's so much, and what is kept free besides."""
        return self.used + amount + kept_free > self.total

    def take(self, turn: Turn, amount: int, now: float) -> None:
        """A turn has so much of it from now on."""
        self.holders[turn] = amount
        self.used += amount

    def give(self, turn: Turn) -> None:
        """A turn has nothing of it any more, if it had."""
        self.used -= self.holders.pop(turn, 0)

    def stood(self, now: float) -> None:
        """Somebody stands in its line, and has just been told to wait."""

    @property
    def idle(self) -> bool:
        """Whether nobody has anything of it, or waits who needs it."""
        return not self.holders and not self.wanted

    def first(self) -> Turn | None:
        """The most urgent who stands in its line."""
        line = self.line
        while line:
            turn = line[0][2]
            if turn.flow.at is self and turn.flow.begins_with(line[0]):
                return turn
            heappop(line)
        return None


Needs = tuple[tuple[Bound, int], ...]
"""Bounds in the order in which they are asked, and how much of each."""


class Turn:
    """One who wants to begin."""

    __slots__ = ("due", "flow", "giving", "number", "order", "priority", "stage")

    def __init__(self, flow: Flow, priority: int = 0) -> None:
        self.flow = flow
        self.priority = priority
        self.stage = Stage.NEW
        self.due = 0.0  # the round that it is due in, less what its priority is worth
        self.order = 0.0  # the smallest goes first
        self.number = 0  # of two that are as urgent, the earlier
        self.giving = False  # it has been told to give back what it has

    @property
    def begun(self) -> bool:
        """Whether it has what it needs."""
        return self.stage is Stage.BEGUN

    @property
    def comes_back(self) -> bool:
        """Whether it has begun already, and goes on."""
        return self.order == -inf

    @property
    def rank(self) -> tuple[float, int]:
        """The smallest is the most urgent."""
        return self.order, self.number

    @property
    def place(self) -> Place:
        """As it stands in a heap."""
        return self.order, self.number, self


Place = tuple[float, int, Turn]


class Flow:
    """Turns of one source that need the same."""

    __slots__ = ("at", "key", "lasts", "needs", "source", "waiting")

    def __init__(self, key: Hashable, source: Hashable, needs: Needs, lasts: bool = True) -> None:
        self.lasts = lasts  # whether its bounds are there whoever needs them
        self.key = key
        self.source = source  # what rounds are shared out between
        self.needs = needs
        self.waiting: list[Place] = []
        self.at: Bound | None = None  # where its first one stands

    def first(self) -> Turn | None:
        """The most urgent that waits."""
        waiting = self.waiting
        while waiting and not _waits(waiting[0]):
            heappop(waiting)
        return waiting[0][2] if waiting else None

    def begins_with(self, place: Place) -> bool:
        """Whether that is the place of the most urgent that waits: not one it once had."""
        return self.first() is place[2] and _waits(place)

    def need(self, bound: Bound) -> int:
        """How much of a bound each of its turns needs."""
        return next((amount for each, amount in self.needs if each is bound), 0)

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """What it needs something of."""
        return tuple(bound for bound, _ in self.needs)


T = TypeVar("T", bound=Turn)


class Turns(Generic[T]):
    """All turns of one executor. `call` is told whose turn it is, once it has begun."""

    def __init__(self, call: Callable[[T], None], ageing: int = AGEING) -> None:
        self._call = call
        self._ageing = ageing
        self._number = count(1)
        self._round = 0  # the latest that somebody has begun in
        self._latest: dict[Hashable, int] = {}  # rounds that sources have come to, ahead of that
        self._many = FEW  # of those: then it is looked which are no more
        self._flows: dict[Hashable, Flow] = {}  # those in which somebody waits
        self._elders: list[Place] = []  # first ones of flows; those that have gone on are skipped
        self._favoured: Flow | None = None  # who is kept room free for
        self._freed: OrderedDict[Bound, None] = OrderedDict()  # somebody may be blocked no more
        self._asking: Turn | None = None  # who is told as an answer

    @property
    def crowded(self) -> bool:
        """Whether anybody waits."""
        return bool(self._flows)

    def flow(self, key: Hashable) -> Flow | None:
        """The flow of that key in which somebody waits; None if nobody does."""
        return self._flows.get(key)

    # -- coming and going ------------------------------------------------------------

    def enter(self, turn: Turn, now: float, *, again: bool = False) -> bool:
        """Whether it begins at once; else it stands in line, and `call` is told of it.

        `again` says that an earlier attempt has begun: this one comes in the round of now,
        before its source's others.
        """
        if not self._flows and self._free(turn, now):
            return True
        source = turn.flow.source
        tag = self._round if again else max(self._round, self._latest.get(source, 0)) + 1
        if not again:
            self._latest[source] = tag
            if len(self._latest) > self._many:
                self._forget()
        turn.due = turn.order = tag - turn.priority * self._ageing
        return self._enter(turn, now)

    def come_back(self, turn: Turn, now: float) -> bool:
        """The same for one that was paused: it comes before all who have not begun."""
        turn.order = -inf
        self._want(turn.flow, -1)
        return self._enter(turn, now)

    def pause(self, turn: Turn, now: float, besides: Bound | None = None) -> None:
        """What has begun gives back what it has, `besides` one thing, and will `come_back`."""
        self._give(turn, besides)
        turn.stage = Stage.PAUSED
        self._want(turn.flow, 1)
        self.look(turn.flow.bounds, now)

    def put_back(self, turn: Turn, now: float) -> None:
        """What has begun gives back what it has, and stands in line, as urgent as it was."""
        self._give(turn)
        bounds = turn.flow.bounds
        self._wait(turn)
        if turn.flow.first() is turn:
            self._stand(turn, self._blocker(turn, now) or bounds[0], now)
        self.look(bounds, now)

    def end(self, turn: Turn, now: float, *, look: bool = True) -> None:
        """It gives back what it has, or stands in line no more. Twice is no matter.

        Without `look` nobody is called because of it until somebody looks.
        """
        stage, flow = turn.stage, turn.flow
        if stage is Stage.WAITING:
            was_first = flow.first() is turn
            turn.stage = Stage.OVER
            if was_first:
                self._passed(flow, now)
        else:
            turn.stage = Stage.OVER
            if stage is Stage.PAUSED:
                self._want(flow, -1)
        if self._flows:  # also who waits to go on may have kept something
            begun = stage is Stage.BEGUN
            self._free_up(each for each in flow.bounds if begun or turn in each.holders)
        for bound, _ in flow.needs:
            bound.give(turn)
        if self._flows and look:
            self.look((), now)

    def release(self, turn: Turn, bounds: Iterable[Bound], now: float) -> None:
        """It goes on without these."""
        given = [each for each in bounds if turn in each.holders]
        for bound in given:
            bound.give(turn)
        self.look(given, now)

    def look(self, bounds: Iterable[Bound], now: float) -> None:
        """There may be room: whoever may begin is called, the most urgent first."""
        self._free_up(bounds)
        self._favour()
        while self._freed:
            bound, _ = self._freed.popitem(last=False)
            while (turn := bound.first()) is not None:
                blocker = self._blocker(turn, now)
                if blocker is bound:
                    bound.stood(now)
                    break
                if blocker is not None:
                    self._stand(turn, blocker, now)
                    continue
                self._begin(turn, now)
                self._passed(turn.flow, now)
                self._favour()
                if turn is not self._asking:
                    self._call(cast("T", turn))
            self._favour()  # who has just come to stand elsewhere may be the most urgent of all

    # -- in line ---------------------------------------------------------------------

    def waiting(self) -> Iterator[tuple[T, Bound]]:
        """All who stand in line, with what the first of their flow lacks."""
        for flow in self._flows.values():
            for place in sorted(flow.waiting):
                if _waits(place) and flow.at is not None:
                    yield cast("T", place[2]), flow.at

    def victims(self, turn: T, willing: Callable[[T], bool], now: float) -> list[T]:
        """Who would have to give back what they have, so that this one can begin: of those
        who are `willing`, and less urgent, the fewest, the least urgent first.

        None if that would not do, or if enough have been told to.
        """
        if any(each.timed and each.lacks(turn, much, 0, now) for each, much in _asked_for(turn)):
            return []
        favoured = self._favoured
        missing = {}
        for bound, amount in _asked_for(turn):
            kept = favoured.need(bound) if favoured not in (None, turn.flow) else 0
            if bound.used + amount + kept > bound.total:
                missing[bound] = bound.used + amount + kept - bound.total - _coming(bound)
        able = {
            cast("T", each)
            for bound in missing
            for each in bound.holders
            if each.priority < turn.priority and each.rank > turn.rank and not each.giving
        }
        found: list[T] = []
        for each in sorted(filter(willing, able), key=lambda each: each.rank, reverse=True):
            held = [bound for bound, lack in missing.items() if lack > 0 and each in bound.holders]
            found += [each] if held else []
            for bound in held:
                missing[bound] -= bound.holders[each]
        return [] if any(lack > 0 for lack in missing.values()) else found

    def _free(self, turn: Turn, now: float) -> bool:
        """Whether it begins at once where nobody waits, as is usual."""
        needs = turn.flow.needs
        for bound, amount in needs:
            if bound.lacks(turn, amount, 0, now):
                return False
        self._round += 1
        turn.due = turn.order = self._round - turn.priority * self._ageing
        turn.stage = Stage.BEGUN
        for bound, amount in needs:
            bound.take(turn, amount, now)
        return True

    def _enter(self, turn: Turn, now: float) -> bool:
        turn.number = next(self._number)
        if turn.comes_back and any(turn in bound.holders for bound in turn.flow.bounds):
            turn.number = -turn.number  # others of its flow may wait for what it has kept
        flow = turn.flow = self._flows.get(turn.flow.key, turn.flow)
        before = flow.first()
        if before is not None and before.rank < turn.rank:
            self._wait(turn)
            return False
        blocker = self._blocker(turn, now)
        if blocker is None:
            self._begin(turn, now)
        else:
            self._wait(turn)
            self._stand(turn, blocker, now)
        self._asking = turn
        self.look((), now)
        self._asking = None
        return turn.stage is Stage.BEGUN

    def _wait(self, turn: Turn) -> None:
        """It waits in its flow, of which there is one."""
        turn.stage = Stage.WAITING
        flow = self._flows.get(turn.flow.key)
        if flow is None:
            flow = self._flows[turn.flow.key] = turn.flow
            self._want(flow, 1)
        turn.flow = flow
        heappush(flow.waiting, turn.place)

    @staticmethod
    def _want(flow: Flow, more: int) -> None:
        """So many more will want what a flow needs: those bounds are not to be let go of."""
        for bound, _ in flow.needs:
            bound.wanted += more

    def _passed(self, flow: Flow, now: float) -> None:
        """The first of a flow waits no more: the next one stands in its place, if any."""
        at, flow.at = flow.at, None
        heir = flow.first()
        if heir is not None and at is not None:
            flow.at = at
            self._push(heir, at)
            at.stood(now)
        else:
            del self._flows[flow.key]
            self._want(flow, -1)
        if at is not None:
            self._freed[at] = None

    def _stand(self, turn: Turn, at: Bound, now: float) -> None:
        """The first of a flow stands in that line, and in no other one."""
        flow = turn.flow
        if flow.at is not None and flow.at is not at:
            self._freed[flow.at] = None
        flow.at = at
        self._push(turn, at)
        at.stood(now)

    def _push(self, turn: Turn, at: Bound) -> None:
        heappush(at.line, turn.place)
        heappush(self._elders, turn.place)
        many = FEW + 2 * len(self._flows)
        if len(at.line) > many:
            at.line = _renewed(each for each in at.line if each[2].flow.at is at)
        if len(self._elders) > many:
            self._elders = _renewed(self._elders)

    def _free_up(self, bounds: Iterable[Bound]) -> None:
        """There may be room in these: each is looked at once, however often that is said."""
        for bound in bounds:
            self._freed[bound] = None

    def _forget(self) -> None:
        """Sources that are not ahead of the others have nothing to remember."""
        self._latest = {key: tag for key, tag in self._latest.items() if tag > self._round}
        self._many = max(FEW, 2 * len(self._latest))

    # -- whether it may --------------------------------------------------------------

    def _blocker(self, turn: Turn, now: float) -> Bound | None:
        """The first bound that keeps it from beginning: there is no room, or others wait for
        it who are more urgent.
        """
        flow, favoured = turn.flow, self._favour()
        mine = favoured is flow
        for bound, amount in _asked_for(turn):
            kept = favoured.need(bound) if favoured is not None and not mine else 0
            if bound.lacks(turn, amount, kept, now):
                return bound
            ahead = bound.first() if bound.line else None
            if ahead is not None and ahead.flow is not flow and ahead.rank < turn.rank:
                return bound
        return None

    def _begin(self, turn: Turn, now: float) -> None:
        turn.stage = Stage.BEGUN
        for bound, amount in _asked_for(turn):
            bound.take(turn, amount, now)
        turn.order = turn.due
        self._round = max(self._round, int(turn.due) + turn.priority * self._ageing)

    def _give(self, turn: Turn, besides: Bound | None = None) -> None:
        turn.giving = False
        for bound, _ in turn.flow.needs:
            if bound is not besides:
                bound.give(turn)

    def _favour(self) -> Flow | None:
        """Whom room is kept free for: the most urgent of all, once it is overdue."""
        elders = self._elders
        while elders and not _may_be_favoured(elders[0]):
            heappop(elders)
        overdue = bool(elders) and elders[0][0] + OVERDUE < self._round
        favoured = elders[0][2].flow if overdue else None
        if favoured is not self._favoured:
            if self._favoured is not None:  # what was kept free for it is there for others
                self._free_up(self._favoured.bounds)
            self._favoured = favoured
        return favoured


def _asked_for(turn: Turn) -> Iterable[tuple[Bound, int]]:
    """What it needs now. Who goes on may have kept something, and a limit in a time counts what
    begins.
    """
    needs = turn.flow.needs
    if not turn.comes_back:
        return needs
    return [each for each in needs if not each[0].timed and turn not in each[0].holders]


def _waits(place: Place) -> bool:
    """Whether somebody waits there: it may have begun since, and wait again as another."""
    order, number, turn = place
    return turn.stage is Stage.WAITING and turn.order == order and turn.number == number


def _may_be_favoured(place: Place) -> bool:
    """Whether that is the first of its flow, and waits for what others will give back."""
    flow = place[2].flow
    at = flow.at
    return flow.begins_with(place) and at is not None and not (at.timed or at.stalls)


def _coming(bound: Bound) -> int:
    """How much of it is about to be given back."""
    return sum(amount for each, amount in bound.holders.items() if each.giving)


def _renewed(places: Iterable[Place]) -> list[Place]:
    """A heap of those who are still the first of their flows, each of them once."""
    heap = list({each for each in places if each[2].flow.begins_with(each)})
    heapify(heap)
    return heap
