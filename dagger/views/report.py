"""The report: the result of one run, as it stood at one instant.

`make_report` copies counts and references, so that a report of a small run costs
next to nothing; payloads are decoded and views made when they are first looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

from dagger.state import run as state
from dagger.state.queues import STAGES, Delivery
from dagger.state.run import Run
from dagger.state.tasks import Task, created
from dagger.state.tree import Node
from dagger.views import budgets, conservation, summary
from dagger.views.budgets import RunBudget
from dagger.views.letters import DeadLetter, dead_letter, failure_to_dict
from dagger.views.nodes import OpenNode, OutputEdge
from dagger.views.questions import OpenQuestion, open_question
from dagger.views.resources import Allocation, allocation_to_dict
from dagger.views.tree import ExecutionTree
from dagger.views.waiting import Reason, Waiting, waiting
from dagger.words.budget import Budget, told
from dagger.words.errors import RequestFailed
from dagger.words.outcomes import DISPOSITIONS, RunStatus, TaskStatus
from dagger.words.payload import decode
from dagger.words.records import Failure
from dagger.words.replies import opened


class AgentCounts(NamedTuple):
    """What one agent was given in a run: `delivered` is the dispositions plus `open`."""

    delivered: int
    """Deliveries it was given."""
    dispositions: dict[str, int]
    """How many deliveries ended so, by disposition; none that is zero."""
    open: int
    """Deliveries that are pending, running or waiting."""
    retries: int
    """Attempts beyond each delivery's first, as far as the tree keeps its node."""


class ChannelCounts(NamedTuple):
    """What went over one channel in a run: each message once to every agent that hears it."""

    messages: int
    """Messages published on it."""
    outputs: int
    """Messages that no agent heard: results of the run."""
    delivered: int
    """Deliveries that these made, to all agents together."""
    dispositions: dict[str, int]
    """How many of those ended so, by disposition; none that is zero."""
    open: int
    """Those that are pending, running or waiting."""


class OpenTask(NamedTuple):
    """A task that is neither Completed nor Failed."""

    id: str
    """The id of the task."""
    type: str
    """Its type, as whoever added it said."""
    status: str
    """"Pending" or "InProgress"."""
    attempts: int
    """How often it was begun."""
    claimed_by: str | None
    """The agent that has it in hand, or had it last; None if nobody had."""


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The result of one run: how it ended, what it counted, and what it leaves behind.

    A run that is still open has a report too, of the instant at which it was made:
    its `ended` is None. `print(report)` is a summary for people, `to_dict()` is for
    programs. Lists keep the last of many; their totals count all.
    """

    run_id: str
    """The id of the run."""
    status: RunStatus
    """Where it stands, or how it has ended."""
    reason: str
    """Why it ended so, where there is more to say than its status."""
    started: float
    """Epoch seconds."""
    ended: float | None
    """Epoch seconds; None while the run is open."""
    seconds: float
    """Wall time from the start to the end, or to when the report was made."""
    messages: int
    """Messages published in the run."""
    handled: int
    """Deliveries that ended, one way or another."""
    dropped: int
    """Deliveries pushed out of full queues."""
    retries: int
    """Failed attempts that were given another one."""
    tokens: int
    """Tokens that its handlers have spent."""
    dead_letters_total: int
    """Messages that an agent rejected, or failed on for good."""
    error: Failure | None
    """The first failure of the run, with its causes; also of an attempt that was retried."""
    abandoned: tuple[str, ...]
    """Node ids of invocations that ignored their cancellation and were given up."""
    changed: tuple[str, ...]
    """Agents that the run went on with under other code than it was begun with."""
    waited: Mapping[str, tuple[int, float]]
    """By what there was not enough of: how many invocations have waited for their turn for over
    a second, and for how many seconds together."""
    conserved: bool
    """Whether all counts add up: a run whose counts do not is an error, not a report."""
    _copy: _Copy

    def __repr__(self) -> str:
        return f"<Report of run {self.run_id!r}: {self.status}, {self.messages} messages>"

    def __str__(self) -> str:
        return summary.text(self)

    @property
    def ok(self) -> bool:
        """Whether the run has completed."""
        return self.status is RunStatus.COMPLETED

    @cached_property
    def spent(self) -> Budget:
        """What the run has spent: its tokens, their cost, its messages, and its seconds."""
        return told(self._copy.budgets.used)

    @cached_property
    def budget(self) -> RunBudget:
        """What it may spend, and what of that is left; so of its messages that have a budget."""
        return budgets.run_budget(self.run_id, self.started, self._copy.budgets)

    @cached_property
    def agents(self) -> Mapping[str, AgentCounts]:
        """Counts by agent, in the order in which they were first heard of."""
        rows: dict[str, list[tuple[int, ...]]] = {}
        for agent, _, tally in self._copy.tallies:
            rows.setdefault(agent, []).append(tally)
        again = self._retries()
        return {agent: AgentCounts(*_added(rows[agent]), again[agent]) for agent in rows}

    @cached_property
    def channels(self) -> Mapping[str, ChannelCounts]:
        """Counts by channel, in the order in which they were first used."""
        rows: dict[str, list[tuple[int, ...]]] = {}
        for _, channel, tally in self._copy.tallies:
            rows.setdefault(channel, []).append(tally)
        return {
            channel: ChannelCounts(messages, outputs, *_added(rows.get(channel, ())))
            for channel, messages, outputs in self._copy.lanes
        }

    @cached_property
    def dispositions(self) -> Mapping[str, int]:
        """How many deliveries ended so, by disposition; none that is zero."""
        return _added(tally for _, _, tally in self._copy.tallies)[1]

    @property
    def open(self) -> int:
        """Deliveries that are pending, running or waiting; 0 once the run has ended."""
        return len(self._copy.open)

    @cached_property
    def outputs(self) -> Mapping[str, list[Any]]:
        """Payloads that no agent heard, by channel, in the order of publication.

        The last ones of the run (`Config.keep_outputs`); `outputs_total` counts all.
        """
        return self._decoded()

    @cached_property
    def outputs_total(self) -> Mapping[str, int]:
        """How many outputs there were, by channel, the ones that are not kept included."""
        return {channel: outputs for channel, _, outputs in self._copy.lanes if outputs}

    @property
    def reply(self) -> Any:
        """The reply to the request that the run was begun with (`executor.request`); None
        where there is none, or not yet.
        """
        try:
            return opened("", self._copy.reply) if self._copy.reply else None
        except RequestFailed:
            return None

    @cached_property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Messages that were rejected or failed for good, oldest first.

        The last ones of the run (`Config.keep_dead_letters`); `dead_letters_total`
        counts all.
        """
        return tuple(dead_letter(self.run_id, each) for each in self._copy.letters)

    @cached_property
    def open_tasks(self) -> tuple[OpenTask, ...]:
        """Tasks that are neither Completed nor Failed, oldest first."""
        return tuple(
            OpenTask(each.id, each.type, each.status, each.attempts, each.claimed_by)
            for each in sorted(self._copy.tasks, key=created)
        )

    @cached_property
    def questions(self) -> tuple[OpenQuestion, ...]:
        """Questions that wait for people, oldest first."""
        agents = {node.delivery: node.agent for node in self._copy.open}
        return tuple(
            open_question(self.run_id, agents[each.delivery], each) for each in self._copy.questions
        )

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Invocations that wait, oldest first, and for what."""
        return self._copy.waiting

    @property
    def allocations(self) -> tuple[Allocation, ...]:
        """What invocations of the run have of resources and limits now, longest first.

        Known to the executor that runs them, and to nobody else.
        """
        return self._copy.allocations

    @cached_property
    def tree(self) -> ExecutionTree:
        """Who caused what: one node an invocation, one edge a message."""
        return ExecutionTree(
            self.run_id,
            self._copy.nodes,
            open=self._copy.open,
            outputs=self._edges(),
            forgotten=self._copy.forgotten,
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON data; of the tree, how many nodes it has."""
        return {
            "run_id": self.run_id,
            "status": str(self.status),
            "reason": self.reason,
            "started": self.started,
            "ended": self.ended,
            "seconds": self.seconds,
            "messages": self.messages,
            "handled": self.handled,
            "open": self.open,
            "dropped": self.dropped,
            "retries": self.retries,
            "tokens": self.tokens,
            "spent": asdict(self.spent),
            "budget": budgets.to_dict(self.budget),
            "conserved": self.conserved,
            "dispositions": dict(self.dispositions),
            "agents": {name: each._asdict() for name, each in self.agents.items()},
            "channels": {name: each._asdict() for name, each in self.channels.items()},
            "reply": self.reply,
            "outputs": self._decoded(),
            "outputs_total": dict(self.outputs_total),
            "error": failure_to_dict(self.error) if self.error else None,
            "dead_letters": [each.to_dict() for each in self.dead_letters],
            "dead_letters_total": self.dead_letters_total,
            "abandoned": list(self.abandoned),
            "changed": list(self.changed),
            "open_tasks": [each._asdict() for each in self.open_tasks],
            "questions": [each.to_dict() for each in self.questions],
            "waiting": [each._asdict() for each in self.waiting],
            "waited": {what: list(each) for what, each in self.waited.items()},
            "allocations": [allocation_to_dict(each) for each in self.allocations],
            "tree": {"nodes": self._copy.kept + self.open, "forgotten": self._copy.forgotten},
        }

    def _decoded(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {channel: [] for channel in self.outputs_total}
        for output in self._copy.outputs:
            found[output.channel].append(decode(output.payload))
        return found

    def _retries(self) -> Counter[str]:
        """Attempts beyond the first, by agent. Most runs have none: then no node is made."""
        found = Counter(self._copy.retried)
        for node in self.tree.nodes() if self.retries else ():
            found[node.agent] += max(0, node.attempts - 1)
        return found

    def _edges(self) -> Iterator[OutputEdge]:
        """Outputs as edges of the tree; of those not kept, who published them is unknown."""
        rest = Counter(self.outputs_total)
        for output in self._copy.outputs:
            rest[output.channel] -= 1
            yield OutputEdge(output.channel, output.parent, output.place)
        for channel, count in rest.items():
            if count:
                yield OutputEdge(channel, parent=-1, place=0, messages=count)


class _Copy(NamedTuple):
    """What a run held at one instant, in values that no later record changes."""

    tallies: list[tuple[str, str, tuple[int, ...]]]
    """Agent, channel, and their counts: delivered, then one for each disposition."""
    lanes: list[tuple[str, int, int]]
    """Channel, messages, outputs."""
    reply: bytes
    budgets: budgets.Copy
    open: list[OpenNode]
    retried: dict[str, int]
    """Attempts beyond the first of open deliveries, by agent."""
    outputs: tuple[state.Output, ...]
    letters: tuple[state.DeadLetter, ...]
    questions: tuple[state.Question, ...]
    waiting: tuple[Waiting, ...]
    allocations: tuple[Allocation, ...]
    tasks: list[Task]
    nodes: Iterator[Node]
    kept: int
    """How many nodes the tree keeps of what has ended."""
    forgotten: int


def make_report(
    run: Run,
    now: float,
    lines: Mapping[int, Reason] | None = None,
    allocations: tuple[Allocation, ...] = (),
) -> Report:
    """The report of a run at this instant, `now` in epoch seconds.

    `lines` and `allocations` are what only the executor knows: who stands in a line for what, by
    number of delivery, and what invocations have.

    Raises ConservationError where the counts of the run do not add up.
    """
    conservation.check(run)
    return Report(
        run_id=run.id,
        status=run.standing(),
        reason=run.reason or run.obstacle,
        started=run.opened_at,
        ended=run.ended_at,
        seconds=max(0.0, (now if run.ended_at is None else run.ended_at) - run.opened_at),
        messages=run.messages,
        handled=run.handled,
        dropped=run.dropped,
        retries=run.retries,
        tokens=run.tokens,
        dead_letters_total=run.letters,
        error=run.failure,
        abandoned=tuple(run.abandoned),
        changed=run.changed,
        waited=run.waited,
        conserved=True,
        _copy=_copied(run, now, waiting(run, now, lines or {}), allocations),
    )


def _copied(
    run: Run, now: float, waiting: tuple[Waiting, ...], allocations: tuple[Allocation, ...]
) -> _Copy:
    tree = run.tree
    return _Copy(
        tallies=[(*pair, tuple(tally)) for pair, tally in run.tallies.items() if tally[0]],
        lanes=[
            (name, lane.messages, lane.outputs) for name, lane in run.lanes.items() if lane.messages
        ],
        reply=run.reply,
        budgets=budgets.copied(run, now),
        open=[_open_node(each) for each in run.deliveries.values()],
        retried=_retried(run),
        outputs=run.kept_outputs(),
        letters=tuple(run.dead_letters or ()),
        questions=tuple(run.asked()),
        waiting=waiting,
        allocations=allocations,
        tasks=_open_tasks(run),
        nodes=tree.nodes(),
        kept=len(tree),
        forgotten=tree.forgotten,
    )


def _open_node(delivery: Delivery) -> OpenNode:
    envelope = delivery.envelope
    return OpenNode(
        delivery.number,
        envelope.parent,
        envelope.place,
        envelope.publication.channel,
        delivery.queue.subscriber.name,
        STAGES[delivery.stage],
    )


def _retried(run: Run) -> dict[str, int]:
    found: dict[str, int] = {}
    for delivery in run.deliveries.values() if run.retries else ():
        agent = delivery.queue.subscriber.name
        found[agent] = found.get(agent, 0) + delivery.attempts
    return found


def _open_tasks(run: Run) -> list[Task]:
    tasks = run.task_fold
    if tasks is None:
        return []
    return [*tasks.of_status(TaskStatus.PENDING), *tasks.of_status(TaskStatus.IN_PROGRESS)]


def _added(rows: Iterable[tuple[int, ...]]) -> tuple[int, dict[str, int], int]:
    """The sum of some tallies: delivered, by disposition, and open, which is the rest."""
    delivered, *ends = [sum(column) for column in zip(*rows, strict=True)] or [0]
    found = {name: count for name, count in zip(DISPOSITIONS, ends, strict=False) if count}
    return delivered, found, delivered - sum(ends)
