"""How many CPUs this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def cpus() -> int:
    """Those it may run on, or fewer where its cgroup (v2) has a quota; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, math.ceil(min([allowed, *quotas()])))


def quotas(groups: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> Iterator[float]:
    """The quotas of its cgroup and of those above it, in CPUs."""
    try:
        line = next(each for each in own.read_text().splitlines() if each.startswith("0::"))
    except (OSError, StopIteration):
        return
    group = groups / line.removeprefix("0::").lstrip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(groups):
            return
        try:
            quota, period = (folder / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue  # the root has none
        if quota != "max":
            yield int(quota) / int(period)
