"""Whether a failed attempt is followed by another, and when: pure functions.

No strategy waits, reads a clock or draws a random number; its caller does. Attempts
are numbered from 1, delays are seconds, and a random number is drawn evenly from
[0, 1).
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from dagger.words.errors import ConfigError, DaggerError, NonDeterminism, StepFailed, StreamDiffers
from dagger.words.strategy import RetryStrategy

Exceptions = type[Exception] | tuple[type[Exception], ...]

LONGEST = 1e9
"""Seconds that a delay may last, before jitter: some thirty years."""


@dataclass(frozen=True, slots=True)
class _Strategy:
    """What every strategy has: which errors are tried again, and how often."""

    _: KW_ONLY
    retry_on: Exceptions = (Exception,)
    """Only these are tried again: a class or several."""
    give_up_on: Exceptions = ()
    """These are not, even where `retry_on` includes them."""
    max_attempts: int | None = None
    """Attempts in all, the first included; None leaves it to the Config."""

    def __post_init__(self) -> None:
        for name in ("retry_on", "give_up_on"):
            object.__setattr__(self, name, _classes(name, getattr(self, name)))
        count = self.max_attempts
        if count is not None and (type(count) is not int or count < 1):
            raise _wrong("max_attempts", f"must be an integer of at least 1; got {count!r}")

    def retries(self, error: BaseException) -> bool:
        return isinstance(error, self.retry_on) and not isinstance(error, self.give_up_on)


@dataclass(frozen=True, slots=True)
class Exponential(_Strategy):
    """A delay that grows by a factor after each failure, up to a limit.

    It is spread by `jitter`, a fraction of it, to either side, so that what failed
    together does not come back together; so it may last up to
    `max_delay * (1 + jitter)`.
    """

    initial_delay: float = 0.1
    """Seconds before the second attempt."""
    max_delay: float = 30.0
    """Seconds that a delay may grow to."""
    multiplier: float = 2.0
    """By which each delay is longer than the one before."""
    jitter: float = 0.1
    """The fraction of a delay by which it is spread."""

    def __post_init__(self) -> None:
        _Strategy.__post_init__(self)
        _check_number("initial_delay", self.initial_delay, 0, LONGEST)
        _check_number("max_delay", self.max_delay, self.initial_delay, LONGEST)
        _check_number("multiplier", self.multiplier, 1, LONGEST)
        _check_number("jitter", self.jitter, 0, 1)

    def delay(self, attempt: int, random: float) -> float:
        """Seconds to wait after attempt number `attempt`; `random`, from 0 to 1, spreads them."""
        try:
            grown = self.initial_delay * float(self.multiplier) ** (attempt - 1)
        except OverflowError:
            grown = math.inf if self.initial_delay else 0.0
        return min(grown, self.max_delay) * (1 + self.jitter * (2 * random - 1))


@dataclass(frozen=True, slots=True, init=False)
class Linear(_Strategy):
    """The same delay after every failure."""

    seconds: float
    """Before each further attempt."""

    def __init__(
        self,
        delay: float = 1.0,
        *,
        retry_on: Exceptions = (Exception,),
        give_up_on: Exceptions = (),
        max_attempts: int | None = None,
    ) -> None:
        _Strategy.__init__(
            self, retry_on=retry_on, give_up_on=give_up_on, max_attempts=max_attempts
        )
        _check_number("delay", delay, 0, LONGEST)
        object.__setattr__(self, "seconds", delay)

    def delay(self, attempt: int, random: float) -> float:
        """The same seconds after each attempt."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class Immediate(_Strategy):
    """No delay at all."""

    def delay(self, attempt: int, random: float) -> float:
        """None: the next attempt follows at once."""
        return 0.0


KINDS: dict[str, type[Exponential] | type[Linear] | type[Immediate]] = {
    "exponential": Exponential,
    "linear": Linear,
    "immediate": Immediate,
}


def strategy(value: object) -> RetryStrategy:
    """The strategy that a text, a mapping or a strategy stands for.

    A text such as "immediate", "linear:2" or "exponential:0.1,30,2,0.1" (numbers in
    the order of the class's arguments), a mapping such as `{"kind": "linear",
    "delay": 2, "max_attempts": 5}`, or a strategy, which is returned as it is.
    Raises ConfigError.
    """
    if isinstance(value, str):
        kind, _, numbers = value.partition(":")
        return _from_text(kind.strip(), [each for each in numbers.split(",") if each.strip()])
    if isinstance(value, Mapping):
        options = {**value}
        return _from_options(options.pop("kind", None), options)
    if isinstance(value, type) or not isinstance(value, RetryStrategy):
        raise _wrong("", f"{value!r} is no strategy, such as Linear(delay=2) or 'linear:2'")
    return value


def attempts_allowed(agent: int | None, strategy: RetryStrategy | None, config: int) -> int:
    """Attempts of one delivery, the first included: the agent's word beats its strategy's,
    which beats the Config's.
    """
    if agent is not None:
        return agent
    if strategy is not None and strategy.max_attempts is not None:
        return strategy.max_attempts
    return config


def may_follow(strategy: RetryStrategy, error: BaseException) -> bool:
    """Whether another attempt may follow one that failed with `error`.

    Of a step that failed, what its function raised counts; where that is not known any
    more (see StepFailed), it may. Another attempt may stream something else.
    """
    if isinstance(error, DaggerError) and not error.again:
        return False
    if isinstance(error, NonDeterminism) and not isinstance(error, StreamDiffers):
        return False
    if isinstance(error, StepFailed):
        cause = error.__cause__
        return cause is None or strategy.retries(cause)
    return strategy.retries(error)


def _from_text(kind: str, numbers: list[str]) -> RetryStrategy:
    names = [
        name
        for name, parameter in _parameters(kind).items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if len(numbers) > len(names):
        known = ", ".join(names) or "none"
        raise _wrong("", f"{kind!r} takes at most {len(names)} numbers ({known})")
    return _from_options(kind, dict(zip(names, map(_number, numbers), strict=False)))


def _from_options(kind: Any, options: Mapping[str, Any]) -> RetryStrategy:
    if kind is None:
        raise _wrong("", f"its kind is missing; known: {', '.join(KINDS)}")
    known = _parameters(kind)
    for name in options:
        if name not in known:
            nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=0)[0]
            problem = f"no such option of {kind!r}; the nearest known one is {nearest!r}"
            raise _wrong(str(name), problem)
    return KINDS[kind](**options)


def _parameters(kind: Any) -> Mapping[str, inspect.Parameter]:
    if not isinstance(kind, str) or kind not in KINDS:
        raise _wrong("", f"no strategy {kind!r}; known: {', '.join(KINDS)}")
    return inspect.signature(KINDS[kind]).parameters


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _wrong("", f"{text.strip()!r} is not a number") from None


def _check_number(name: str, value: Any, least: float, most: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise _wrong(name, f"must be a number from {least:g} to {most:g}; got {value!r}")


def _classes(name: str, value: Any) -> tuple[type[Exception], ...]:
    classes = value if isinstance(value, tuple) else (value,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise _wrong(name, f"must be exception classes; got {each!r}")
    return classes


def _wrong(option: str, problem: str) -> ConfigError:
    return ConfigError(f"retry.{option}" if option else "retry", problem)
