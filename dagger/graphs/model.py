"""The parts of a graph: frozen data, the same whether they were written in Python or in YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any, TypeVar

from dagger.rules.expressions.tokens import OPEN
from dagger.words.errors import DefinitionError

Kind = TypeVar("Kind", bound=StrEnum)

START, END = "start", "end"
"""The names of what a run begins with and of what ends a branch."""

MAX_ITERATIONS = 1_000
"""Times that a loop goes round, where nobody says how many."""


class NodeKind(StrEnum):
    """What a node is."""

    START = "start"
    """Where a run begins."""
    END = "end"
    """Ends the branch that comes to it."""
    STANDARD = "standard"
    """A function."""
    LOOP = "loop"
    """A function that is called again while a condition holds."""
    ROUTER = "router"
    """A function that only says where to go."""
    SUBGRAPH = "subgraph"
    """Another graph."""
    ASK = "ask"
    """A question to a person."""


CALLING = frozenset({NodeKind.STANDARD, NodeKind.LOOP, NodeKind.ROUTER})
"""The kinds of nodes that call a function."""


class OnError(StrEnum):
    """What it means that a node has failed for good."""

    FAIL = "fail"
    """The run fails."""
    HANDLE = "handle"
    """It goes on, with the error in the state under `error`."""
    ASK = "ask"
    """A person says: retry, edit the state, skip, or abort."""


class Need(StrEnum):
    """What a node needs of another one before it runs."""

    REQUIRED = "required"
    """It must have completed."""
    OPTIONAL = "optional"
    """It is awaited if it is still to come; it may have failed."""
    PARALLEL = "parallel"
    """Nothing: the two may overlap."""
    SEQUENTIAL = "sequential"
    """The two never overlap; who was added first goes first."""


class Lifecycle(StrEnum):
    """How long it counts that a node has completed."""

    ONCE = "once"
    """For the whole run."""
    ALWAYS = "always"
    """For one visit of the node that needs it."""
    PERIODIC = "periodic"
    """For `interval` seconds."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """What a node needs of another one, and how long that holds. Raises DefinitionError."""

    type: Need = Need.REQUIRED
    """What of it."""
    lifecycle: Lifecycle = Lifecycle.ONCE
    """How long it counts that it has completed."""
    condition: Callable[[Mapping[str, Any]], object] | str | None = None
    """A predicate on the state, or an expression: where it is false, nothing is needed. In a
    definition a predicate is the name of its function.
    """
    expiry: float | None = None
    """Seconds after which it does not count any more that it has completed."""
    interval: float | None = None
    """Seconds for which it counts, if it is periodic."""
    timeout: float | None = None
    """Seconds that may be waited for it, before the node fails with TimeoutExceeded."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", one_of(Need, self.type, "Dependency(type=)"))
        lifecycle = one_of(Lifecycle, self.lifecycle, "Dependency(lifecycle=)")
        object.__setattr__(self, "lifecycle", lifecycle)
        for name in ("expiry", "interval", "timeout"):
            value = getattr(self, name)
            if value is not None and not (type(value) in (int, float) and 0 < value < inf):
                raise DefinitionError(f"Dependency({name}=) is seconds above 0, not {value!r}")
        if (self.lifecycle is Lifecycle.PERIODIC) is (self.interval is None):
            raise DefinitionError("interval= belongs to lifecycle=PERIODIC, which needs it")

    @property
    def lasts(self) -> float:
        """Seconds for which it counts that the other node has completed."""
        return min(self.expiry or inf, self.interval or inf)


class Goto:
    """Where a branch goes on, and what it changes in the state: returned by a node.

    `names` are one name or several; several run in parallel.
    """

    __slots__ = ("names", "update")

    def __init__(self, names: str | list[str] | tuple[str, ...], update: Any = None) -> None:
        self.names = (names,) if isinstance(names, str) else tuple(names)
        self.update = update


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a branch goes by what a router says."""

    router: str
    """The name of its function; of an expression the text itself."""
    targets: Mapping[str, str]
    """Node by label; of a router that names nodes each is its own label."""
    is_expression: bool = False


@dataclass(frozen=True, slots=True)
class Loop:
    """While what a node is called again."""

    condition: str
    """The name of its function; of an expression the text itself."""
    is_expression: bool = False
    max_iterations: int = MAX_ITERATIONS


@dataclass(frozen=True, slots=True)
class Question:
    """What an ask node asks."""

    prompt: Any
    key: str
    """Where the answer goes in the state."""
    choices: tuple[Any, ...] | None = None
    schema: Mapping[str, Any] | None = None
    timeout: float | None = None
    default: Any = None
    has_default: bool = False
    to: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One node."""

    name: str
    kind: NodeKind = NodeKind.STANDARD
    uses: str = ""
    """The name of its function, or of its graph."""
    description: str = ""
    needs: Mapping[str, Dependency] = field(default_factory=dict)
    to: tuple[str, ...] = ()
    """Where it may go by itself."""
    retry: str | Mapping[str, Any] | None = None
    timeout: float | None = None
    on_error: OnError = OnError.FAIL
    undo: str | None = None
    """The name of the function that undoes it."""
    resources: Mapping[str, Any] | None = None
    priority: int | None = None
    loop: Loop | None = None
    question: Question | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Of a subgraph, its keys by those of this graph; nothing for all of them."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Of a subgraph, the keys of this graph by its own; nothing for all that it has changed."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A graph as its runs keep it: names and plain data, and nothing of Python."""

    name: str
    nodes: Mapping[str, Node]
    edges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    choices: Mapping[str, Choice] = field(default_factory=dict)
    reducers: Mapping[str, str] = field(default_factory=dict)
    """By key of the state: "last", "append", "add", or the name of a function."""
    subgraphs: Mapping[str, Definition] = field(default_factory=dict)
    """By what the nodes that use them say."""
    description: str = ""

    @property
    def undoes(self) -> bool:
        """Whether anything of it can be undone."""
        if any(each.undo is not None for each in self.nodes.values()):
            return True
        return any(each.undoes for each in self.subgraphs.values())

    def targets(self, name: str) -> tuple[str, ...]:
        """Where a branch may go from a node."""
        node, choice = self.nodes.get(name), self.choices.get(name)
        found = [*self.edges.get(name, ()), *(choice.targets.values() if choice else ())]
        return tuple(dict.fromkeys([*found, *(node.to if node else ())]))


def one_of(kind: type[Kind], value: Any, what: str) -> Kind:
    """A value as one of an enumeration. Raises DefinitionError, which says the others."""
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(each.value) for each in kind)
        raise DefinitionError(f"{what} is one of {known}, not {value!r}") from None


def is_expression(said: Choice | Loop | Dependency) -> bool:
    """Whether it is decided by an expression, and not by a function."""
    if isinstance(said, Dependency):
        return isinstance(said.condition, str) and OPEN in said.condition
    return said.is_expression
