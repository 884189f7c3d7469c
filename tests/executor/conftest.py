"""Executors of these tests have their stores on the fastest disk there is."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    """What an executor does is the same on any disk."""
    return memory_path
