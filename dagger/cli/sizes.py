"""Sizes of files, as people read them."""

from __future__ import annotations


def size(count: int) -> str:
    """Bytes in the unit that reads best: "512 bytes", "4.1 kB", "16 MB", "2.3 GB"."""
    if count < 1000:
        return f"{count} byte" if count == 1 else f"{count} bytes"
    shown, unit = count / 1000, "kB"
    for larger in ("MB", "GB"):
        if shown >= 999.5:
            shown, unit = shown / 1000, larger
    return f"{shown:,.1f} {unit}" if shown < 9.95 else f"{shown:,.0f} {unit}"
