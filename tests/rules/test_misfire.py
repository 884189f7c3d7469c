"""Which slots are fired, however the clock moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.misfire import Due, Misfire, Policy, due
from dagger.rules.occurrence import jitter
from dagger.rules.recurrence import Cron, Interval, Moment, When
from dagger.rules.slots import next_slot, slots
from dagger.words.errors import ScheduleError
from tests.rules.whens import BERLIN, DAY, START

HOUR = 3600
HOURLY = Interval(HOUR)
SPAN = 3 * DAY
NOWS = st.lists(st.floats(START - DAY, START + SPAN), max_size=12)
"""What the clock shows, one look after another: it may be set back or forward in between."""
SCHEDULES: st.SearchStrategy[When] = (
    st.builds(Interval, st.integers(300, DAY), st.integers(START - DAY, START + DAY))
    | st.sampled_from([Cron("*/20 * * * *", BERLIN), Cron("30 9,17 * * *", BERLIN)])
    | st.builds(Moment, st.integers(START - HOUR, START + DAY))
)
POLICIES = st.builds(
    Policy,
    st.sampled_from(Misfire),
    st.sampled_from([0, 60, HOUR]) | st.floats(0, DAY),
    st.integers(1, 50) | st.just(10_000),
    st.sampled_from([0, 30]) | st.floats(0, DAY),
)


def looks(when: When, policy: Policy, nows: Sequence[float]) -> list[Due]:
    """What is due at each look, when each remembers what the one before said."""
    told, last = [], float(START)
    for now in nows:
        told.append(due("nightly", when, policy, last, now))
        last = told[-1].last
    return told


def model(when: When, policy: Policy, nows: Sequence[float]) -> list[tuple[list[int], int]]:
    """The same by walking all slots each time: what is fired, and how many are skipped."""
    waiting, told = list(slots(when, START, START + 2 * SPAN)), []
    for now in nows:
        wakes = [slot + jitter("nightly", slot, policy.jitter) for slot in waiting]
        reached = waiting[: next((n for n, wake in enumerate(wakes) if wake > now), len(wakes))]
        waiting = waiting[len(reached) :]
        missed = [slot for slot in reached if slot + policy.jitter + policy.grace < now]
        on_time = reached[len(missed) :]
        late = {Misfire.ALL: missed, Misfire.ONE: missed[-1:], Misfire.NONE: []}[policy.misfire]
        fired = (late + on_time)[-policy.limit :]
        told.append((fired, len(reached) - len(fired)))
    return told


@given(SCHEDULES, POLICIES, NOWS)
def test_what_is_due_is_what_walking_all_slots_finds(
    when: When, policy: Policy, nows: list[float]
) -> None:
    """Under any jumps of the clock, each look fires and skips what a simple model does."""
    told = looks(when, policy, nows)
    assert [(list(each.slots), each.skipped) for each in told] == model(when, policy, nows)


@given(SCHEDULES, POLICIES, NOWS)
def test_each_slot_is_dealt_with_once(when: When, policy: Policy, nows: list[float]) -> None:
    """None is fired twice or early, and none gets lost: the rest is counted as skipped."""
    told = looks(when, policy, [*nows, START + 2 * SPAN])
    fired = [slot for each in told for slot in each.slots]
    assert fired == sorted(set(fired))
    for now, each in zip(nows, told, strict=False):
        assert all(slot + jitter("nightly", slot, policy.jitter) <= now for slot in each.slots)
    every = list(slots(when, START, told[-1].last))
    assert len(fired) + sum(each.skipped for each in told) == len(every)
    if policy.misfire is Misfire.ALL and policy.limit == 10_000:
        assert fired == every


@given(SCHEDULES, POLICIES, NOWS)
def test_what_comes_next_is_told(when: When, policy: Policy, nows: list[float]) -> None:
    """`next` is the first slot not dealt with, and looking again at `wake` fires it."""
    for now, each in zip(nows, looks(when, policy, nows), strict=True):
        assert each.next == next_slot(when, each.last)
        if each.next is None:
            assert each.wake is None
        else:
            assert each.wake is not None
            assert each.wake > now
            again = due("nightly", when, policy, each.last, each.wake)
            assert each.next in again.slots


def test_a_look_each_hour_fires_each_hour() -> None:
    """With nobody late and no jumps, every policy fires each slot once."""
    for misfire in Misfire:
        told = looks(HOURLY, Policy(misfire), [START + hour * HOUR + 5 for hour in range(1, 25)])
        assert [each.slots for each in told] == [(START + hour * HOUR,) for hour in range(1, 25)]
        assert all(each.skipped == 0 for each in told)


@pytest.mark.parametrize(
    ("misfire", "hours"), [(Misfire.ONE, [4]), (Misfire.ALL, [1, 2, 3, 4]), (Misfire.NONE, [])]
)
def test_what_was_missed_while_nobody_looked(misfire: Misfire, hours: list[int]) -> None:
    """After four and a half hours the newest missed slot is fired, or all, or none; once."""
    first, second = looks(HOURLY, Policy(misfire), [START + 4.5 * HOUR] * 2)
    assert first.slots == tuple(START + hour * HOUR for hour in hours)
    assert first.skipped == 4 - len(hours)
    assert first.next == first.wake == START + 5 * HOUR
    assert (second.slots, second.skipped, second.next) == ((), 0, first.next)


@pytest.mark.parametrize("misfire", Misfire)
def test_within_the_grace_a_slot_is_on_time(misfire: Misfire) -> None:
    """Any policy fires a slot up to `grace` seconds late; after that it was missed."""
    policy = Policy(misfire, grace=90)
    (on_time,) = looks(HOURLY, policy, [START + HOUR + 90])
    assert on_time.slots == (START + HOUR,)
    (late,) = looks(HOURLY, policy, [START + HOUR + 90.5])
    assert late.slots == (() if misfire is Misfire.NONE else (START + HOUR,))


def test_of_too_many_the_newest_are_fired() -> None:
    """`limit` bounds what is fired at once, and the rest is told."""
    (told,) = looks(Interval(1), Policy(Misfire.ALL, limit=3), [START + DAY])
    assert told.slots == (START + DAY - 2, START + DAY - 1, START + DAY)
    assert told.skipped == DAY - 3


@pytest.mark.parametrize("misfire", Misfire)
def test_a_clock_that_jumps_back_repeats_nothing(misfire: Misfire) -> None:
    """Set back an hour, the clock passes slots again that were fired, and fires none of them."""
    nows = [START + 3 * HOUR + 1, START + 2 * HOUR + 1, START + 3 * HOUR + 2, START + 4 * HOUR]
    told = looks(HOURLY, replace(Policy(misfire), grace=DAY), nows)
    assert [len(each.slots) for each in told] == [3, 0, 0, 1]


def test_a_clock_that_jumps_ahead_loses_nothing() -> None:
    """Two days ahead all slots up to there are fired; set right again, the next is after them."""
    nows = [START + 48 * HOUR, *(START + hour * HOUR for hour in range(1, 50))]
    told = looks(HOURLY, Policy(Misfire.ALL), nows)
    assert [len(each.slots) for each in told] == [48] + [0] * 48 + [1]


def test_jitter_is_no_lateness() -> None:
    """A slot waits for its jitter, whoever looks meanwhile, and is on time after it."""
    policy = Policy(Misfire.NONE, grace=0, jitter=1800)
    wake = START + HOUR + jitter("nightly", START + HOUR, 1800)
    before, at_once, _ = looks(HOURLY, policy, [wake - 0.1, wake, wake + 1])
    assert before.slots == ()
    assert before.wake == wake
    assert at_once.slots == (START + HOUR,)


def test_what_was_before_is_none_of_its_slots() -> None:
    """A moment before the schedule was made is never due."""
    told = due("nightly", Moment(START), Policy(Misfire.ALL), last=START + 1, now=START + 2)
    assert told == Due(slots=(), skipped=0, last=START + 1, next=None, wake=None)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"misfire": "some"}, "known: one, all, none"),
        ({"grace": -1}, "must be a number of seconds of at least 0"),
        ({"grace": float("nan")}, "must be a number of seconds of at least 0"),
        ({"grace": "60"}, "must be a number of seconds of at least 0"),
        ({"jitter": float("inf")}, "must be a number of seconds of at least 0"),
        ({"limit": 0}, "must be a whole number of at least 1"),
        ({"limit": 2.0}, "must be a whole number of at least 1"),
        ({"limit": True}, "must be a whole number of at least 1"),
    ],
)
def test_a_policy_out_of_range_is_refused(options: dict[str, object], problem: str) -> None:
    """The error names the option, what was given and what it must be."""
    ((name, value),) = options.items()
    with pytest.raises(ScheduleError, match=problem) as caught:
        Policy(**options)  # type: ignore[arg-type]
    assert caught.value.given == f"{name}={value!r}"


def test_a_policy_takes_words() -> None:
    """`misfire` may be given as a text."""
    assert Policy("all") == Policy(Misfire.ALL)  # type: ignore[arg-type]
    assert Policy("all").misfire is Misfire.ALL  # type: ignore[arg-type]
