"""The machine: how many processors, how much memory and how many GPUs this process may use.

A container is asked first (control groups, version 2 and 1), then the process, then the machine.
GPUs are those of NVIDIA, where the package nvidia-ml-py is installed; else there are none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MIB = 2**20


def cpus(groups: Path = GROUPS) -> float:
    """Processors; a fraction where a container may use no more."""
    found = [float(os.cpu_count() or 1)]
    if hasattr(os, "sched_getaffinity"):
        found.append(float(len(os.sched_getaffinity(0))))
    for folder in _folders(groups):
        quota, period = _first(folder / "cpu.max"), _second(folder / "cpu.max")
        found += [quota / period] if quota and period else []
    quota, period = (_first(groups / f"cpu/cpu.cfs_{of}_us") for of in ("quota", "period"))
    if quota and quota > 0 and period:
        found.append(quota / period)
    return min(found)


def memory_mb(groups: Path = GROUPS) -> float:
    """MiB of memory."""
    found = [_installed() / MIB]
    files = [folder / "memory.max" for folder in _folders(groups)]
    for each in (*files, groups / "memory/memory.limit_in_bytes"):
        limit = _first(each)
        found += [limit / MIB] if limit else []
    return float(int(min(found)))


def gpus() -> float:
    """GPUs, as far as nvidia-ml-py finds them."""
    try:
        import pynvml  # an extra, which need not be there
    except ImportError:
        return 0.0
    try:
        pynvml.nvmlInit()
        return float(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0.0


DETECTED: dict[str, Callable[[], float]] = {"cpu": cpus, "memory_mb": memory_mb, "gpu": gpus}
"""What the machine has to say."""


def _installed() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not everywhere
        return float(2**40)


def _folders(groups: Path) -> Iterator[Path]:
    """The groups of this process, the innermost first: each may bound it."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    folder = groups / own.strip("/")
    while folder != groups and groups in folder.parents:
        yield folder
        folder = folder.parent
    yield groups


def _first(path: Path) -> float | None:
    return _number(path, 0)


def _second(path: Path) -> float | None:
    return _number(path, 1)


def _number(path: Path, place: int) -> float | None:
    """A number in a file; None if there is no such file, or it says that there is no limit."""
    try:
        return float(path.read_text(encoding="ascii").split()[place])
    except (OSError, ValueError, IndexError):
        return None
