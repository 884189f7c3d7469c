"""`cache`: results that are used again for a while, where a step is given the same.

They are in the cache that all runs share, by what the step was given. Of a step there are at
most `MOST`; those that end first make room.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dagger.authoring.signature import CallPlan, Kind
from dagger.words.errors import DefinitionError
from dagger.words.payload import canonical, encode

if TYPE_CHECKING:
    from dagger.authoring.cache import CacheView

MOST = 1_000
"""Results of one step."""

SWEPT = MOST // 10
"""Those that make room at once, at least."""

_DIGITS = 32

_CACHED = int.from_bytes(b"cached")
"""What a reply begins with that says whether its result was known already."""

_UNTIL, _OUTPUT = 0, 1
"""Places in what is kept of a result. They have no names: a secret may be any word."""


def opened(reply: Any) -> tuple[Any, bool]:
    """The result in a reply, and whether it was known already; one that was made before the step
    had a `cache` is a result as it is.
    """
    if isinstance(reply, list) and len(reply) == 3 and reply[0] == _CACHED:
        return reply[1], reply[2]
    return reply, False


def cached(plan: CallPlan, seconds: Mapping[str, float]) -> CallPlan:
    """A plan whose results are used again; `seconds` for how long, by the step's channel.

    Raises DefinitionError for a handler that is no plain function and no coroutine.
    """
    if not seconds:
        return plan
    if plan.kind.streams:
        problem = "cache: is for what returns its result; this one yields"
        raise DefinitionError(problem, plan.where)
    call = _awaited(plan, seconds) if plan.kind is Kind.COROUTINE else _plain(plan, seconds)
    return replace(plan, call=call)


def _awaited(plan: CallPlan, seconds: Mapping[str, float]) -> Any:
    async def call(invocation: Any) -> Any:
        entry = _Entry(invocation, seconds)
        if entry.known is None:
            return entry.put(await plan.call(invocation))
        return entry.known

    return call


def _plain(plan: CallPlan, seconds: Mapping[str, float]) -> Any:
    def call(invocation: Any) -> Any:
        entry = _Entry(invocation, seconds)
        return entry.put(plan.call(invocation)) if entry.known is None else entry.known

    return call


class _Entry:
    """The result of one step for what it was given; `known` is the reply, if it is there."""

    def __init__(self, invocation: Any, seconds: Mapping[str, float]) -> None:
        self._seconds = seconds.get(invocation.channel)
        self.known: list[Any] | None = None
        if self._seconds is None:
            return
        self._cache: CacheView = invocation.context.shared
        self._now: float = invocation.host.now()
        self._namespace = f"flow cache {invocation.channel}"
        given = canonical(encode(invocation.data))
        self._key = hashlib.sha256(given.encode()).hexdigest()[:_DIGITS]
        found = self._cache.get(self._key, namespace=self._namespace)
        if found is not None and found[_UNTIL] > self._now:
            self.known = [_CACHED, found[_OUTPUT], True]

    def put(self, output: Any) -> Any:
        """Keep a result that was made now; the reply."""
        if self._seconds is None:
            return output
        self._make_room()
        self._cache.set(self._key, [self._now + self._seconds, output], namespace=self._namespace)
        return [_CACHED, output, False]

    def _make_room(self) -> None:
        """Where it is full a part of it goes at once, so that all is looked through seldom."""
        keys = self._cache.keys(self._namespace)
        if len(keys) < MOST:
            return
        ends = {key: self._cache.get(key, namespace=self._namespace)[_UNTIL] for key in keys}
        oldest = sorted(keys, key=ends.__getitem__)
        late = sum(end <= self._now for end in ends.values())
        for key in oldest[: max(late, SWEPT)]:
            self._cache.delete(key, namespace=self._namespace)
