"""Making many things at once that are all to stay, without looking for garbage among them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 1_000
"""Things that are made at once: from so many on it is worth the while."""


@contextmanager
def no_garbage() -> Iterator[None]:
    """Within, cycles are not looked for: there are none to be found in what is made, and to
    look through all of it again and again takes longer than to make it. Not for code of a
    user's, nor for code that waits.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
