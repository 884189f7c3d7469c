"""Where a flow stands while it is carried out."""

from __future__ import annotations

from dagger.flows.graph import Graph
from dagger.flows.happenings import FlowStatus, StepStatus
from dagger.flows.items import Items
from dagger.flows.model import OnError


class State:
    """Where a flow stands. Everybody may look; only `dagger.flows.plan.advance` changes it."""

    __slots__ = (
        "failed",
        "graph",
        "hindered",
        "items",
        "left",
        "missing",
        "stands",
        "status",
        "work",
    )

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.status = FlowStatus.RUNNING
        self.failed = False
        """Whether a failure has happened that makes the flow fail."""
        self.stands = [StepStatus.PENDING] * len(graph.ids)
        """Where each step stands, by its number."""
        self.missing = list(graph.needs)
        """How many of the steps that it needs have not ended."""
        self.hindered: dict[int, tuple[StepStatus, str]] = {}
        """How steps will end that cannot run, and why."""
        self.items: dict[int, Items] = {}
        self.work: dict[int, None] = {}
        """The steps that are ready or running, in the order in which they became so."""
        self.left = len(graph.ids)
        """Steps that have not ended."""

    def of(self, step: str) -> StepStatus:
        """Where a step stands, by its id."""
        return self.stands[self.graph.numbers[step]]

    def steps(self) -> dict[str, StepStatus]:
        """Where every step and rescue step stands, by its id."""
        return dict(zip(self.graph.ids, self.stands, strict=True))

    def fatal(self, step: str) -> bool:
        """Whether the flow fails if a step does."""
        traits = self.graph.traits[self.graph.numbers[step]]
        return traits.owner < 0 and traits.on_error is OnError.FAIL

    def items_failed(self, step: str) -> tuple[int, ...]:
        """The items of a step that have failed, in their order."""
        items = self.items.get(self.graph.numbers[step])
        return () if items is None else tuple(sorted(items.failed))
