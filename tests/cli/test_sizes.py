"""Sizes of files, in words."""

from __future__ import annotations

import pytest

from dagger.cli.sizes import size

SIZES = [
    (0, "0 bytes"),
    (1, "1 byte"),
    (999, "999 bytes"),
    (1_000, "1.0 kB"),
    (9_949, "9.9 kB"),
    (16_384, "16 kB"),
    (999_499, "999 kB"),
    (999_500, "1.0 MB"),
    (2_345_678, "2.3 MB"),
    (67_108_864, "67 MB"),
    (999_600_000, "1.0 GB"),
    (5_000_000_000_000, "5,000 GB"),
]


@pytest.mark.parametrize(("count", "text"), SIZES)
def test_sizes_are_short(count: int, text: str) -> None:
    """Two or three digits, in the unit that needs no more."""
    assert size(count) == text
