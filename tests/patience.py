"""How long a test waits for what must happen, on however busy a machine."""

from __future__ import annotations

PATIENCE = 120.0
"""Seconds after which what has not happened never will; a hang ends then, and nothing else."""

SLOWER = (1, 20, 400)
"""How many times as slow a machine may be: what has to be in time is tried until it was."""
