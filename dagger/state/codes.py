"""Codes: which code each agent is, as one text that all runs begun meanwhile share.

Six bytes for each agent that there ever was, in the order in which they came: its
fingerprint, or zeros where none is known. The text is replaced whenever an agent comes or
goes, and the part of each run holds it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger.state.queues import Subscriber

Codes = bytes

SIZE = 6
"""Bytes of a fingerprint."""

_UNKNOWN = bytes(SIZE)


def codes_of(subscribers: Mapping[str, Subscriber]) -> Codes:
    """What these agents are now. Raises ValueError for a fingerprint that is none."""
    return b"".join(_packed(each.code) for each in subscribers.values())


def recoded(subscribers: Mapping[str, Subscriber], before: Codes) -> tuple[str, ...]:
    """The agents that are other code than `before`, by name; none that is not known twice."""
    found = []
    for place, (name, each) in enumerate(subscribers.items()):
        was, now = before[place * SIZE : (place + 1) * SIZE] or _UNKNOWN, _packed(each.code)
        if was != now and _UNKNOWN not in (was, now):
            found.append(name)
    return tuple(sorted(found))


def _packed(code: str) -> bytes:
    packed = bytes.fromhex(code) or _UNKNOWN
    if len(packed) != SIZE:
        raise ValueError(f"a fingerprint has {SIZE} bytes, not {code!r}")
    return packed
