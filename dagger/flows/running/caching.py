"""`cache`: results that are used again for a while, where a step is given the same.

They are in the cache that all runs share, by what the step was given. Of a step there are at
most `MOST`; the oldest make room.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagger.authoring.signature import CallPlan, Kind
from dagger.words.errors import DefinitionError
from dagger.words.payload import canonical, encode

if TYPE_CHECKING:
    from dagger.authoring.cache import CacheView

MOST = 1_000
"""Results of one step."""

_DIGITS = 32


def opened(reply: Any) -> tuple[Any, bool]:
    """The result in a reply, and whether it was known already; one that was made before the step
    had a `cache` is a result as it is.
    """
    if isinstance(reply, Mapping) and {*reply} == {"output", "known"}:
        return reply["output"], reply["known"]
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
    return CallPlan(plan.kind, call, plan.parameters, plan.payload, plan.returns, plan.where)


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
        self.known: dict[str, Any] | None = None
        if self._seconds is None:
            return
        self._cache: CacheView = invocation.context.shared
        self._now: float = invocation.host.now()
        self._namespace = f"flow cache {invocation.channel}"
        given = canonical(encode(invocation.data))
        self._key = hashlib.sha256(given.encode()).hexdigest()[:_DIGITS]
        found = self._cache.get(self._key, namespace=self._namespace)
        if found is not None and found["until"] > self._now:
            self.known = {"output": found["output"], "known": True}

    def put(self, output: Any) -> Any:
        """Keep a result that was made now; the reply."""
        if self._seconds is None:
            return output
        self._make_room()
        entry = {"until": self._now + self._seconds, "output": output}
        self._cache.set(self._key, entry, namespace=self._namespace)
        return {"output": output, "known": False}

    def _make_room(self) -> None:
        keys = self._cache.keys(self._namespace)
        if len(keys) < MOST:
            return
        ends = {key: self._cache.get(key, namespace=self._namespace)["until"] for key in keys}
        oldest = sorted(keys, key=ends.__getitem__)
        late = [key for key in oldest if ends[key] <= self._now]
        for key in late or oldest[: MOST // 10]:
            self._cache.delete(key, namespace=self._namespace)
