"""Which step of a flow a message is for: what its channel and its request tell of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

UNDO = ":undo"
"""What follows a step's channel on which it is undone."""

_ITEM = re.compile(r"\[(\d+)\]\Z")


class Place(NamedTuple):
    """A step of a flow, an item of it, or the flow itself."""

    flow: str
    step: str
    """Of a flow within another, "outer.inner"; "" for the flow itself."""
    item: int | None
    undo: bool
    """Whether it is about undoing that step."""

    @property
    def title(self) -> str:
        """For people: "step parse[3]", "undoing of step store", "flow invoices"."""
        if not self.step:
            return f"flow {self.flow}"
        item = "" if self.item is None else f"[{self.item}]"
        return f"{'undoing of ' if self.undo else ''}step {self.step}{item}"


def place_of(channel: str, request: str, flows: Collection[str]) -> Place | None:
    """The place that a channel of one of these flows stands for; None for any other channel."""
    for flow in flows:
        if channel == flow:
            return Place(flow, "", None, False)
        if channel.startswith(f"{flow}."):
            step = channel.removeprefix(f"{flow}.")
            item = _ITEM.search(request)
            undo = step.endswith(UNDO)
            return Place(flow, step.removesuffix(UNDO), int(item[1]) if item else None, undo)
    return None
