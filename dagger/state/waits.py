"""Folds of what goes on within an invocation: failed attempts, kept answers, requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.state import budgets
from dagger.state.queues import (
    PENDING,
    SECOND_HAND,
    WAITING,
    Answer,
    Delivery,
)
from dagger.state.run import Question, Run
from dagger.words.effects import (
    FROM_OUTSIDE,
    REPLY_TO,
    Effect,
    Publication,
    Reply,
)
from dagger.words.outcomes import Disposition
from dagger.words.payload import encode
from dagger.words.records import (
    AUTOPILOT,
    Asked,
    AttemptFailed,
    Condensed,
    Emitted,
    Failure,
    Kept,
    Logged,
    Restarted,
    Spent,
    WaitOver,
    Waits,
)
from dagger.words.replies import unanswered, unheard

if TYPE_CHECKING:
    from dagger.state.state import State

_DUPLICATE = int(Disposition.DUPLICATE)


def attempt_failed(state: State, record: AttemptFailed) -> None:
    """The delivery waits for its next attempt; what it claimed is free again."""
    run = state.runs[record.run]
    delivery = run.deliveries[record.delivery]
    delivery.attempts = record.attempt
    delivery.due = record.due
    delivery.ask_again()
    if delivery.stage == PENDING:  # no worker has taken it: it was another process that tried
        delivery.queue.depth -= 1
        delivery.queue.pending.remove(delivery)
    delivery.stage = WAITING
    run.retries += 1
    if run.failure is None:
        run.failure = record.failure
    if run.task_fold is not None:
        run.task_fold.release(record.delivery, record.ended)


def kept(state: State, record: Kept) -> None:
    """An answer that later attempts will get back."""
    run = state.runs[record.run]
    if not record.delivery:
        run.answer(record.value)
        return
    told = Answer(record.value, record.digest, record.failed)
    run.deliveries[record.delivery].keep(record.name, record.key, told)
    if record.name == "ask":
        run.answered(record.delivery, record.key)
        if record.by == AUTOPILOT:
            run.tree.note(record.delivery, f"default for {record.key!r}")


def condensed(state: State, record: Condensed) -> None:
    """What came to it so far is in a value that it goes on from."""
    delivery = state.runs[record.run].deliveries[record.delivery]
    delivery.condense(record.key, record.value, frozenset(record.left))


def asked(state: State, record: Asked) -> None:
    """A question is open."""
    run = state.runs[record.run]
    run.ask(Question(*record[1:]))


def answer(
    run: Run,
    delivery: Delivery,
    disposition: int,
    failure: Failure | None = None,
    effects: tuple[Effect, ...] = (),
) -> None:
    """Answer the request that `delivery` was, whatever became of it: nobody waits for ever.

    Of several hearers the first to end answers (see `dagger.words.replies`).
    """
    envelope = delivery.envelope
    for each in effects:
        if type(each) is Reply:
            by = SECOND_HAND if disposition == _DUPLICATE else ""
            _answered(run, envelope.publication, envelope.place, Answer(each.value, by))
            return
    refusal = unanswered(delivery.queue.subscriber.name, disposition, failure)
    _answered(run, envelope.publication, envelope.place, Answer(refusal, failed=True))


def nobody_heard(run: Run, publication: Publication, place: int) -> None:
    """Answer a request that goes to no agent."""
    _answered(run, publication, place, Answer(unheard(), failed=True))


def _answered(run: Run, request: Publication, place: int, reply: Answer) -> None:
    """Keep a reply, unless whoever asked has settled meanwhile, or asks anew."""
    if FROM_OUTSIDE in request.headers:
        run.answer(reply.value)
        return
    number, _, key = dict(request.headers)[REPLY_TO].partition("/")
    asker = run.deliveries.get(int(number))
    if asker is None or not asker.kept:
        return
    if asker.kept.get(("requested", key)) == Answer(encode(place)):
        asker.keep("request", key, reply)


def spent(state: State, record: Spent) -> None:
    """Tokens and cost: of the run, of the node, and of the budgets that it draws on."""
    run, number, tokens, cost = state.runs[record.run], *record[1:]
    run.tokens += tokens
    run.cost += cost
    run.tree.spend(number, tokens, cost)
    budgets.spent(run, run.deliveries.get(number), tokens, cost)


def seen(state: State, record: Emitted | Logged) -> None:
    """Only told to watchers: nothing of it is remembered here."""


def waits(state: State, record: Waits) -> None:
    """It is known what they wait for."""
    run = state.runs[record.run]
    for number in record.deliveries:
        run.deliveries[number]  # raises for one that is not there
    known = run.waits_told
    if known is None:
        known = run.waits_told = {}
    told = record.what, record.since
    known.update(dict.fromkeys(record.deliveries, told))


def wait_over(state: State, record: WaitOver) -> None:
    """It has waited for so long, and waits no more."""
    run = state.runs[record.run]
    delivery = run.deliveries[record.delivery]
    told = (run.waits_told or {}).pop(delivery.number, None)
    if told is not None:
        what, since = told
        count, seconds = run.waited.get(what, (0, 0.0))
        run.waited = {**run.waited, what: (count + 1, seconds + max(0.0, record.at - since))}


def restarted(state: State, record: Restarted) -> None:
    """Nothing is in hand any more: what was claimed is free, and who died with it is noted.

    Where agents have changed, the run goes on under the code of now.
    """
    run = state.runs[record.run]
    run.waits_told = None
    if record.changed:
        run.changed = tuple(sorted({*run.changed, *record.changed}))
        run.codes = state.codes
    for number in record.died:
        run.deliveries[number].deaths += 1
    if run.task_fold is not None:
        for number in run.deliveries:
            run.task_fold.release(number, record.at)
