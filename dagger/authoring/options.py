"""What may be said of an agent with `@agent(...)`, and the checks of what needs no handler."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import inf
from typing import Any, TypedDict, cast

from dagger.rules.retry import strategy
from dagger.words.errors import ConfigError, DefinitionError
from dagger.words.joins import Join
from dagger.words.outcomes import OnFailure, Overflow
from dagger.words.policies import ConcurrencyKey, Debounce, RateLimit, Resources, Throttle
from dagger.words.strategy import RetryStrategy

SchemaLike = Mapping[str, Any] | str | bool
Publishes = str | Sequence[str] | Mapping[str, SchemaLike | None] | None


class AgentOptions(TypedDict, total=False):
    """The options of `@agent`; its docstring says what each is for."""

    name: str | None
    description: str | None
    subscribe: str | Sequence[str] | Join
    scope: str | None
    by: str | None
    publish: Publishes
    publish_each: bool
    stream: bool
    input_schema: SchemaLike | None
    output_schema: SchemaLike | None
    upcast: Mapping[int, Callable[[Any], Any]] | None
    concurrency: int
    retry: RetryStrategy | str | None
    max_attempts: int | None
    timeout: float | None
    overflow: str | None
    capacity: int | None
    key: Callable[[Any], Any] | str | None
    idempotency_key: Callable[[Any], Any] | str | None
    on_failure: str
    hears_itself: bool
    cleans_up: bool
    unload: bool
    resources: Resources | None
    priority: Callable[[Any], Any] | str | int
    preemptible: bool
    concurrency_key: ConcurrencyKey | Sequence[ConcurrencyKey]
    rate_limit: RateLimit | Sequence[RateLimit]
    debounce: Debounce | None
    throttle: Throttle | None
    run_in: str | None


def check_options(options: Iterable[str], known: Collection[str], of: str, where: str) -> None:
    """Raise DefinitionError for an option that there is none of, naming the nearest.

    `of` is what is said to have none, such as "@agent".
    """
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise DefinitionError(f"{of} has no option {name!r}; {hint}", where)


def policies(options: AgentOptions, where: str) -> dict[str, Any]:
    """The fields of an Agent that are policies, checked. Raises DefinitionError."""
    given = cast("dict[str, Any]", options)
    concurrency = given.get("concurrency", 1)
    _at_least_one("concurrency", concurrency, where)
    for option in ("max_attempts", "capacity"):
        if given.get(option) is not None:
            _at_least_one(option, given[option], where)
    timeout = given.get("timeout")
    if timeout is not None and not (type(timeout) in (int, float) and 0 < timeout < inf):
        raise DefinitionError(f"timeout must be more than 0 seconds, not {timeout!r}", where)
    for option in ("key", "idempotency_key"):
        rule = given.get(option)
        if rule is not None and not (callable(rule) or isinstance(rule, str)):
            problem = f"{option} must be the name of a field or a function, not {rule!r}"
            raise DefinitionError(problem, where)
    for option in ("hears_itself", "publish_each", "stream", "unload", "preemptible", "cleans_up"):
        if type(given.get(option, False)) is not bool:
            raise DefinitionError(f"{option} must be True or False, not {given[option]!r}", where)
    overflow = given.get("overflow")
    return {
        "concurrency": concurrency,
        "retry": _strategy(given.get("retry"), where),
        "max_attempts": given.get("max_attempts"),
        "timeout": timeout,
        "overflow": None if overflow is None else _one_of(Overflow, overflow, "overflow", where),
        "capacity": given.get("capacity"),
        "key": given.get("key"),
        "idempotency_key": given.get("idempotency_key"),
        "on_failure": _one_of(OnFailure, given.get("on_failure", "fail"), "on_failure", where),
        "hears_itself": given.get("hears_itself", False),
        "unload": given.get("unload", False),
        "cleans_up": given.get("cleans_up", False),
        **_turn_policies(given, where),
    }


def _turn_policies(given: dict[str, Any], where: str) -> dict[str, Any]:
    """Those that say when an invocation may begin."""
    priority = given.get("priority", 0)
    if type(priority) is not int and not callable(priority) and not isinstance(priority, str):
        problem = f"a whole number, the name of a field or a function, not {priority!r}"
        raise DefinitionError(f"priority must be {problem}", where)
    debounce, throttle = (
        _only(given.get(name), name, kind, where)
        for name, kind in (("debounce", Debounce), ("throttle", Throttle))
    )
    if debounce is not None and throttle is not None:
        problem = "debounce= and throttle= both say which messages are handled; keep one"
        raise DefinitionError(problem, where)
    if (debounce or throttle) and isinstance(given.get("subscribe"), Join):
        problem = "a join takes no debounce= or throttle=; batch(..., within=) collects messages"
        raise DefinitionError(problem, where)
    return {
        "resources": _only(given.get("resources"), "resources", Resources, where),
        "priority": priority,
        "preemptible": given.get("preemptible", False),
        "concurrency_key": _all(given, "concurrency_key", ConcurrencyKey, where),
        "rate_limit": _all(given, "rate_limit", RateLimit, where),
        "debounce": debounce,
        "throttle": throttle,
    }


def _only(value: Any, option: str, kind: type[Any], where: str) -> Any:
    if value is not None and not isinstance(value, kind):
        raise DefinitionError(f"{option} takes {kind.__name__}(...), not {value!r}", where)
    return value


def _all(given: dict[str, Any], option: str, kind: type[Any], where: str) -> tuple[Any, ...]:
    """One or several."""
    value = given.get(option)
    several = value if isinstance(value, (list, tuple)) else () if value is None else (value,)
    return tuple(_only(each, option, kind, where) for each in several if each is not None)


def _strategy(retry: object, where: str) -> RetryStrategy | None:
    try:
        return None if retry is None else strategy(retry)
    except ConfigError as error:
        raise DefinitionError(str(error), where) from error


def _at_least_one(option: str, value: object, where: str) -> None:
    if type(value) is not int or value < 1:
        problem = f"{option} must be a whole number of at least 1, not {value!r}"
        raise DefinitionError(problem, where)


def _one_of(kind: Any, value: Any, option: str, where: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(repr(each.value) for each in kind)
        raise DefinitionError(f"{option} must be one of {names}, not {value!r}", where) from None
