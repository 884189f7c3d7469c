"""Policies: what an agent says about when its invocations may begin.

Frozen data, checked when it is made: DefinitionError says what makes no sense.
`dagger.executor.policies` keeps to it.
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

    Raises DefinitionError for an amount that is negative or no number, and for a name in
    `custom` that is taken.
    """

    cpu: float = 0.0
    """Processors."""
    memory_mb: float = 0.0
    """MiB of memory."""
    gpu: float = 0.0
    """GPUs."""
    io: float = 0.0
    """In units of your own."""
    network: float = 0.0
    """In units of your own."""
    custom: Mapping[str, float] = field(default_factory=dict)
    """Resources of your own, by name."""
    timeout: float | None = None
    """Seconds that it may wait for them before the attempt fails with ResourceTimeout."""

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

    What is None is what the machine has (see `dagger.executor.machine`). Raises DefinitionError
    as `Resources` does.
    """

    cpu: float | None = None
    """Processors; None for those that this process may use."""
    memory_mb: float | None = None
    """MiB of memory; None for what this process may use."""
    gpu: float | None = None
    """GPUs; None for those of NVIDIA that are found, with the extra `gpu`."""
    io: float = 0.0
    """In units of your own."""
    network: float = 0.0
    """In units of your own."""
    custom: Mapping[str, float] = field(default_factory=dict)
    """Resources of your own, by name."""
    quotas: Mapping[str, Resources] = field(default_factory=dict)
    """By the name of an agent, what its invocations may take together."""

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

    Raises DefinitionError for a limit below 1, and for a key that is neither field nor function.
    """

    key: Key
    """What is counted together: a field of the payload, or a function of it."""
    limit: int = 1
    """Invocations at once."""
    name: str | None = None
    """Agents that say the same name count together, and say the same limit; others count alone."""

    def __post_init__(self) -> None:
        _check_key("ConcurrencyKey", self.key)
        _check_count("ConcurrencyKey(limit=)", self.limit)
        _check_name("ConcurrencyKey", self.name)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` invocations begin `per` period, over all runs, restarts and attempts.

    A bucket of tokens, which fills evenly; who begins takes one. Raises DefinitionError for a
    number that is not above 0, or a period that is none.
    """

    count: float
    """Tokens that the bucket gets in each period."""
    per: float | str = 1.0
    """The period: seconds, or "second", "minute", "hour", "day"."""
    key: Key | None = None
    """What has a bucket of its own: a field of the payload, or a function of it; None for one
    bucket.
    """
    burst: int | None = None
    """Tokens that the bucket holds; None for `count`."""
    name: str | None = None
    """Agents that say the same name share their buckets, and say the same limit."""

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

    Where they never stop coming, one is handled `at_most` seconds after the first of them. Raises
    DefinitionError for seconds that are not above 0.
    """

    seconds: float
    """How long it has to be quiet."""
    key: Key | None = None
    """What is told apart: a field of the payload, or a function of it."""
    at_most: float | None = None
    """Seconds after the first of a burst at which one is handled anyway; None for never."""

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
    where there is one. Raises DefinitionError for seconds that are not above 0.
    """

    seconds: float
    """The time in which one is handled."""
    key: Key | None = None
    """What is told apart: a field of the payload, or a function of it."""

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
