"""What follows from a schedule's id and a slot alone: its run id, and its jitter.

Nothing here is drawn, so that whichever process fires a slot fires the same run, at
the same time.
"""

from __future__ import annotations

import re
from datetime import timedelta
from hashlib import blake2b

from dagger.rules.zones import EPOCH


def run_id(schedule_id: str, slot: int) -> str:
    """The id of the run that a slot starts, such as "nightly@2026-03-01T08:00:00Z".

    Two ids of schedules or two slots never share one. It is fit for a run id if
    `schedule_id` is: a text that is not empty and that UTF-8 can carry.
    """
    return f"{schedule_id}@{EPOCH + timedelta(seconds=slot):%Y-%m-%dT%H:%M:%SZ}"


def moment_of(run_id: str) -> str | None:
    """The slot that started the run of an id, such as "2026-03-01T08:00:00Z"; None if none did."""
    found = _SLOT.search(run_id)
    return None if found is None else found[1]


_SLOT = re.compile(r"@(\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\Z")


def jitter(schedule_id: str, slot: int, most: float) -> float:
    """Seconds from 0 to below `most` that a slot is to be fired late; 0 if `most` is.

    They are spread evenly over slots, and over schedules that share their slots.
    """
    name = run_id(schedule_id, slot).encode()
    # 32 bits, since a fraction of more could be rounded up to 1.
    return int.from_bytes(blake2b(name, digest_size=4).digest(), "big") / 2**32 * most
