"""Executions: what is in work of a run, and for which branch."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from dagger.graphs.branches import Branch

if TYPE_CHECKING:
    from dagger.graphs.machine import Machine


class Kind(StrEnum):
    """What is done."""

    RUN = "run"
    ASK = "ask"
    SUBGRAPH = "subgraph"
    ROUTE = "route"
    ASK_ABOUT = "ask_about"
    WAKE = "wake"


class Execution:
    """One thing in work."""

    __slots__ = ("branch", "error", "kind", "moment", "node", "number", "visit", "within")

    def __init__(self, number: int, node: str, branch: Branch, kind: Kind) -> None:
        self.number = number
        self.node = node
        self.branch = branch
        self.kind = kind
        self.visit = 0  # which of its node it is, or which turn of a loop
        self.error: dict[str, str] = {}  # that a person is asked about
        self.moment = 0.0  # when it wakes somebody, epoch seconds
        self.within: Machine | None = None

    @property
    def machine(self) -> Machine:
        """That of the graph within it."""
        assert self.within is not None
        return self.within

    @property
    def runs(self) -> bool:
        """Whether its node runs."""
        return self.kind in (Kind.RUN, Kind.ASK, Kind.SUBGRAPH)

    def wakes(self, node: str) -> bool:
        """Whether it is the end of the patience of a node."""
        return self.kind is Kind.WAKE and self.node == node
