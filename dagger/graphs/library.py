"""What a run of a graph needs of Python: functions by the names that its definition has of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dagger.graphs.model import Dependency
from dagger.graphs.reducers import Reduce, last
from dagger.graphs.shape import Shape
from dagger.graphs.values import View

ERROR = "error"
"""The key of the state that a node which has failed is told under, if the run goes on."""


class Library:
    """The shape of its state, reducers, the conditions of needs, and the same of graphs within."""

    def __init__(
        self,
        reducers: Mapping[str, Reduce],
        holds: Callable[[Dependency, View], bool],
        subgraphs: Mapping[str, Library],
        shape: Shape,
    ) -> None:
        # Branches may fail side by side: what is told of the one named last is told.
        self.reducers = {ERROR: last, **reducers}
        self.holds = holds
        self.subgraphs = subgraphs
        self.shape = shape
