"""What an older version of Dagger meets in a store of a newer one."""

from __future__ import annotations


class WrittenByNewer(ValueError):
    """Something whole, of a kind that is not known here: it is not damaged, and has to stay."""
