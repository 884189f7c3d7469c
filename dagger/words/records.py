"""Records: one fact each. All state is a fold of them, live and after a crash.

A record says what was decided, never what should be decided: drops, ends and
retries are named in it, so that applying it needs no clock, no policy and no
user code. Runs are named by their number in the journal, deliveries by their
number in the run; number 0 of a run is the outside world.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dagger.words.effects import (
    CacheWrite,
    Effect,
    Publication,
    RepeatOf,
    Reply,
    TaskWrite,
)
from dagger.words.joins import Join


class Failure(NamedTuple):
    """Why an attempt failed: plain text only, so that it can be kept."""

    type: str
    """The name of the exception's class."""
    message: str
    """Its text."""
    path: str = ""
    """JSON path, where the failure is about a payload."""
    causes: tuple[str, ...] = ()
    """`type: message` of each cause, nearest first."""
    trace: str = ""
    """Where it was raised: "file:line in function"."""


ABANDONED = "Abandoned"
"""The failure type of an invocation that ignored its cancellation and was given up."""


CRASHED = "crashed_process"
"""The failure type of a delivery that the process died under too often."""


class AgentAdded(NamedTuple):
    name: str
    subscriptions: tuple[str, ...]
    hears_itself: bool
    at: float
    code: str = ""
    """Fingerprint of what it is, 12 hexadecimal digits; "" where none was taken."""
    join: Join | None = None
    """What it waits for, if it handles several messages together."""
    publishes: tuple[str, ...] = ()
    """Channels, or "*" for any."""
    cleans_up: bool = False
    """Whether it is told when its run is cancelled, and not ended."""


class AgentRemoved(NamedTuple):
    """It hears nothing more; running deliveries settle as they will."""

    name: str
    at: float


class ChannelOpened(NamedTuple):
    name: str
    at: float


class ChannelShut(NamedTuple):
    """Nothing can be published on it until it is opened again."""

    name: str
    at: float


class RunOpened(NamedTuple):
    run: int
    id: str
    limits: dict[str, Any]
    """Those that are set: max_messages, max_tokens, max_cost, timeout (s), deadline (epoch s),
    and reply_within (s), for a run that begins with a request.
    """
    first: Publication
    at: float


class Quieted(NamedTuple):
    """Nothing moves the run any more, and nobody will bring anything into it: what was held for
    want of other parts is handled as it is, or never will be.
    """

    run: int
    at: float


class BatchDue(NamedTuple):
    """A part of a batch has waited for others long enough."""

    run: int
    delivery: int
    at: float


class Published(NamedTuple):
    """A publication from outside into an open run."""

    run: int
    publication: Publication
    dropped: tuple[int, ...]
    blame: bool
    """True if what it drops makes the run fail."""
    at: float


class Settled(NamedTuple):
    """The end of one delivery: acknowledged, and every effect applied with it."""

    run: int
    delivery: int
    disposition: int
    attempt: int
    """Attempts made, 0 where the handler was never called."""
    started: float
    """When the last attempt started, epoch seconds."""
    ended: float
    failure: Failure | None
    effects: tuple[Effect, ...]
    dropped: tuple[int, ...]
    """Deliveries that these effects push out of full queues, oldest first."""
    blame: bool
    """True if this end, or what it drops, makes the run fail."""


class Swept(NamedTuple):
    """Deliveries that end together without being handled: cancelled or discarded."""

    run: int
    deliveries: tuple[int, ...]
    disposition: int
    at: float


class AttemptFailed(NamedTuple):
    """A failed attempt that will be tried again at `due` (epoch seconds)."""

    run: int
    delivery: int
    attempt: int
    started: float
    ended: float
    failure: Failure
    due: float


class Kept(NamedTuple):
    """The answer of a step, sleep, question or request: kept across attempts."""

    run: int
    delivery: int
    """0 for the request that the run was begun with: its reply is the run's."""
    name: str
    key: str
    value: bytes
    at: float
    digest: str = ""
    """Of what a step was given; "" where nothing was."""
    failed: bool = False
    """True if it is a failure, which the next attempt forgets."""
    by: str = ""
    """Who answered a question, where that is known: AUTOPILOT, if nobody did in time."""


BASE = "base"
"""The name under which it is kept what an invocation goes on from (see Condensed)."""

LATE = "request late"
"""The name under which it is kept that the time of a request is over, and its end waited for."""

CANCEL, OVER = "cancel", "over"
"""The name under which an invocation that cleans up is told to: with the key "", and once the
time for it is over with OVER.
"""

AUTOPILOT = "autopilot"
"""Takes the default of a question that nobody answers in time."""


class Flow(NamedTuple):
    """What is remembered of an invocation's stream (see `dagger.state.streams`)."""

    attempt: int
    """The latest that has said something new."""
    sent: int
    """Messages published for it, in all attempts."""
    items: bytes = b""
    """Digest and place of each item, 12 bytes."""


class Remembered(NamedTuple):
    """What was kept of one answer, for a delivery that goes on after all."""

    name: str
    key: str
    value: bytes
    digest: str = ""


class Asked(NamedTuple):
    """A question put to people; its answer comes as Kept under ("ask", name)."""

    run: int
    delivery: int
    name: str
    question: bytes
    at: float
    schema: bytes = b""
    """What an answer has to be, as an encoded JSON Schema; empty for anything."""
    to: str = ""
    """Whom it is for; "" for everybody."""
    due: float = 0.0
    """When it is overdue, epoch seconds; 0 for never."""
    default: bytes = b""
    """What is taken for an answer where nobody gives one; empty for nothing."""
    action: str = ""
    """What becomes of it when it is overdue: "autopilot" or "pause"."""
    guarded: bool = False
    """True if the handler checks answers itself, besides the schema."""


class Requested(NamedTuple):
    """A request published at once; its reply comes as an effect of who answers."""

    run: int
    delivery: int
    key: str
    publication: Publication
    place: int
    dropped: tuple[int, ...]
    blame: bool
    at: float


class Streamed(NamedTuple):
    """An item of a stream, published at once."""

    run: int
    delivery: int
    attempt: int
    item: int
    """Its index within the attempt."""
    mark: bytes
    """The digest of what it says, 8 bytes."""
    publication: Publication
    place: int
    restarted: bool
    """True if an earlier attempt had said something else there: that, and what followed, is
    void."""
    dropped: tuple[int, ...]
    blame: bool
    at: float


class Retracted(NamedTuple):
    """An invocation ends with fewer items than were streamed before: the others are void."""

    run: int
    delivery: int
    length: int
    """Items that stay."""
    at: float


class Spent(NamedTuple):
    run: int
    delivery: int
    tokens: int
    cost: int = 0
    """In billionths."""


class Emitted(NamedTuple):
    """A value shown to watchers alone, which older versions wrote."""

    run: int
    delivery: int
    place: int
    payload: bytes
    at: float


class Logged(NamedTuple):
    run: int
    delivery: int
    level: int
    """A number of the standard logging module."""
    text: str
    at: float


class Wrote(NamedTuple):
    """Cache and task changes that take effect at once: leases, and writes from outside."""

    run: int
    """0 for the shared cache."""
    effects: tuple[Effect, ...]


class RunCancelling(NamedTuple):
    """From here on the run only winds down, towards the terminal `status`."""

    run: int
    status: str
    reason: str
    at: float


class RunEnded(NamedTuple):
    run: int
    status: str
    reason: str
    at: float


class RunsForgotten(NamedTuple):
    """Ended runs are no longer kept."""

    runs: tuple[int, ...]


class LetterDiscarded(NamedTuple):
    """A dead letter is no longer kept; it stays counted."""

    run: int
    delivery: int


class Redriven(NamedTuple):
    """A dead letter is a pending delivery again: as if it had never ended, at its first attempt.

    It says all there is to know of it: who folds it need not have kept the letter.
    """

    run: int
    delivery: int
    agent: str
    disposition: int
    """How it had ended, which is taken back."""
    publication: Publication
    """The message, as it is handled from now on."""
    parent: int
    place: int
    publisher: str
    """The agent that published it; "" is the outside world."""
    cause: tuple[int, int] | str | None
    published: float
    """When it was published, epoch seconds."""
    kept: tuple[Remembered, ...]
    """The answers that it was given, but for those that had failed."""
    pardon: bool
    """True if its end made the run fail: that is taken back as well."""
    at: float
    scopes: tuple[tuple[int, int, str], ...] = ()
    """What the message descends from, as far as joins ask for it (see `state.joins`)."""
    stream: Flow | None = None
    """What it had streamed."""


class Restarted(NamedTuple):
    """An open run goes on in another executor: what was leased is free again."""

    run: int
    died: tuple[int, ...]
    """Deliveries that were in hand when the process died; none if it ended in order."""
    at: float
    changed: tuple[str, ...] = ()
    """Agents that are other code now than when the run was begun, or last went on."""


class RunPaused(NamedTuple):
    """Nothing of the run is taken until it is resumed."""

    run: int
    reason: str
    at: float


class RunResumed(NamedTuple):
    run: int
    at: float


class RunForked(NamedTuple):
    """A new run that begins as another one was when a message was published in it."""

    run: int
    id: str
    parent: str
    """The id of the other run."""
    message: str
    """The id of that message."""
    part: bytes
    """The new run as it begins, as a part of a snapshot (see `dagger.state.parts`)."""
    at: float


class CommandTaken(NamedTuple):
    """A command of another process, and all before it, have been carried out or refused."""

    number: int
    refusal: str = ""
    """Why it was not carried out; "" if it was."""


class Scheduled(NamedTuple):
    """A schedule is there, or is another one from now on."""

    id: str
    when: dict[str, Any]
    """Its slots, as `dagger.rules.recurrence` says them."""
    first: Publication
    """What each of its runs begins with."""
    policy: dict[str, Any]
    """What becomes of slots that are missed, as `dagger.rules.misfire` says it."""
    overlap: str
    """What a slot does while the run of the one before is open: "skip", "queue", "cancel_old"."""
    limits: dict[str, Any]
    """Those of its runs, as in RunOpened."""
    last: float
    """No slot up to here is one of it."""
    at: float


class Unscheduled(NamedTuple):
    """There are no more slots of it."""

    id: str
    at: float


class ScheduleHeld(NamedTuple):
    """It fires nothing until it is let go of; slots meanwhile are missed."""

    id: str
    held: bool
    at: float


class SlotsDone(NamedTuple):
    """Slots of a schedule have been dealt with: fired, skipped, or put in line."""

    id: str
    last: float
    """The newest of them."""
    run: str
    """The id of the run that one of them has started; "" for none."""
    skipped: int
    """How many are not fired, now or later."""
    waiting: tuple[int, ...]
    """Slots that wait for the end of the run before."""
    at: float


class KeyClaimed(NamedTuple):
    """A delivery is the first of its idempotency key: others wait for how it ends."""

    run: int
    delivery: int
    key: str
    at: float


class KeysForgotten(NamedTuple):
    """What was handled under these idempotency keys is not known any more."""

    keys: tuple[tuple[str, str], ...]
    """Agents and keys."""
    at: float


class TokenTaken(NamedTuple):
    """An invocation has begun that a rate limit counts, or a throttle."""

    limit: str
    """The limit, by name."""
    key: str
    full: float
    """When its bucket will be full again, epoch seconds, if no more are taken."""
    at: float


class Waits(NamedTuple):
    """Deliveries have waited for their turn for some time: told, so that others may know."""

    run: int
    deliveries: tuple[int, ...]
    what: str
    """What there is not enough of."""
    since: float
    """The longest of them, epoch seconds."""
    at: float


class Condensed(NamedTuple):
    """An invocation goes on from a value: the replies that came to it are not kept any more."""

    run: int
    delivery: int
    key: str
    """Which value of the invocation it is; a later one of the key takes its place."""
    value: bytes
    left: tuple[str, ...]
    """Keys of requests that are not in the value yet, and are still kept."""
    at: float


class WaitOver(NamedTuple):
    """It is the turn of a delivery of which it was told that it waits."""

    run: int
    delivery: int
    at: float


Record = (
    AgentAdded
    | AgentRemoved
    | ChannelOpened
    | ChannelShut
    | RunOpened
    | Published
    | Settled
    | Swept
    | AttemptFailed
    | Kept
    | Asked
    | Requested
    | Spent
    | Emitted
    | Logged
    | Wrote
    | RunCancelling
    | RunEnded
    | RunsForgotten
    | LetterDiscarded
    | Restarted
    | RunPaused
    | RunResumed
    | CommandTaken
    | RunForked
    | Scheduled
    | Unscheduled
    | ScheduleHeld
    | SlotsDone
    | Quieted
    | BatchDue
    | Redriven
    | KeyClaimed
    | KeysForgotten
    | Streamed
    | Retracted
    | TokenTaken
    | Waits
    | WaitOver
    | Condensed
)

# The position in these tables is the number on disk: append, never reorder.
RECORDS: tuple[type[Any], ...] = (
    AgentAdded,
    AgentRemoved,
    ChannelOpened,
    ChannelShut,
    RunOpened,
    Published,
    Settled,
    Swept,
    AttemptFailed,
    Kept,
    Asked,
    Requested,
    Spent,
    Emitted,
    Logged,
    Wrote,
    RunCancelling,
    RunEnded,
    RunsForgotten,
    LetterDiscarded,
    Restarted,
    RunPaused,
    RunResumed,
    CommandTaken,
    RunForked,
    Scheduled,
    Unscheduled,
    ScheduleHeld,
    SlotsDone,
    Quieted,
    BatchDue,
    Redriven,
    KeyClaimed,
    KeysForgotten,
    Streamed,
    Retracted,
    TokenTaken,
    Waits,
    WaitOver,
    Condensed,
)
EFFECTS: tuple[type[Any], ...] = (Publication, CacheWrite, TaskWrite, Reply, RepeatOf)

WIRING = 0
"""The `run_of` records that every run needs to be understood: who hears what."""

WORLD = 2**32 - 1
"""The `run_of` records that belong to no run: once folded, they are of no use."""

_WIRING = frozenset({AgentAdded, AgentRemoved, ChannelOpened, ChannelShut})
_WORLD = frozenset(
    {
        *(RunsForgotten, CommandTaken, Scheduled, Unscheduled, ScheduleHeld, SlotsDone),
        *(KeysForgotten, TokenTaken),
    }
)


def run_of(record: Record) -> int:
    """The number of the run that a record belongs to, or WIRING, or WORLD."""
    kind = type(record)
    if kind is Settled:  # most of what is written
        return record[0]  # type: ignore[return-value]
    if kind in _WIRING:
        return WIRING
    if kind in _WORLD:
        return WORLD
    run: int = record[0]  # type: ignore[assignment]
    return run or WORLD  # 0 is written for the shared cache
