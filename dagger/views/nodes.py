"""What an execution tree is made of, as people see it: nodes, and outputs on their edges."""

from __future__ import annotations

from typing import NamedTuple

from dagger.state.tree import Node
from dagger.words import ids
from dagger.words.budget import price
from dagger.words.effects import make
from dagger.words.outcomes import DISPOSITIONS
from dagger.words.records import Failure


class OpenNode(NamedTuple):
    """A delivery that has not ended; `status` is "pending", "running" or "waiting"."""

    delivery: int
    parent: int
    place: int
    channel: str
    agent: str
    status: str


class OutputEdge(NamedTuple):
    """Messages that nobody subscribed to: the first one's place, and how many they are."""

    channel: str
    parent: int
    """The invocation that published them; 0 for the outside world."""
    place: int
    messages: int = 1


class TreeNode(NamedTuple):
    """One invocation, or a delivery that never became one (a drop, a rejection)."""

    run_id: str
    """The run it is of."""
    delivery: int
    """Its number in the run, from 1."""
    parent: int
    """Delivery number of the invocation that published its message; 0 for the outside world."""
    place: int
    """The message's place among what the parent published."""
    channel: str
    """Where the message came from."""
    agent: str
    """Whose invocation it is."""
    status: str
    """A disposition in lower case, or "pending", "running", "waiting"."""
    attempts: int = 0
    """Attempts made by the end; 0 where the handler was never called."""
    started: float | None = None
    """When the last attempt started, epoch seconds."""
    ended: float | None = None
    """When it ended so, epoch seconds; None while it is open."""
    failure: Failure | None = None
    """Why it failed; None if it did not."""
    tokens: int = 0
    """Tokens that its attempts have spent."""
    notes: tuple[str, ...] = ()
    """What else is to be said of it, such as "default for 'approval'": nobody had answered."""
    lead: int = 0
    """Of a part of a join, the delivery that it was handled with; 0 for none."""
    cost: float = 0.0
    """In whatever currency its agents count in."""

    @property
    def id(self) -> str:
        """The node id: `<agent>:<run>.<delivery>`."""
        return ids.node_id(self.agent, self.run_id, self.delivery)

    @property
    def message_id(self) -> str:
        """The id of the message it handled: the edge that leads here."""
        return ids.message_id(self.run_id, self.parent, self.place)

    @property
    def seconds(self) -> float | None:
        """Running time of the last attempt; None if the handler was not called, or is not done."""
        if self.started is None or self.ended is None or not self.attempts:
            return None
        return max(0.0, self.ended - self.started)

    @property
    def error(self) -> str | None:
        """`type: message` of the failure, if there was one."""
        return f"{self.failure.type}: {self.failure.message}" if self.failure else None


def settled(run_id: str, node: Node) -> TreeNode:
    """The view of a row of the tree."""
    fields = (run_id, *node[:5], DISPOSITIONS[node.disposition], *node[6:-1])
    return make(TreeNode, (*fields, price(node.cost)))


def unsettled(run_id: str, node: OpenNode) -> TreeNode:
    """The view of a delivery that has not ended."""
    return TreeNode(run_id, *node)
