"""When a failed attempt is followed by another."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.retry import (
    Exponential,
    Immediate,
    Linear,
    attempts_allowed,
    strategy,
)
from dagger.words.errors import ConfigError
from dagger.words.strategy import RetryStrategy

RANDOM = st.floats(0, 1, exclude_max=True)
SECONDS = st.floats(0, 1e9)
MIDDLE = 0.5
"""The random number that leaves a delay as it is."""


def test_exponential_delays_grow_up_to_a_limit() -> None:
    """Each delay is `multiplier` times the one before, until `max_delay`."""
    delays = [Exponential(0.1, 1.0, 2.0).delay(attempt, MIDDLE) for attempt in range(1, 7)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@given(
    st.builds(
        Exponential,
        initial_delay=st.floats(0, 1e3),
        max_delay=st.floats(1e3, 1e9),
        multiplier=st.floats(1, 1e9) | st.integers(1, 10),
        jitter=st.floats(0, 1),
    ),
    st.integers(1, 100_000),
    RANDOM,
)
def test_exponential_delays_stay_in_bounds(
    chosen: Exponential, attempt: int, random: float
) -> None:
    """A delay is never negative, and beyond the limit by its jitter at most."""
    delay = chosen.delay(attempt, random)
    assert 0 <= delay <= chosen.max_delay * (1 + chosen.jitter)


@given(st.integers(1, 10), RANDOM)
def test_jitter_spreads_to_both_sides(attempt: int, random: float) -> None:
    """Jitter moves a delay by at most that fraction, evenly to either side."""
    spread, plain = Exponential(jitter=0.5), Exponential(jitter=0)
    base = plain.delay(attempt, random)
    assert base * 0.5 <= spread.delay(attempt, random) <= base * 1.5
    assert spread.delay(attempt, 0.0) == pytest.approx(base * 0.5)
    assert spread.delay(attempt, MIDDLE) == base


def test_late_attempts_do_not_overflow() -> None:
    """The ten thousandth attempt waits for the limit, and for nothing if the start is nothing."""
    assert Exponential(jitter=0).delay(10_000, 0.3) == 30.0
    assert Exponential(initial_delay=0).delay(10_000, 0.3) == 0.0


@given(SECONDS, st.integers(1, 10_000), RANDOM)
def test_linear_delays_are_always_the_same(seconds: float, attempt: int, random: float) -> None:
    """Linear waits equally long each time; Immediate does not wait."""
    assert Linear(seconds).delay(attempt, random) == seconds
    assert Immediate().delay(attempt, random) == 0


@pytest.mark.parametrize("kind", [Exponential, Linear, Immediate])
def test_which_errors_are_tried_again(kind: type[Exponential | Linear | Immediate]) -> None:
    """`retry_on` chooses errors, `give_up_on` excepts some; cancellation is never among them."""
    assert kind().retries(ValueError())
    assert not kind().retries(KeyboardInterrupt())
    assert not kind(retry_on=OSError).retries(ValueError())
    assert kind(retry_on=(OSError, ValueError)).retries(TimeoutError())
    chosen = kind(retry_on=(OSError,), give_up_on=FileNotFoundError)
    assert chosen.retries(PermissionError())
    assert not chosen.retries(FileNotFoundError())


def test_strategies_are_values() -> None:
    """They compare and hash by their fields, survive pickling, and cannot be changed."""
    for chosen in (Exponential(0.5), Linear(2), Immediate(max_attempts=4)):
        assert isinstance(chosen, RetryStrategy)
        assert pickle.loads(pickle.dumps(chosen)) == chosen
        assert len({chosen, chosen}) == 1
        with pytest.raises(FrozenInstanceError):
            chosen.max_attempts = 9  # type: ignore[misc]
    assert Linear(2) == Linear(delay=2) != Linear(3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("immediate", Immediate()),
        ("linear", Linear()),
        ("linear:2", Linear(2.0)),
        (" linear : 2 ", Linear(2.0)),
        ("exponential", Exponential()),
        ("exponential:0.2", Exponential(0.2)),
        ("exponential:0.1,20,3,0", Exponential(0.1, 20.0, 3.0, 0.0)),
        ({"kind": "immediate", "max_attempts": 7}, Immediate(max_attempts=7)),
        ({"kind": "linear", "delay": 2}, Linear(2)),
        (
            {"kind": "exponential", "max_delay": 5, "give_up_on": KeyError},
            Exponential(max_delay=5, give_up_on=(KeyError,)),
        ),
        (Linear(3), Linear(3)),
    ],
)
def test_a_strategy_can_be_written_down(value: Any, expected: RetryStrategy) -> None:
    """A text, a mapping and the object itself all name a strategy."""
    assert strategy(value) == expected


def test_a_strategy_of_ones_own_is_taken() -> None:
    """Anything with the members of RetryStrategy is one."""

    @dataclass(frozen=True)
    class Once:
        max_attempts: int | None = 2

        def delay(self, attempt: int, random: float) -> float:
            return 0.0

        def retries(self, error: BaseException) -> bool:
            return True

    chosen = Once()
    assert strategy(chosen) is chosen


@pytest.mark.parametrize(
    ("value", "key", "problem"),
    [
        ("", "retry", "no strategy ''; known: exponential, linear, immediate"),
        ("linaer:2", "retry", "no strategy 'linaer'; known: exponential, linear, immediate"),
        ("linear:soon", "retry", "'soon' is not a number"),
        ("linear:1,2", "retry", "'linear' takes at most 1 numbers (delay)"),
        ("immediate:1", "retry", "'immediate' takes at most 0 numbers (none)"),
        ("linear:nan", "retry.delay", "must be a number from 0 to 1e+09; got nan"),
        ("linear:-1", "retry.delay", "must be a number from 0 to 1e+09; got -1.0"),
        ("exponential:60", "retry.max_delay", "must be a number from 60 to 1e+09; got 30.0"),
        ("exponential:1,2,0.5", "retry.multiplier", "must be a number from 1 to 1e+09; got 0.5"),
        ("exponential:1,2,2,2", "retry.jitter", "must be a number from 0 to 1; got 2.0"),
        ({"delay": 2}, "retry", "its kind is missing; known: exponential, linear, immediate"),
        ({"kind": ["linear"]}, "retry", "no strategy ['linear']; known"),
        (
            {"kind": "linear", "dealy": 2},
            "retry.dealy",
            "no such option of 'linear'; the nearest known one is 'delay'",
        ),
        ({"kind": "linear", "delay": "2"}, "retry.delay", "must be a number from 0"),
        ({"kind": "linear", "delay": True}, "retry.delay", "must be a number from 0"),
        ({"kind": "linear", "max_attempts": 0}, "retry.max_attempts", "an integer of at least 1"),
        ({"kind": "linear", "max_attempts": 2.0}, "retry.max_attempts", "an integer of at least"),
        ({"kind": "linear", "retry_on": "OSError"}, "retry.retry_on", "must be exception classes"),
        ({"kind": "linear", "retry_on": BaseException}, "retry.retry_on", "exception classes"),
        ({"kind": "linear", "give_up_on": (3,)}, "retry.give_up_on", "exception classes; got 3"),
        (3, "retry", "3 is no strategy, such as Linear(delay=2) or 'linear:2'"),
        (Linear, "retry", "is no strategy, such as Linear(delay=2)"),
    ],
)
def test_what_is_no_strategy_is_refused(value: Any, key: str, problem: str) -> None:
    """The error names the option, what it must be and what was given."""
    with pytest.raises(ConfigError) as caught:
        strategy(value)
    assert caught.value.key == key
    assert problem in caught.value.problem


def test_who_decides_how_often() -> None:
    """The agent's number of attempts beats its strategy's, which beats the Config's."""
    assert attempts_allowed(5, Linear(max_attempts=4), 3) == 5
    assert attempts_allowed(None, Linear(max_attempts=4), 3) == 4
    assert attempts_allowed(None, Linear(), 3) == 3
    assert attempts_allowed(None, None, 3) == 3
