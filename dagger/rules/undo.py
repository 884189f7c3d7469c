"""In which order what was done is undone, for flows and for graphs.

An action that has a compensation registers it before it acts. When a run has to be undone,
all registered actions are compensated, those too of which nobody knows whether they came to
act: whoever writes a compensation has to allow for that.

The compensation of an action begins once those of all actions that depended on it have
ended, well or badly. So what came after is undone before, and what ran side by side is undone
side by side. Of those that may begin together the action that completed last is named first,
and before it those that never said that they completed.

A machine: `step(state, event)` returns the next state and what is to be done now, and
changes nothing. Folding the same events again gives the same state, in whose `running` is
what a process was at when it died.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dagger.rules.growing import Growing


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was begun.

    The actions that `after` names came before it, directly: it was begun because they had
    completed.
    """

    id: str
    after: tuple[str, ...] = ()
    completed: int | None = None
    """Its position among all that completed, or None if it is not known that it did."""
    compensated: bool = True
    """Whether there is something to compensate. Where there is not (no effects, skipped, known not
    to have acted), it only hands on who came after whom."""


@dataclass(frozen=True, slots=True)
class Start:
    """Undo begins."""


@dataclass(frozen=True, slots=True)
class Undone:
    """A compensation that was commanded has ended well."""

    id: str


@dataclass(frozen=True, slots=True)
class UndoFailed:
    """A compensation that was commanded has failed for good; the others go on."""

    id: str
    problem: str


@dataclass(frozen=True, slots=True)
class Stop:
    """There is no more time: nothing else is begun."""


Event = Start | Undone | UndoFailed | Stop


@dataclass(frozen=True, slots=True)
class Compensate:
    """The one command: run the compensation of this action now, beside those that run."""

    id: str


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What became of all actions. Each is named once, in the order in which they were begun."""

    undone: tuple[str, ...]
    failed: Mapping[str, str]
    """Those whose compensation failed, and the problem."""
    left: tuple[str, ...]
    """Those whose compensation has not ended, or never began."""
    without: tuple[str, ...]
    """Those that have no compensation."""


@dataclass(frozen=True, slots=True)
class Undoing:
    """How far undoing has come; `undoing` makes the first one.

    Sets of actions are bits of an integer, by the order of the actions: so a state shares
    all but a few small values with the one before, also where there are very many actions.
    """

    plan: _Plan
    begun: int = 0
    ended: int = 0
    failed: Growing[tuple[int, str]] = field(default_factory=Growing)
    started: bool = False
    stopped: bool = False

    @property
    def running(self) -> tuple[str, ...]:
        """The compensations that were commanded and have not ended."""
        return self.plan.named(self.begun & ~self.ended)

    @property
    def over(self) -> bool:
        """Whether nothing will be commanded any more, and all that was has ended; after `Stop`
        nobody waits for that.
        """
        return self.stopped or (self.started and self.ended == self.plan.everything)

    def report(self) -> UndoReport:
        """What became of the actions so far."""
        plan = self.plan
        failed = dict(sorted(self.failed))
        well = self.ended & ~plan.without & ~_bits(failed)
        return UndoReport(
            undone=plan.named(well),
            failed={plan.actions[place].id: problem for place, problem in failed.items()},
            left=plan.named(plan.everything & ~plan.without & ~self.ended),
            without=plan.named(plan.without),
        )


def undoing(actions: Sequence[Action]) -> Undoing:
    """The state before `Start`, of actions in the order in which they were begun.

    Raises ValueError if two have one id, or if one comes after what was not begun before it.
    """
    return Undoing(_plan(tuple(actions)))


def step(state: Undoing, event: Event) -> tuple[Undoing, tuple[Compensate, ...]]:
    """The state after an event, and the compensations that are to be run now.

    Raises ValueError for an event that cannot be: a second start, or the end of what does not
    run.
    """
    match event:
        case Start():
            if state.started or state.stopped:
                raise ValueError("undoing has started already")
            return _advanced(replace(state, started=True), range(len(state.plan.actions)))
        case Undone(id=id):
            return _ended(state, _running(state, id))
        case UndoFailed(id=id, problem=problem):
            place = _running(state, id)
            return _ended(replace(state, failed=state.failed.then((place, problem))), place)
        case Stop():
            return replace(state, stopped=True), ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What does not change while actions are undone; all of it follows from `actions`."""

    actions: tuple[Action, ...]
    places: Mapping[str, int] = field(compare=False)
    before: tuple[tuple[int, ...], ...] = field(compare=False)
    """Of each action those that it came after."""
    dependents: tuple[tuple[int, ...], ...] = field(compare=False)
    """Of each action those that came after it, the first begun first: it is undone last, so
    that asking whether all have ended is mostly one question."""
    ranks: tuple[int, ...] = field(compare=False)
    """Of each action its place in the order in which actions are undone."""
    without: int = field(compare=False)
    everything: int = field(compare=False)

    def named(self, places: int) -> tuple[str, ...]:
        """The ids of the actions whose bits are set."""
        return tuple(
            self.actions[place].id for place, bit in enumerate(f"{places:b}"[::-1]) if bit == "1"
        )


def _plan(actions: tuple[Action, ...]) -> _Plan:
    places: dict[str, int] = {}
    before: list[tuple[int, ...]] = []
    dependents: list[list[int]] = [[] for _ in actions]
    for place, action in enumerate(actions):
        if action.id in places:
            raise ValueError(f"two actions have the id {action.id!r}")
        before.append(tuple(_places(action, places)))
        for each in before[-1]:
            dependents[each].append(place)
        places[action.id] = place
    return _Plan(
        actions,
        places,
        tuple(before),
        tuple(map(tuple, dependents)),
        _ranks(actions),
        _bits(place for place, action in enumerate(actions) if not action.compensated),
        (1 << len(actions)) - 1,
    )


def _places(action: Action, places: Mapping[str, int]) -> Iterator[int]:
    for name in dict.fromkeys(action.after):
        if name not in places:
            raise ValueError(f"{action.id!r} comes after {name!r}, which was not begun before it")
        yield places[name]


def _ranks(actions: tuple[Action, ...]) -> tuple[int, ...]:
    def lateness(place: int) -> tuple[bool, int, int]:
        completed = actions[place].completed
        return completed is None, completed or 0, place

    ranks = [0] * len(actions)
    for rank, place in enumerate(sorted(range(len(actions)), key=lateness, reverse=True)):
        ranks[place] = rank
    return tuple(ranks)


def _bits(places: Iterable[int]) -> int:
    chosen = set(places)
    top = max(chosen, default=-1)
    return int("".join("01"[place in chosen] for place in range(top, -1, -1)) or "0", 2)


def _running(state: Undoing, id: str) -> int:
    """The place of an action whose compensation runs."""
    place = state.plan.places.get(id)
    if place is None or not (state.begun & ~state.ended) >> place & 1:
        raise ValueError(f"no compensation of {id!r} runs")
    return place


def _ended(state: Undoing, place: int) -> tuple[Undoing, tuple[Compensate, ...]]:
    state = replace(state, ended=state.ended | 1 << place)
    return _advanced(state, state.plan.before[place])


def _advanced(state: Undoing, places: Iterable[int]) -> tuple[Undoing, tuple[Compensate, ...]]:
    """Begins those of `places` that may, going on through what has no compensation."""
    if state.stopped:
        return state, ()
    plan, begun, ended = state.plan, state.begun, state.ended
    ready: list[int] = []
    waiting = [*places]
    while waiting:
        place = waiting.pop()
        if begun >> place & 1 or not all(ended >> each & 1 for each in plan.dependents[place]):
            continue
        begun |= 1 << place
        if plan.actions[place].compensated:
            ready.append(place)
        else:
            ended |= 1 << place
            waiting += plan.before[place]
    ready.sort(key=plan.ranks.__getitem__)
    commands = tuple(Compensate(plan.actions[place].id) for place in ready)
    return replace(state, begun=begun, ended=ended), commands
