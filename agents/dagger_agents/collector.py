"""The collector: many messages in, what is worth knowing of them in the run's cache."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from dagger import Agent, Context, LiveRun, agent


class Collection(NamedTuple):
    """What a collector has gathered so far; see `collected`."""

    messages: int
    """How many messages it has taken."""
    items: list[Any]
    """The messages themselves, in the order they came, where nothing less was asked for."""
    counts: dict[str, dict[str, int]]
    """By field, how often it had each value."""
    totals: dict[str, float]
    """By field, its sum."""
    tops: dict[str, list[dict[str, Any]]]
    """By field, the messages in which it was greatest, greatest first."""


def collector(
    subscribe: str | Sequence[str],
    *,
    name: str = "collector",
    into: str = "collected",
    count: Sequence[str] = (),
    total: Sequence[str] = (),
    top: Mapping[str, int] | None = None,
) -> Agent:
    """An agent that folds the messages of its channels into the run's cache.

    `count` names fields whose values are counted, `total` fields that are added up, and
    `top` how many messages are kept in which a field is greatest: `top={"bytes": 10}`.
    With none of them, every message is kept. `collected(run, into)` reads the result.

    A message without these fields is rejected. None is lost: publishers wait while its
    queue is full. Messages that are equal in a `top` are ranked by their content, so that
    the result does not depend on the order in which they came.
    """
    best = dict(top or {})
    whole = not (count or total or best)
    schema = _schema(count, (*total, *best))

    @agent(name=name, subscribe=subscribe, input_schema=schema, overflow="block")
    async def collect(payload: Any, ctx: Context) -> None:
        """Fold one message into what has been collected."""
        cache = ctx.cache
        cache.increment("messages", namespace=into)
        if whole:
            cache.append("items", payload, namespace=into)
        for field in count:
            cache.increment(_label(payload[field]), namespace=f"{into}.count.{field}")
        for field in total:
            cache.increment(field, payload[field], namespace=f"{into}.total")
        for field, places in best.items():
            rank = partial(_ranked, payload, field, places)
            cache.update(field, rank, namespace=f"{into}.top")

    return collect


def collected(run: LiveRun | Context, into: str = "collected") -> Collection:
    """What the collector of that `into` has gathered in a run, open or ended."""
    cache = run.cache
    prefix = f"{into}.count."
    return Collection(
        messages=cache.get("messages", 0, namespace=into),
        items=cache.get("items", [], namespace=into),
        counts={
            namespace.removeprefix(prefix): _all(run, namespace)
            for namespace in cache.namespaces()
            if namespace.startswith(prefix)
        },
        totals=_all(run, f"{into}.total"),
        tops=_all(run, f"{into}.top"),
    )


def _all(run: LiveRun | Context, namespace: str) -> dict[str, Any]:
    cache = run.cache
    return {key: cache.get(key, namespace=namespace) for key in cache.keys(namespace)}


def _schema(labels: Sequence[str], numbers: Sequence[str]) -> dict[str, Any] | bool:
    """What a message must be like: an object with these fields, or anything at all."""
    if not (labels or numbers):
        return True
    label: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
    properties = dict.fromkeys(labels, label) | {field: {"type": "number"} for field in numbers}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _ranked(payload: Any, field: str, places: int, held: list[Any] | None) -> list[Any]:
    """What is held, with one more message in its place."""

    def rank(each: Any) -> tuple[float, str]:
        return -each[field], json.dumps(each, sort_keys=True)

    return sorted([*(held or ()), payload], key=rank)[:places]
