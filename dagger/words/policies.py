"""Policies: what an agent says about when its invocations may begin.

Frozen data, checked when it is made; `dagger.executor.policies` keeps to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any

from dagger.words.errors import DefinitionError

Key = Callable[[Any], Any] | str
"""A field of the payload ("customer.id"), or a function of it."""

KINDS = ("cpu", "memory_mb", "gpu", "io", "network")
"""Resources that have a name of their own; `custom` has the others."""

PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
"""Words for seconds, in `RateLimit(per=)`."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one invocation takes from the executor's pool while its handler runs.

    `cpu` and `gpu` are counted in devices, `memory_mb` in MiB; `io` and `network` in units of
    your own, as are those in `custom`, by name. Fractions are exact to a millionth. `timeout`
    is how many seconds it may wait for its turn before the attempt fails with ResourceTimeout.
    """

    cpu: float = 0.0
    memory_mb: float = 0.0
    gpu: float = 0.0
    io: float = 0.0
    network: float = 0.0
    custom: Mapping[str, float] = field(default_factory=dict)
    timeout: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "custom", _named(self.custom, "Resources"))
        for name, value in self.amounts(zeros=True).items():
            _check_amount(f"Resources({name}=)", value)
        if self.timeout is not None:
            _check_seconds("Resources(timeout=)", self.timeout)

    def amounts(self, *, zeros: bool = False) -> dict[str, float]:
        """By name, those that are taken."""
        all_of_it = {name: getattr(self, name) for name in KINDS} | dict(self.custom)
        return {name: value for name, value in all_of_it.items() if value or zeros}


@dataclass(frozen=True, slots=True)
class ResourcePool:
    """What there is for all invocations of an executor together.

    Of `cpu`, `memory_mb` and `gpu`, what is None is what the machine has (see
    `dagger.executor.machine`). Of the others there is what is said. `quotas` bound what the
    invocations of one agent, by name, take together.
    """

    cpu: float | None = None
    memory_mb: float | None = None
    gpu: float | None = None
    io: float = 0.0
    network: float = 0.0
    custom: Mapping[str, float] = field(default_factory=dict)
    quotas: Mapping[str, Resources] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "custom", _named(self.custom, "ResourcePool"))
        for name, value in self.totals().items():
            if value is not None:
                _check_amount(f"ResourcePool({name}=)", value)
        for agent, quota in self.quotas.items():
            if not isinstance(quota, Resources):
                raise DefinitionError(f"a quota is Resources(...), not {quota!r} (of {agent!r})")
        object.__setattr__(self, "quotas", MappingProxyType(dict(self.quotas)))

    def totals(self) -> dict[str, float | None]:
        """By name; None for what the machine has to say."""
        return {name: getattr(self, name) for name in KINDS} | dict(self.custom)


@dataclass(frozen=True, slots=True)
class ConcurrencyKey:
    """At most `limit` invocations at once of what has the same key, over all runs.

    Agents whose keys have the same `name` count together, and say the same limit; without one,
    each counts alone.
    """

    key: Key
    limit: int = 1
    name: str | None = None

    def __post_init__(self) -> None:
        _check_key("ConcurrencyKey", self.key)
        _check_count("ConcurrencyKey(limit=)", self.limit)
        _check_name("ConcurrencyKey", self.name)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` invocations begin `per` period, over all runs, restarts and attempts.

    A bucket of tokens: it holds `burst` of them (`count` where that is not said), and fills
    evenly. `per` is in seconds, or "second", "minute", "hour", "day". With a `key` there is a
    bucket for each. Agents whose limits have the same `name` share theirs, and say the same.
    """

    count: float
    per: float | str = 1.0
    key: Key | None = None
    burst: int | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if type(self.per) is str:
            if self.per not in PERIODS:
                known = ", ".join(map(repr, PERIODS))
                problem = f"RateLimit(per=) is a number of seconds or one of {known}"
                raise DefinitionError(f"{problem}, not {self.per!r}")
            object.__setattr__(self, "per", PERIODS[self.per])
        _check_seconds("RateLimit(per=)", self.per)
        _check_seconds("RateLimit(count)", self.count, unit="")
        if self.burst is None and self.count < 1:
            object.__setattr__(self, "burst", 1)
        if self.burst is not None:
            _check_count("RateLimit(burst=)", self.burst)
        if self.key is not None:
            _check_key("RateLimit", self.key)
        _check_name("RateLimit", self.name)

    @property
    def interval(self) -> float:
        """Seconds in which the bucket gets one token."""
        assert not isinstance(self.per, str)
        return self.per / self.count

    @property
    def holds(self) -> int:
        """Tokens of a full bucket."""
        return self.burst if self.burst is not None else int(self.count)


@dataclass(frozen=True, slots=True)
class Debounce:
    """Of messages that come in close succession the last one is handled, `seconds` after it
    came; those before it are `superseded`. Over all runs, by `key` where there is one.

    Where they never stop coming, one is handled `at_most` seconds after the first of them.
    """

    seconds: float
    key: Key | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        _check_seconds("Debounce", self.seconds)
        if self.key is not None:
            _check_key("Debounce", self.key)
        if self.at_most is not None:
            _check_seconds("Debounce(at_most=)", self.at_most)


@dataclass(frozen=True, slots=True)
class Throttle:
    """One message is handled in `seconds`: the first at once, and of those that come meanwhile
    the last one when they are over; the others are `superseded`. Over all runs, by `key`
    where there is one.
    """

    seconds: float
    key: Key | None = None

    def __post_init__(self) -> None:
        _check_seconds("Throttle", self.seconds)
        if self.key is not None:
            _check_key("Throttle", self.key)


def _named(custom: Mapping[str, float], of: str) -> Mapping[str, float]:
    """Custom resources, with names that are none of the others'."""
    for name in custom:
        if type(name) is not str or not name or name in (*KINDS, "timeout", "quotas"):
            raise DefinitionError(f"{of}(custom=) names resources of your own, not {name!r}")
    return MappingProxyType(dict(custom))


def _check_amount(what: str, value: object) -> None:
    if type(value) not in (int, float) or not 0 <= value < inf:  # type: ignore[operator]
        raise DefinitionError(f"{what} is a number that is not negative, not {value!r}")


def _check_seconds(what: str, value: object, unit: str = " of seconds") -> None:
    if type(value) not in (int, float) or not 0 < value < inf:  # type: ignore[operator]
        raise DefinitionError(f"{what} is a number{unit} above 0, not {value!r}")


def _check_count(what: str, value: object) -> None:
    if type(value) is not int or value < 1:
        raise DefinitionError(f"{what} is a whole number of at least 1, not {value!r}")


def _check_key(of: str, key: object) -> None:
    if not (callable(key) or (isinstance(key, str) and key)):
        raise DefinitionError(
            f"{of}(key=) is a field of the payload or a function of it, not {key!r}"
        )


def _check_name(of: str, name: object) -> None:
    if name is not None and (type(name) is not str or not name):
        raise DefinitionError(f"{of}(name=) is a text that is not empty, not {name!r}")
