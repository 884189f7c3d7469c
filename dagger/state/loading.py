"""Loading: from the parts of a snapshot back to a state, row by row.

What comes out is what folding the journal up to that position gives: every delivery is
pending again in its queue, or waits if a retry of it is due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dagger.state.budgets import Account
from dagger.state.cache import Cache, Entry, Link
from dagger.state.codes import codes_of
from dagger.state.joins import rejoin, restore
from dagger.state.parts import (
    AccountRow,
    AccountsRow,
    AgentRow,
    AnswerRow,
    CacheRow,
    ChannelRow,
    ClaimRow,
    DeliveryRow,
    EntryRow,
    FailureRow,
    ItemRow,
    LaneRow,
    LeadRow,
    NameRow,
    NodesRow,
    NoteRow,
    RunRow,
    StreamRow,
    TaskRow,
    TokensRow,
    TreeRow,
    WorldRow,
    unpack,
)
from dagger.state.queues import (
    HELD,
    WAITING,
    Answer,
    Bond,
    Channel,
    Delivery,
    Envelope,
    Lane,
    Subscriber,
)
from dagger.state.repeats import First, claimed
from dagger.state.run import DeadLetter, Output, Question, Run
from dagger.state.schedules import Schedule
from dagger.state.streams import Stream
from dagger.state.tasks import Task
from dagger.state.tokens import Bucket
from dagger.state.tree import renamed
from dagger.words.budget import Amounts
from dagger.words.effects import as_publication
from dagger.words.joins import Join
from dagger.words.outcomes import RunStatus, TaskStatus
from dagger.words.records import Failure, Flow, Remembered

if TYPE_CHECKING:
    from dagger.state.state import State


def load_world(state: State, blob: bytes) -> None:
    """Part 0 of a snapshot, into a fresh state; its position is for the caller to set.

    Raises WrittenByNewer.
    """
    _load(state, blob)


def position_of(blob: bytes) -> int:
    """The position of the snapshot that part 0 is of; 0 if an older version wrote it."""
    first = next(unpack(blob), None)
    return first.position if isinstance(first, WorldRow) else 0


def load_run(state: State, blob: bytes, number: int = 0) -> Run:
    """One run, into a state whose world is loaded already: of the same position or a later one.

    `number` is given to a run that has another one in its part. Runs may be loaded in any
    order: `state.runs` and the rotation of each agent will have that order. Raises
    WrittenByNewer.
    """
    return _load(state, blob, number).run


class _Loading:
    """A state, and what the rows so far mean for those to come."""

    cache: Cache
    run: Run
    envelope: Envelope
    delivery: Delivery

    def __init__(self, state: State, number: int) -> None:
        self.state = state
        self.number = number  # of the run; 0 for that of its part
        self.items: list[bytes] = []  # appended to the next entry, the latest first
        self.names: list[int] = []  # of the part's own names, what they are here
        self.tallies: dict[tuple[str, str], list[int]] = {}  # by channel and agent
        self.joins = False  # whether the run has any


def _load(state: State, blob: bytes, number: int = 0) -> _Loading:
    loading = _Loading(state, number)
    for row in unpack(blob):
        _FOLDS[type(row)](loading, row)
    if loading.joins:
        rejoin(loading.run)
    return loading


def _world(loading: _Loading, row: WorldRow) -> None:
    loading.state.next_run = row.next_run
    loading.state.commands = row.commands


def _name(loading: _Loading, row: NameRow) -> None:
    loading.names.append(loading.state.names.number(row.name))


def _agent(loading: _Loading, row: AgentRow) -> None:
    state = loading.state
    join = None if row.join is None else Join(*row.join)
    state.subscribers[row.name] = Subscriber(*row._replace(join=join))
    state.rewired()
    state.codes = codes_of(state.subscribers)


def _channel(loading: _Loading, row: ChannelRow) -> None:
    channel = loading.state.channels[row.name] = Channel(row.name, row.created_at)
    channel.closed = row.closed
    channel.forgotten, channel.dropped = row.forgotten, row.dropped


def _cache(loading: _Loading, row: CacheRow) -> None:
    loading.cache = loading.state.shared if row.shared else loading.run.cache
    loading.cache.writes = row.writes


def _item(loading: _Loading, row: ItemRow) -> None:
    loading.items.append(row.blob)


def _entry(loading: _Loading, row: EntryRow) -> None:
    last = None
    for blob in reversed(loading.items):
        last = Link(blob, last)
    loading.items.clear()
    loading.cache.put(row.namespace, row.key, Entry(row.version, row.blob, last))


_AS_IT_IS = (
    *("ended_at", "reason", "on_hold", "next", "outside", "brought", "bytes", "retries"),
    *("dropped", "tokens", "abandoned", "letters", "forked", "changed"),
    *("reply", "cost"),
)


def _run(loading: _Loading, row: RunRow) -> None:
    state = loading.state
    opening = as_publication(row.opening)
    number = loading.number or row.number
    run = Run(number, row.id, opening, row.limits, row.opened_at, state.keep, state.names)
    for name in _AS_IT_IS:
        setattr(run, name, getattr(row, name))
    run.blamed = int(row.blamed)  # a bool once
    run.waits_told, run.waited = row.waits or None, row.waited
    run.status, run.target = RunStatus(row.status), RunStatus(row.target)
    run.codes = state.codes if row.codes == state.codes else row.codes  # most share one
    run.failure = row.failure and Failure(*row.failure)
    if row.unfilled or row.won:
        restore(run, row.unfilled, row.won)
    if run.letters:
        run.dead_letters = deque(maxlen=run.keep.dead_letters)
    state.runs[run.number] = loading.run = run
    state.run_numbers[run.id] = run.number
    if run.ended_at is None:
        state.open_runs += 1
        state.backlog += run.brought


def _accounts(loading: _Loading, row: AccountsRow) -> None:
    loading.run.accounting().opened = row.opened


def _account(loading: _Loading, row: AccountRow) -> None:
    account = Account(*row[:6], Amounts(*row.limits), row.opened_at)
    account.until, account.messages = row.until, row.messages
    account.tokens, account.cost = row.tokens, row.cost
    loading.run.accounting().put(account)


def _lane(loading: _Loading, row: LaneRow) -> None:
    """Its counts: whoever hears it will go on with them, see `State.lane`."""
    lane = loading.run.lanes[row.name] = Lane()
    lane.messages, lane.outputs = row.messages, row.outputs
    lane.retired = tuple((agent, list(tally)) for agent, tally in row.tallies)
    for agent, tally in lane.retired:
        loading.tallies[row.name, agent] = tally


def _message(loading: _Loading, row: Envelope) -> None:
    loading.envelope = _envelope(row)


def _delivery(loading: _Loading, row: DeliveryRow) -> None:
    """It is last in line, or waits until it is due."""
    run, envelope = loading.run, loading.envelope
    queue = run.queue(loading.state.subscribers[row.agent])
    tally = loading.tallies[envelope.publication.channel, row.agent]
    delivery = run.deliveries[row.number] = Delivery(row.number, envelope, queue, tally)
    delivery.attempts, delivery.due, delivery.deaths = row.attempts, row.due, row.deaths
    if row.lead:
        delivery.bond = Bond(max(row.lead, 0), (), row.scopes)
    if row.lead and row.lead != row.number:
        delivery.stage = HELD
    elif row.attempts or row.due:
        delivery.stage = WAITING
    else:
        queue.push(delivery)
    loading.joins = loading.joins or bool(row.lead or envelope.scopes)
    loading.delivery = delivery


def _answer(loading: _Loading, row: AnswerRow) -> None:
    loading.delivery.keep(row.name, row.key, Answer(row.value, row.digest, row.failed))


def _claim(loading: _Loading, row: ClaimRow) -> None:
    """It is still in flight; not so in a run that is another one now: that one's is its own."""
    if not loading.number:
        claimed(loading.state, loading.delivery, row.key)


def _first(loading: _Loading, row: First) -> None:
    publications = tuple(map(as_publication, row.publications))
    loading.state.repeats.keep(row._replace(publications=publications))


def _stream(loading: _Loading, row: StreamRow) -> None:
    loading.delivery.stream = Stream(Flow(*row))


def _output(loading: _Loading, row: Output) -> None:
    loading.run.put_out(row)


def _letter(loading: _Loading, row: DeadLetter) -> None:
    failure = Failure(*row.failure)
    kept = tuple(Remembered(*each) for each in row.kept)
    stream = row.stream and Flow(*row.stream)
    envelope = _envelope(row.envelope)
    letter = row._replace(envelope=envelope, failure=failure, kept=kept, stream=stream)
    if loading.run.dead_letters is not None:
        loading.run.dead_letters.append(letter)


def _question(loading: _Loading, row: Question) -> None:
    loading.run.ask(row)


_TASK_STATUS = {each.value: each for each in TaskStatus}


def _task(loading: _Loading, row: TaskRow) -> None:
    fields: dict[str, Any] = dict(zip(TaskRow._fields, row, strict=True))
    fields["status"] = _TASK_STATUS[row.status]
    loading.run.tasks.restore(Task(**fields))


def _tree(loading: _Loading, row: TreeRow) -> None:
    loading.run.tree.gone = row.gone


def _nodes(loading: _Loading, row: NodesRow) -> None:
    names = loading.names
    if names == list(range(len(names))):
        loading.run.tree.extend(row.nodes)
    else:
        loading.run.tree.extend(renamed(row.nodes, names))


def _failure(loading: _Loading, row: FailureRow) -> None:
    loading.run.tree.fail(row.delivery, Failure(*row.failure))


def _tokens(loading: _Loading, row: TokensRow) -> None:
    loading.run.tree.spend(*row)


def _note(loading: _Loading, row: NoteRow) -> None:
    loading.run.tree.note(row.delivery, row.text)


def _lead(loading: _Loading, row: LeadRow) -> None:
    loading.run.tree.join(*row)


def _schedule(loading: _Loading, row: Schedule) -> None:
    first = as_publication(row.first)
    loading.state.schedules[row.id] = row._replace(first=first)


def _bucket(loading: _Loading, row: Bucket) -> None:
    loading.state.tokens.buckets[row[:2]] = row


def _envelope(fields: Envelope) -> Envelope:
    """What was packed as one, with the right type within."""
    return Envelope(as_publication(fields[0]), *fields[1:])


_FOLDS: dict[type[Any], Callable[[_Loading, Any], None]] = {
    WorldRow: _world,
    NameRow: _name,
    AgentRow: _agent,
    ChannelRow: _channel,
    CacheRow: _cache,
    ItemRow: _item,
    EntryRow: _entry,
    RunRow: _run,
    LaneRow: _lane,
    Envelope: _message,
    DeliveryRow: _delivery,
    AnswerRow: _answer,
    Output: _output,
    DeadLetter: _letter,
    Question: _question,
    TaskRow: _task,
    TreeRow: _tree,
    NodesRow: _nodes,
    FailureRow: _failure,
    TokensRow: _tokens,
    NoteRow: _note,
    Schedule: _schedule,
    LeadRow: _lead,
    ClaimRow: _claim,
    First: _first,
    StreamRow: _stream,
    Bucket: _bucket,
    AccountsRow: _accounts,
    AccountRow: _account,
}
