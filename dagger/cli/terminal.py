"""What is known of the terminal that stdout may be."""

from __future__ import annotations

import shutil
import sys


def columns(otherwise: int) -> int:
    """How wide a line may be: as the terminal is, or `otherwise` where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else otherwise
