"""Joins: parts that wait for each other, and the scopes that say when nothing more can come.

A part is a delivery that is held until what it is a part of is whole. Then one of the
parts, the last that came, is the lead: it is handled with all of them, and the others
end with it, as `joined`.

A scope is everything that descends from one message. It is counted exactly: how many
deliveries that descend from it are neither settled nor held. Where none is, nothing more
can come of it: what is gathered in it is whole, and what lacks a part will never get one.
The scope of the whole run is counted by the run itself, and closes by a record, since
messages may come into a run from outside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dagger.state.queues import ARRIVED, HELD, PENDING, SETTLED, Bond, Delivery, Scope
from dagger.words.joins import Join

if TYPE_CHECKING:
    from dagger.state.run import Run
    from dagger.state.state import State

WHOLE: Scope = (-1, -1, "")
"""The scope of the run itself."""

Whole = tuple[str, Scope | str]
"""What parts belong to: the agent, and the scope or the key that they share."""

BATCHES = frozenset({"gather", "batch"})
"""Joins that are whole with however many parts there are when nothing more can come."""


class Group:
    """Parts of one whole that are held."""

    __slots__ = ("parts", "won")

    def __init__(self) -> None:
        self.parts: dict[str, deque[Delivery]] = {}  # by channel, oldest first
        self.won = False  # of "first": one has come

    def __len__(self) -> int:
        return sum(map(len, self.parts.values()))

    def put(self, part: Delivery, *, back: bool = False) -> None:
        """One more part; `back` is for one that had left."""
        line = self.parts.setdefault(part.envelope.publication.channel, deque())
        line.appendleft(part) if back else line.append(part)

    def take(self, join: Join) -> list[Delivery]:
        """The parts of a whole, in the order in which they came; none if it is not whole."""
        if join.kind == "all":
            if any(not self.parts.get(each) for each in join.channels):
                return []
            return _in_order(self.parts[each].popleft() for each in join.channels)
        if join.kind == "batch" and join.size and len(self) >= join.size:
            return self.all()
        return []

    def all(self) -> list[Delivery]:
        """All parts, in the order in which they came."""
        parts = (part for line in self.parts.values() for part in line)
        found = _in_order(part for part in parts if part.stage != SETTLED)
        self.parts.clear()
        return found

    def drop(self, part: Delivery) -> None:
        """A part ends on its own."""
        line = self.parts.get(part.envelope.publication.channel)
        if line is not None and part in line:
            line.remove(part)


class Joins:
    """What is held in one run, and which scopes are open in it."""

    __slots__ = ("empty", "groups", "held", "live", "unfilled")

    def __init__(self) -> None:
        self.groups: dict[Scope | str, dict[str, Group]] = {}  # by scope or key, and agent
        self.held = 0  # deliveries that are held, also those that have a lead
        self.live: dict[Scope, int] = {}  # deliveries that descend from it, settled and held not
        self.empty: set[Scope] = set()  # may be closed
        self.unfilled: tuple[str, ...] = ()  # joins that never became whole, told to people

    # -- counting --------------------------------------------------------------------

    def begun(self, delivery: Delivery) -> None:
        """A delivery may be handled."""
        for scope in scopes_of(delivery):
            self.live[scope] = self.live.get(scope, 0) + 1

    def ended(self, delivery: Delivery) -> None:
        """A delivery is settled, whether it was held or not."""
        if delivery.stage != HELD:
            self.over(delivery)
            return
        self.held -= 1
        join, bond = delivery.queue.subscriber.join, delivery.bond
        if join is not None and bond is not None and not bond.lead:
            self.group(delivery, join).drop(delivery)

    def over(self, delivery: Delivery) -> None:
        """It will not be any more."""
        for scope in scopes_of(delivery):
            self.live[scope] -= 1
            if not self.live[scope]:
                self.empty.add(scope)

    def group(self, part: Delivery, join: Join) -> Group:
        """The parts that belong together with this one."""
        groups = self.groups.setdefault(shared_by(part, join), {})
        name = part.queue.subscriber.name
        if name not in groups:
            groups[name] = Group()
        return groups[name]

    def tidy(self, part: Delivery, join: Join) -> None:
        """Forget the group of a part if there is nothing to be known of it."""
        shared, name = shared_by(part, join), part.queue.subscriber.name
        groups = self.groups.get(shared, {})
        if name in groups and not groups[name].won and not len(groups[name]):
            del groups[name]
            if not groups:
                del self.groups[shared]

    def inside(self, scope: Scope) -> list[Scope | str]:
        """What groups share that closes with a scope: keys hold for the whole run."""
        return list(self.groups) if scope == WHOLE else [scope]


def shared_by(part: Delivery, join: Join) -> Scope | str:
    """What the parts of a whole have in common: a message above them, or a key."""
    envelope = part.envelope
    if join.by_key:
        return envelope.publication.key or ""
    if not join.scope:
        return WHOLE
    return next((each for each in envelope.scopes if each[2] == join.scope), WHOLE)


def parts_of(delivery: Delivery) -> tuple[Delivery, ...]:
    """A lead and what it is handled with, in the order in which they came."""
    bond = delivery.bond
    if bond is None:
        return (delivery,)
    return (*(each for each in bond.parts if each.stage != SETTLED), delivery)


def scopes_of(delivery: Delivery) -> tuple[Scope, ...]:
    """The scopes that a delivery, and all that comes of it, belongs to; outermost first."""
    bond = delivery.bond
    return delivery.envelope.scopes if bond is None else bond.scopes


def arrive(state: State, run: Run, part: Delivery) -> bool:
    """A part is held, or makes something whole; False if it has come too late to be of use."""
    join, joins = part.queue.subscriber.join, run.joining()
    assert join is not None
    group = joins.group(part, join)
    if join.kind == "first":
        if group.won:
            part.stage = ARRIVED  # in no queue, and only to end
            joins.begun(part)
            return False
        group.won = True
        start(state, joins, [part])
        return True
    part.stage, part.bond = HELD, _HELD
    joins.held += 1
    if join.within and not len(group) and state.timekeeper is not None:
        state.timekeeper(part)
    group.put(part)
    whole = group.take(join)
    if whole:
        start(state, joins, whole)
        joins.tidy(part, join)
    return True


def start(state: State, joins: Joins, parts: list[Delivery]) -> None:
    """Parts that are whole are handled, by their lead."""
    *others, lead = parts
    joins.held -= lead.stage == HELD
    bond = Bond(lead.number)
    for part in others:
        part.bond = bond
    lead.bond = Bond(lead.number, tuple(others), _common(parts))
    joins.begun(lead)
    lead.stage = PENDING
    if state.lined_up:
        lead.queue.push(lead)
    else:
        lead.stage = ARRIVED


def withdraw(state: State, run: Run, part: Delivery) -> None:
    """A part of something whole has ended alone: the others go on without it, or wait for one
    in its place.
    """
    join, joins = part.queue.subscriber.join, run.joining()
    lead = part if part.bond is None or part.bond.lead == part.number else None
    if lead is None:
        assert part.bond is not None
        lead = run.deliveries.get(part.bond.lead)
    if lead is None or lead.bond is None:
        return
    rest = [each for each in parts_of(lead) if each is not part]
    if lead is not part:  # whoever ends a part has counted it down
        if lead.stage == PENDING:
            lead.queue.depth -= 1
            lead.queue.pending.remove(lead)
        joins.over(lead)
        joins.held += 1
        lead.stage = HELD
    for each in rest:
        each.bond = _HELD
    group = joins.group(part, join) if join is not None else Group()
    if join is not None and join.kind in ("gather", "batch"):
        if rest:
            start(state, joins, rest)
        return
    group.won = False
    for each in reversed(rest):
        group.put(each, back=True)
    whole = group.take(join) if join is not None else []
    if whole:
        start(state, joins, whole)


def close(state: State, run: Run) -> list[Delivery]:
    """Close the scopes that nothing more can come of, and start what is whole now.

    Returns the parts of what never will be; nobody will handle them.
    """
    joins, left = run.joining(), list[Delivery]()
    while joins.empty:
        scope = max(joins.empty, key=lambda each: each[:2])  # the innermost opened last
        joins.empty.discard(scope)
        if joins.live.get(scope) != 0 or _finish(state, joins, scope):
            continue
        del joins.live[scope]
        left += _leave(joins, scope)
    return left


def close_whole(state: State, run: Run) -> list[Delivery]:
    """The same for the scope of the run, which nothing moves any more."""
    joins = run.joining()
    if _finish(state, joins, WHOLE):
        return []
    return _leave(joins, WHOLE)


def _finish(state: State, joins: Joins, scope: Scope) -> bool:
    """Start what was gathered in a scope that is quiet; whether there was anything.

    Of several, those go first that none of the others can send anything to.
    """
    ready: dict[str, list[Group]] = {}
    for shared in joins.inside(scope):
        for name, group in joins.groups.get(shared, {}).items():
            join = state.subscribers[name].join
            if join is not None and join.kind in BATCHES and len(group):
                ready.setdefault(name, []).append(group)
    for name in [each for each in ready if not _waits(state, each, ready)]:
        for group in ready[name]:
            start(state, joins, group.all())
    return bool(ready)


def _waits(state: State, name: str, ready: Iterable[str]) -> bool:
    """Whether one of the others may still send an agent something, and not the other way."""
    others = (each for each in ready if each != name)
    return any(state.reaches(each, name) and not state.reaches(name, each) for each in others)


def _leave(joins: Joins, scope: Scope) -> list[Delivery]:
    """What is held in a scope that is closed, and told as never having become whole."""
    left: list[Delivery] = []
    for shared in joins.inside(scope):
        for name, group in joins.groups.pop(shared, {}).items():
            parts = group.all()
            if parts:
                join = parts[0].queue.subscriber.join
                if join is None or not join.optional:
                    joins.unfilled = (*joins.unfilled, _lacking(name, parts))
                left += parts
    return left


def _lacking(name: str, parts: list[Delivery]) -> str:
    """What a join holds and lacks."""
    join = parts[0].queue.subscriber.join
    held = sorted({each.envelope.publication.channel for each in parts})
    lacks = [each for each in (join.channels if join else ()) if each not in held]
    lacking = f", lacks {', '.join(lacks)}, and nothing can publish it any more" if lacks else ""
    return f"join {name} holds {', '.join(held)}{lacking}"


def rejoin(run: Run) -> None:
    """Put together again what is loaded: who is held, with whom, and what scopes are open."""
    joins, bound = run.joining(), dict[int, list[Delivery]]()
    for each in run.deliveries.values():
        join = each.queue.subscriber.join
        if each.bond is not None and each.stage == HELD:
            joins.held += 1
            if each.bond.lead:
                bound.setdefault(each.bond.lead, []).append(each)
            elif join is not None:
                joins.group(each, join).put(each)
    for number, each in run.deliveries.items():
        if each.bond is not None and each.bond.lead == number:
            each.bond = each.bond._replace(parts=tuple(bound.get(number, ())))
        if each.stage != HELD:
            joins.begun(each)


def restore(run: Run, unfilled: tuple[str, ...], won: tuple[Whole, ...]) -> None:
    """What is known of joins besides the parts."""
    joins = run.joining()
    joins.unfilled = unfilled
    for whole in won:
        name, shared = whole
        joins.groups.setdefault(shared, {}).setdefault(name, Group()).won = True


def _in_order(parts: Iterable[Delivery]) -> list[Delivery]:
    return sorted(parts, key=lambda each: each.number)


def _common(parts: list[Delivery]) -> tuple[Scope, ...]:
    """The scopes that all parts belong to, outermost first."""
    first, *others = (each.envelope.scopes for each in parts)
    common = first
    for scopes in others:
        if scopes is not common:
            same = [one == other for one, other in zip(common, scopes, strict=False)]
            common = common[: same.index(False) if False in same else len(same)]
    return common


_HELD = Bond(0)
"""Of a part that waits for others."""
