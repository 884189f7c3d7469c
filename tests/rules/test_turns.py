"""Turns: who may begin where there is not enough for all; against a model that only counts."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.turns import AGEING, OVERDUE, Bound, Flow, Needs, Stage, Turn, Turns


class Told(Turn):
    """A turn of somebody."""

    def __init__(self, flow: Flow, of: str, priority: int) -> None:
        super().__init__(flow, priority)
        self.of = of


class House:
    """Turns with what they share, and a model of it: who has begun, and nothing else."""

    def __init__(self, totals: dict[str, int]) -> None:
        self.bounds = {name: Bound(name, total) for name, total in totals.items()}
        self.turns: Turns[Told] = Turns(self._called)
        self.begun: dict[Told, None] = {}
        self.waiting: dict[Told, None] = {}
        self.paused: dict[Told, None] = {}
        self.order: list[Told] = []

    def _called(self, turn: Told) -> None:
        assert turn.stage is Stage.BEGUN
        del self.waiting[turn]
        self._has_begun(turn)

    def _has_begun(self, turn: Told) -> None:
        self.begun[turn] = None
        self.order.append(turn)

    def turn(self, source: str, priority: int = 0, **needs: int) -> Told:
        """A turn that has not asked yet."""
        found: Needs = tuple((self.bounds[name], amount) for name, amount in needs.items())
        key = source, *needs.items()
        return Told(self.turns.flow(key) or Flow(key, source, found), source, priority)

    def enter(self, turn: Told, ask: Callable[..., bool] | None = None) -> Told:
        """It asks; whether it may begin is what the model then believes."""
        self.waiting[turn] = None
        if (ask or self.turns.enter)(turn, 0.0):
            del self.waiting[turn]
            self._has_begun(turn)
        return turn

    def ask(self, source: str, priority: int = 0, **needs: int) -> Told:
        """One that comes."""
        return self.enter(self.turn(source, priority, **needs))

    def end(self, turn: Told) -> None:
        """One that goes."""
        for known in (self.begun, self.waiting, self.paused):
            known.pop(turn, None)
        self.turns.end(turn, 0.0)

    def check(self) -> None:
        """Nothing is given out twice, nothing is lost, and nobody waits for no reason."""
        for bound in self.bounds.values():
            held = {each: each.flow.need(bound) for each in self.begun if each.flow.need(bound)}
            assert bound.holders == held
            assert bound.used == sum(held.values()) <= bound.total
            first = bound.first()
            assert first is None or self.turns._blocker(first, 0.0) is not None
        assert {each for each, _ in self.turns.waiting()} == self.waiting.keys()
        assert self.begun or not self.waiting


TOTALS = {"cpu": 4, "gpu": 2, "one": 1, "many": 8}
NEEDS: list[dict[str, int]] = [
    {"cpu": 1},
    {"cpu": 3},
    {"gpu": 1},
    {"cpu": 2, "gpu": 2},
    {"one": 1},
    {"one": 1, "many": 1},
    {"many": 1, "cpu": 1},
    {"many": 5, "gpu": 1},
]


def a_step(house: House, dice: random.Random) -> None:
    """Something that may happen."""
    match dice.choice("eeeexxxlpbvr"):
        case "e":
            needs = dice.choice(NEEDS)
            house.ask(dice.choice("abcdef"), dice.choice([0, 0, 0, 1, 5, -2]), **needs)
        case "x" if house.begun:
            house.end(dice.choice([*house.begun]))
        case "l" if house.waiting:
            house.end(dice.choice([*house.waiting]))
        case "p" if house.begun:
            turn = dice.choice([*house.begun])
            del house.begun[turn]
            house.paused[turn] = None
            house.turns.pause(turn, 0.0)
        case "b" if house.paused:
            turn = dice.choice([*house.paused])
            del house.paused[turn]
            house.enter(turn, house.turns.come_back)
        case "v" if house.begun:
            turn = dice.choice([*house.begun])
            del house.begun[turn]
            house.waiting[turn] = None
            house.turns.put_back(turn, 0.0)
        case "r" if house.begun:
            house.end(dice.choice([*house.begun]))
        case _:
            pass


@pytest.mark.parametrize("seed", range(4))
def test_five_thousand_steps_agree_with_a_model_that_counts(seed: int) -> None:
    """However turns come, go, pause and are put back: nothing is over-allocated or leaks."""
    house, dice = House(TOTALS), random.Random(seed)
    for _ in range(5_000):
        a_step(house, dice)
        house.check()
    for turn in [*house.begun, *house.paused, *house.waiting]:
        house.end(turn)
    house.check()
    assert all(each.idle and not each.used for each in house.bounds.values())
    assert not house.turns._flows


@given(st.integers(0, 2**32), st.integers(1, 300))
def test_whoever_waits_begins_in_the_end(seed: int, steps: int) -> None:
    """When nobody new comes, and all who have begun end one after the other, all have begun."""
    house, dice = House(TOTALS), random.Random(seed)
    for _ in range(steps):
        a_step(house, dice)
    while house.begun:
        house.end(next(iter(house.begun)))
        house.check()
    assert not house.waiting


@pytest.mark.parametrize("needs", [{"cpu": 4}, {"cpu": 4, "gpu": 2}, {"one": 1, "cpu": 1}])
def test_nothing_starves(needs: dict[str, int]) -> None:
    """What needs much, and is of no priority, has its turn among ever so many of high priority."""
    house, dice = House(TOTALS), random.Random(7)
    for number in range(20):
        house.ask(f"crowd {number}", 3, **dice.choice(NEEDS))
    meek = house.ask("meek", **needs)
    for passed in range(20 * (OVERDUE + 4 * AGEING)):  # noqa: B007  told when it fails
        if meek in house.begun:
            break
        house.ask(f"crowd {dice.randrange(20)}", 3, **dice.choice(NEEDS))
        if house.begun:
            house.end(dice.choice([*house.begun]))
    assert meek in house.begun


def test_a_source_with_much_to_do_takes_turns_with_others() -> None:
    """A run that came first with a hundred does not keep another one waiting for all of them."""
    house = House({"one": 1})
    for _ in range(100):
        house.ask("big", one=1)
    house.ask("small", one=1)
    house.ask("small", one=1)
    for _ in range(5):
        house.end(house.order[-1])
    assert [each.of for each in house.order] == ["big", "big", "small", "big", "small", "big"]


def test_the_more_urgent_goes_first_and_waiting_makes_urgent() -> None:
    """A priority goes before what has come up to so many rounds earlier, and no further."""
    house = House({"one": 1})
    holder = house.ask("first", one=1)
    old = house.ask("old", one=1)
    urgent = house.ask("urgent", 1, one=1)
    house.end(holder)
    assert house.order[-1] is urgent
    for _ in range(AGEING):  # old gets older, as others come who are more urgent
        latest = house.ask("urgent", 1, one=1)
        house.end(house.order[-1])
        assert house.order[-1] in (latest, old)
    assert old in house.order


def test_what_is_small_does_not_overtake_in_a_line() -> None:
    """Who needs all of it is not passed by those who need little and come later."""
    house = House({"cpu": 4})
    some = [house.ask("some", cpu=1) for _ in range(3)]
    big = house.ask("big", cpu=4)
    small = house.ask("small", cpu=1)
    assert big in house.waiting
    assert small in house.waiting
    for each in some:
        house.end(each)
    assert big in house.begun
    assert small in house.waiting
    house.end(big)
    assert small in house.begun


def test_what_needs_something_else_does_not_wait() -> None:
    """A line is that of one thing: others are there for whoever needs only them."""
    house = House({"cpu": 1, "gpu": 1})
    house.ask("holder", gpu=1)
    both = house.ask("both", gpu=1, cpu=1)
    assert both in house.waiting
    assert house.ask("small", cpu=1) in house.begun


def test_who_comes_back_goes_before_who_has_not_begun() -> None:
    """A pause gives all back; then it comes first."""
    house = House({"one": 1})
    first = house.ask("a", one=1)
    second = house.ask("b", 9, one=1)
    del house.begun[first]
    house.turns.pause(first, 0.0)
    assert second in house.begun
    third = house.ask("c", 9, one=1)
    house.enter(first, house.turns.come_back)
    house.end(second)
    assert first in house.begun
    assert third in house.waiting


def test_victims_are_the_fewest_and_least_urgent() -> None:
    """Only those make room who are of lower priority, and only if that is enough."""
    house = House({"cpu": 4})
    low = [house.ask("low", priority, cpu=1) for priority in (0, 1, 2, 9)]
    urgent = house.ask("urgent", 5, cpu=2)
    everybody: Callable[[Told], bool] = lambda turn: True  # noqa: E731
    assert house.turns.victims(urgent, everybody, 0.0) == [low[0], low[1]]
    for each in low[:2]:
        each.giving = True
    assert house.turns.victims(urgent, everybody, 0.0) == []  # enough are about to
    huge = house.ask("huge", 6, cpu=4)
    assert house.turns.victims(huge, everybody, 0.0) == []  # 9 would have to go as well


def test_ten_thousand_that_wait_cost_little_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10,000 that wait for one thing each is looked at a few times, whatever the others do."""
    looked = 0
    blocker = Turns._blocker

    def counted(self: Turns[Told], turn: Turn, now: float) -> Bound | None:
        nonlocal looked
        looked += 1
        return blocker(self, turn, now)

    monkeypatch.setattr(Turns, "_blocker", counted)
    house = House({"one": 1, "run": 2})
    for number in range(10_000):
        house.ask(f"source {number % 100}", number % 3, run=1, one=1)
    for _ in range(10_000):
        house.end(house.order[-1])
    assert len(house.order) == 10_000
    assert looked < 60_000


def test_many_sources_cost_little_each() -> None:
    """Nor is it looked over and over again whether sources have nothing to remember."""
    looked = 0

    class Looking(Turns[Told]):
        def _forget(self) -> None:
            nonlocal looked
            looked += len(self._latest)
            super()._forget()

    house = House({"one": 1})
    house.turns = Looking(house._called)
    for number in range(6_401):
        house.ask(f"source {number % 640}", one=1)
    assert looked < 6_401


class Place(Bound):
    """Something that one may have who waits for somebody else."""

    stalls = True


def test_nothing_is_kept_free_for_who_waits_for_who_waits() -> None:
    """Or nobody could make room for who has what it lacks."""
    house = House({"one": 1})
    house.bounds["place"] = Place("place", 1)
    stuck = house.ask("a", place=1, one=1)
    house.turns.release(stuck, [house.bounds["one"]], 0.0)  # it waits for room
    for number in range(OVERDUE + 2):
        house.end(house.ask(f"passing {number}", one=1))
    overdue = house.ask("a", OVERDUE, place=1, one=1)
    house.end(house.ask("b", one=1))
    assert overdue in house.waiting
    for number in range(OVERDUE + 2):
        house.end(house.ask(f"passing {number}", one=1))
    assert house.ask("makes room", one=1) in house.begun


def test_who_had_to_give_way_is_as_urgent_as_it_was_at_first() -> None:
    """Room was kept free for it while it came back before all others, and is so no more."""
    house = House({"gpu": 1, "cpu": 2, "disk": 1})

    def goes_on(turn: Told, **needs: int) -> Told:
        """One waits to go on, for what another has in the meantime, which it returns."""
        del house.begun[turn]
        house.paused[turn] = None
        house.turns.pause(turn, 0.0)
        other = house.ask("other", **needs)
        del house.paused[turn]
        house.enter(turn, house.turns.come_back)
        assert turn.stage is Stage.WAITING
        return other

    elder, first = house.ask("elder", disk=1), house.ask("first", gpu=1, cpu=1)
    of_elder, of_first = goes_on(elder, disk=1), goes_on(first, gpu=1)
    house.end(of_first)
    urgent = house.ask("urgent", 9, gpu=1)
    house.waiting[first] = house.begun.pop(first)
    house.turns.put_back(first, 0.0)
    house.end(of_elder)
    assert urgent.begun
    assert elder.begun
    assert house.ask("small", cpu=2).begun
    house.check()


def test_nobody_gives_way_in_vain_for_what_is_kept_free() -> None:
    """What is kept free for another one is not there for the urgent, whoever gives way."""
    house = House({"gpu": 2})
    house.ask("stays", gpu=1)
    low = house.ask("low", -1, gpu=1)
    big = house.ask("big", gpu=2)
    house.turns._round += OVERDUE + 2
    urgent = house.ask("urgent", 1, gpu=1)
    assert house.turns._favour() is big.flow
    assert house.turns.victims(urgent, lambda turn: turn is low, 0.0) == []


def test_who_goes_on_may_have_kept_something() -> None:
    """It asks for the rest alone, and gives all of it back in the end."""
    house = House({"own": 1, "cpu": 1})
    first = house.ask("a", own=1, cpu=1)
    other = house.ask("b", cpu=1)
    del house.begun[first]
    house.turns.pause(first, 0.0, besides=house.bounds["own"])
    assert other in house.begun
    behind = house.ask("a", own=1)
    house.enter(first, house.turns.come_back)
    assert house.waiting.keys() == {first, behind}
    house.end(other)
    assert first in house.begun
    house.end(first)
    assert behind in house.begun
    house.check()


def test_who_has_kept_something_goes_before_who_waits_for_that() -> None:
    """Of two of a flow that go on the one goes first that the other one waits for."""
    house = House({"own": 1, "cpu": 1})
    first = house.ask("a", own=1, cpu=1)
    del house.begun[first]
    house.turns.pause(first, 0.0)
    second = house.ask("a", own=1, cpu=1)
    del house.begun[second]
    house.turns.pause(second, 0.0, besides=house.bounds["own"])
    other = house.ask("b", cpu=1)
    house.enter(first, house.turns.come_back)
    house.enter(second, house.turns.come_back)
    house.end(other)
    assert second in house.begun
    house.end(second)
    assert first in house.begun
    house.check()


class Closed(Bound):
    """Something of which there is none until a time has come."""

    timed = True
    opens = 10.0

    def lacks(self, turn: Turn, amount: int, kept_free: int, now: float) -> bool:
        return now < self.opens


def test_who_comes_back_needs_nothing_that_is_there_in_a_time() -> None:
    """And nobody gives way to who would have to wait for that."""
    house = House({"one": 1})
    rate = house.bounds["rate"] = Closed("rate", 1)
    rate.opens = 0.0
    first = house.ask("a", rate=1, one=1)
    del house.begun[first]
    house.turns.pause(first, 0.0)
    rate.opens = 10.0
    house.enter(first, house.turns.come_back)
    assert first in house.begun
    urgent = house.ask("b", 1, rate=1, one=1)
    assert house.turns.victims(urgent, lambda turn: True, 9.0) == []
    assert house.turns.victims(urgent, lambda turn: True, 10.0) == [first]


def test_what_nobody_needs_any_more_is_idle() -> None:
    """A bound that is made for a key can be let go of once it is idle, and not before."""
    house = House({"key": 1, "cpu": 1})
    first = house.ask("a", key=1, cpu=1)
    other = house.ask("b", cpu=1)
    waiting = house.ask("a", key=1, cpu=1)
    key = house.bounds["key"]
    assert not key.idle
    house.end(first)
    assert other in house.begun
    assert waiting in house.waiting
    assert not key.idle
    assert not key.holders
    house.end(other)
    house.end(waiting)
    assert key.idle


def test_release_gives_some_of_it_back_early() -> None:
    """Who has done its work, and only waits to hand it in, lets others have what it needed."""
    house = House({"own": 1, "cpu": 1})
    first = house.ask("a", own=1, cpu=1)
    second = house.ask("b", cpu=1)
    house.turns.release(first, [house.bounds["cpu"]], 0.0)
    assert second in house.begun
    house.turns.end(first, 0.0)
    assert house.bounds["own"].idle


def test_flow_is_one_while_somebody_waits() -> None:
    """Turns of the same needs stand in one place."""
    house = House({"one": 1})
    holder = house.ask("a", one=1)
    first, second = house.ask("a", one=1), house.ask("a", one=1)
    assert isinstance(first.flow, Flow)
    assert first.flow is second.flow
    assert len(house.bounds["one"].line) == 1
    house.end(holder)
    assert first in house.begun
    assert second in house.waiting
