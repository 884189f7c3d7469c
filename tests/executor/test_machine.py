"""The machine: what this process may use, as control groups, the process and the machine say."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dagger.executor.machine import MIB, cpus, gpus, memory_mb


def test_a_quota_is_less_than_what_is_there(tmp_path: Path) -> None:
    """A container that may use half a processor has half a one, in either version of the groups."""
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert cpus(tmp_path) == 0.5
    older = tmp_path / "older"
    (older / "cpu").mkdir(parents=True)
    (older / "cpu" / "cpu.cfs_quota_us").write_text("25000\n")
    (older / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cpus(older) == 0.25


def test_without_a_limit_it_is_what_the_process_may_use(tmp_path: Path) -> None:
    """Neither "max" nor -1 is a limit, and neither is a file that is not there."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert cpus(tmp_path) == usable
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cpus(tmp_path) == usable


def test_memory_is_what_the_container_has(tmp_path: Path) -> None:
    """In MiB; without a limit, what is installed."""
    installed = memory_mb(tmp_path)
    assert installed > 0
    (tmp_path / "memory.max").write_text(f"{64 * MIB}\n")
    assert memory_mb(tmp_path) == 64
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_mb(tmp_path) == installed


def test_gpus_are_those_that_the_library_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library, or a driver, there are none."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpus() == 0
    found = ModuleType("pynvml")
    found.NVMLError = type("NVMLError", (Exception,), {})  # type: ignore[attr-defined]
    found.nvmlInit = lambda: None  # type: ignore[attr-defined]
    found.nvmlDeviceGetCount = lambda: 2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynvml", found)
    assert gpus() == 2

    def no_driver() -> None:
        raise found.NVMLError("no driver")

    found.nvmlInit = no_driver  # type: ignore[attr-defined]
    assert gpus() == 0
