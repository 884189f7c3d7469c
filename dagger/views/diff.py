"""Where two runs part: their invocations side by side, by their place in the tree.

A place is what its parent is matched with, the message's place among what that published,
and the agent. An invocation whose parent is not known any more keeps its number: so it is
in runs that have the same past, as forks have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from dagger.rules.violation import shown
from dagger.views.wording import one_line, plural
from dagger.words.payload import decode, same

WIDTH = 100
"""Columns of the widest line."""

Message = tuple[str, bytes]
"""Channel and encoded payload."""


class Handled(NamedTuple):
    """One delivery of a run, and what it came to."""

    delivery: int
    parent: int
    """The invocation that published its message; 0 for the outside world."""
    place: int
    """The message's place among what that published."""
    agent: str
    channel: str
    status: str
    """A disposition in lower case, or "open"."""
    failure: str = ""
    """`type: message`, without the run's own id."""
    payload: bytes | None = None
    """Encoded; None where it is not known any more."""
    published: tuple[Message, ...] | None = None
    """What it published when it ended; None where that is not known any more."""


class Compared(NamedTuple):
    """One place in the trees of two runs."""

    a: Handled | None
    b: Handled | None
    differs: tuple[str, ...] = ()
    """Of what both have: "channel", "payload", "status", "failure", "published"."""
    first: bool = False
    """Whether the runs part here: the first that differs, or else that only one has."""

    @property
    def verdict(self) -> str:
        """One of "same", "differs", "only in a" and "only in b"."""
        if self.a is None:
            return "only in b"
        if self.b is None:
            return "only in a"
        return "differs" if self.differs else "same"

    def __str__(self) -> str:
        return _line(self, ("a", "b"))


def diff(a: Iterable[Handled], b: Iterable[Handled]) -> list[Compared]:
    """All invocations of two runs, each after the one that caused it, in order of numbers."""
    ours, others = ({each.delivery: each for each in run} for run in (a, b))
    partners = _matched(ours, others)
    pairs = [Compared(each, others.get(partners.get(each.delivery, -1))) for each in ours.values()]
    met = set(partners.values())
    pairs += [Compared(None, each) for each in others.values() if each.delivery not in met]
    found = [each._replace(differs=_differing(each)) for each in _causal(pairs)]
    at = _parting(found)
    if at is not None:
        found[at] = found[at]._replace(first=True)
    return found


def _matched(ours: Mapping[int, Handled], others: Mapping[int, Handled]) -> dict[int, int]:
    """Deliveries of one run by those of the other that are at the same place."""
    places = {(each.parent, each.place, each.agent): each.delivery for each in others.values()}
    partners: dict[int, int] = {}
    for number, each in sorted(ours.items()):  # parents come before their children
        parent: int | None = each.parent
        if parent in partners or (parent in ours and parent in others):
            parent = partners.get(each.parent)
        found = places.get((parent, each.place, each.agent)) if parent is not None else None
        if found is not None:
            partners[number] = found
    return partners


def _causal(pairs: Sequence[Compared]) -> Iterator[Compared]:
    """Pairs so that none comes before its parent; of those that could, the smallest number."""
    of_a = {each.a.delivery: at for at, each in enumerate(pairs) if each.a}
    of_b = {each.b.delivery: at for at, each in enumerate(pairs) if each.b}
    children: dict[int | None, list[tuple[int, int]]] = {}
    for at, each in enumerate(pairs):
        node = each.a or each.b
        assert node is not None
        above = (of_a if each.a else of_b).get(node.parent)
        children.setdefault(above, []).append((node.delivery, at))
    ready = sorted(children.get(None, ()))
    while ready:
        _, at = heappop(ready)
        yield pairs[at]
        for child in children.get(at, ()):
            heappush(ready, child)


def _parting(found: Sequence[Compared]) -> int | None:
    """Where two runs part. What only one has mostly follows from what differs."""
    for wanted in (("differs",), ("only in a", "only in b")):
        for at, each in enumerate(found):
            if each.verdict in wanted:
                return at
    return None


# -- what differs --------------------------------------------------------------------


def _differing(pair: Compared) -> tuple[str, ...]:
    a, b = pair.a, pair.b
    if a is None or b is None:
        return ()
    return tuple(name for name, alike in _ALIKE.items() if not alike(a, b))


def _same_payload(a: Handled, b: Handled) -> bool:
    return a.payload is None or b.payload is None or same(a.payload, b.payload)


def _same_published(a: Handled, b: Handled) -> bool:
    return a.published is None or b.published is None or _first(a.published, b.published) is None


def _first(a: Sequence[Message], b: Sequence[Message]) -> int | None:
    """The first place at which two lists of messages are not the same."""
    for place, (one, other) in enumerate(zip(a, b, strict=False)):
        if one[0] != other[0] or not same(one[1], other[1]):
            return place
    return None if len(a) == len(b) else min(len(a), len(b))


_ALIKE: Mapping[str, Callable[[Handled, Handled], bool]] = {
    "channel": lambda a, b: a.channel == b.channel,
    "payload": _same_payload,
    "status": lambda a, b: a.status == b.status,
    "failure": lambda a, b: a.failure == b.failure,
    "published": _same_published,
}


# -- text ----------------------------------------------------------------------------


def text(found: Sequence[Compared], a: str, b: str, limit: int = 200) -> str:
    """A comparison for people, of runs of these ids: at most `limit` lines below the first."""
    names = one_line(a, 40), one_line(b, 40)
    counts = {"same": "the same", "differs": "different", "only in a": f"only in {names[0]}"}
    counts["only in b"] = f"only in {names[1]}"
    verdicts = [each.verdict for each in found]
    parts = [
        f"{verdicts.count(each):,} {words}" for each, words in counts.items() if each in verdicts
    ]
    head = f"{names[0]} | {names[1]} · {plural(len(found), 'invocation')}: {', '.join(parts)}"
    body = [each for each in found if each.verdict != "same"]
    lines = [("▸ " if each.first else "  ") + _line(each, names) for each in body[:limit]]
    if len(body) > limit:
        lines.append(f"  … {plural(len(body) - limit, 'more line')}")
    return "\n".join([head, *lines])


def _line(pair: Compared, names: tuple[str, str]) -> str:
    node = pair.a or pair.b
    assert node is not None
    numbers = " | ".join(str(each.delivery) for each in (pair.a, pair.b) if each)
    head = f"{one_line(node.channel, 40)} → {one_line(node.agent, 40)} ({numbers})"
    if pair.a is None or pair.b is None:
        return f"{head} · only in {names[pair.a is None]}"
    told = [_told(pair.a, pair.b, each) for each in pair.differs]
    return one_line(" · ".join([head, *told]), 2 * WIDTH)


def _told(a: Handled, b: Handled, what: str) -> str:
    """One thing that differs, on both sides."""
    if what == "published" and a.published is not None and b.published is not None:
        place = _first(a.published, b.published)
        assert place is not None
        here, there = (_message(each, place) for each in (a.published, b.published))
        return f"message {place}: {here} → {there}"
    if what == "payload" and a.payload is not None and b.payload is not None:
        return f"payload: {_value(a.payload)} → {_value(b.payload)}"
    here, there = (one_line(getattr(each, what), 60) or "none" for each in (a, b))
    return f"{what}: {here} → {there}"


def _message(published: Sequence[Message], place: int) -> str:
    if place >= len(published):
        return "none"
    channel, payload = published[place]
    return f"{one_line(channel, 40)} {_value(payload)}"


def _value(payload: bytes) -> str:
    return one_line(shown(decode(payload)), 40)
