"""Times of the wall clock, as people here read them."""

from __future__ import annotations

import time


def moment(at: float) -> str:
    """Epoch seconds as local date and time: "2024-05-01 14:03:07"."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def time_of_day(at: float) -> str:
    """Epoch seconds as local time: "14:03:07"."""
    return moment(at)[11:]


def recent(at: float, now: float) -> str:
    """Epoch seconds as "14:03:07" if that was today, else as "2024-05-01 14:03"."""
    then, today = moment(at), moment(now)[:10]
    return then[11:] if then.startswith(today) else then[:16]
