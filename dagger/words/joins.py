"""Joins: which messages an agent handles together, as it declares them."""

from __future__ import annotations

from typing import NamedTuple


class Join(NamedTuple):
    """What an agent waits for before it is called.

    Messages are parts of the same whole if they descend from the same message on the
    channel `scope`, or have the same key, where `by_key` says so.
    """

    kind: str
    """"all" (one of each channel), "gather" (all that come until the scope closes), "first" (of
    all channels one), "batch" (so many, or what there is after a while).
    """
    channels: tuple[str, ...]
    scope: str = ""
    """A channel; "" for the run itself."""
    by_key: bool = False
    size: int = 0
    """Of a batch; 0 for any."""
    within: float = 0.0
    """Seconds after the first part of a batch; 0 for any."""
    optional: bool = False
    """Whether parts that are left over at the end are no matter: the run is complete without."""
