"""Budgets as people see them: what may be spent, what was, and what is left of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.state.joins import scopes_of
from dagger.words.budget import Amounts, Budget, told, units
from dagger.words.effects import make
from dagger.words.ids import message_id

if TYPE_CHECKING:
    from dagger.state.budgets import Account
    from dagger.state.run import Run


class MessageBudget(NamedTuple):
    """The budget of one message: of all that descends from it."""

    message: str
    """The id of the message."""
    channel: str
    """Where it was published."""
    agent: str
    """Who published it with this budget; "" is the outside world."""
    within: str
    """The id of the nearest message around it that has a budget; "" for the run itself."""
    limits: Budget
    """As they were given."""
    used: Budget
    """Seconds since it was published: to the last end of anything that descends from it, or to
    now.
    """
    left: Budget
    """What its descendants may still spend: of it, and of all budgets around it."""


class RunBudget(NamedTuple):
    """The budget of a run, and those of its messages."""

    limits: Budget
    """`max_tokens`, `max_cost` and `max_messages`; seconds are those of `timeout`, or until the
    `deadline` where that comes first. None where there is no limit.
    """
    used: Budget
    """Seconds since the run began, as in `report.seconds`: of a `timeout`, only those in which
    it was active count.
    """
    left: Budget
    """What may still be spent. None where there is no limit."""
    messages: tuple[MessageBudget, ...]
    """Budgets of messages, oldest first: the last of many, and those still drawn on."""
    total: int
    """How many budgets of messages there were."""


class Standing(NamedTuple):
    """The account of one message as it stood at one instant."""

    message: tuple[int, int]
    """Its parent and place."""
    id: str
    channel: str
    agent: str
    above: tuple[int, int] | None
    limits: Amounts
    used: Amounts


class Copy(NamedTuple):
    """What a run had spent at one instant, and its messages, in values that nothing changes."""

    limits: dict[str, Any]
    used: Amounts
    accounts: list[Standing]
    total: int


def copied(run: Run, now: float) -> Copy:
    """What a run has spent until an instant (epoch seconds), or its end."""
    seconds = max(0.0, (now if run.ended_at is None else run.ended_at) - run.opened_at)
    used = make(Amounts, (run.tokens, run.cost, run.messages, seconds))
    if run.accounts is None:
        return make(Copy, (run.limits, used, [], 0))
    open = {scope for each in run.deliveries.values() for scope in scopes_of(each)}
    found = [
        _standing(each, now if each.scope in open else each.until)
        for each in run.accounts.kept(run)
    ]
    return Copy(run.limits, used, found, run.accounts.opened)


def _standing(account: Account, till: float) -> Standing:
    seconds = max(0.0, till - account.opened_at)
    used = Amounts(account.tokens, account.cost, account.messages, seconds)
    message = account.parent, account.place
    fields = account.id, account.channel, account.agent, account.above, account.limits, used
    return Standing(message, *fields)


def run_budget(run_id: str, opened_at: float, copy: Copy) -> RunBudget:
    """The budgets of a run as they stood."""
    limits = _limits(copy.limits, opened_at)
    left = _left(limits, copy.used)
    lefts: dict[tuple[int, int] | None, Amounts] = {}
    messages: list[MessageBudget] = []
    for each in copy.accounts:  # what is around a message is before it
        own = _left(each.limits, each.used)
        lefts[each.message] = Amounts(*map(_least, own, lefts.get(each.above, left)))
        messages.append(_message_budget(run_id, each, lefts[each.message]))
    may, spent, rest = told(limits), told(copy.used), told(left)
    return RunBudget(may, spent, rest, tuple(messages), copy.total)


def _message_budget(run_id: str, account: Standing, left: Amounts) -> MessageBudget:
    return MessageBudget(
        account.id or message_id(run_id, *account.message),
        account.channel,
        account.agent,
        "" if account.above is None else message_id(run_id, *account.above),
        *(told(each) for each in (account.limits, account.used, left)),
    )


def _limits(given: dict[str, Any], opened_at: float) -> Amounts:
    cost, seconds = given.get("max_cost"), given.get("timeout")
    if "deadline" in given:
        seconds = _least(seconds, max(0.0, given["deadline"] - opened_at))
    tokens, messages = _whole(given.get("max_tokens")), _whole(given.get("max_messages"))
    return Amounts(tokens, None if cost is None else units(cost), messages, seconds)


def _whole(limit: float | None) -> int | None:
    """What fits into a limit that somebody gave with a fraction."""
    return None if limit is None else int(limit)


def _left(limits: Amounts, used: Amounts) -> Amounts:
    return Amounts(*map(_rest, limits, used))


def _rest(limit: Any, used: Any) -> Any:
    return None if limit is None else max(0, limit - used)


def _least(one: Any, other: Any) -> Any:
    return min((each for each in (one, other) if each is not None), default=None)


def to_dict(budget: RunBudget) -> dict[str, Any]:
    """The same as plain JSON data."""
    return {
        "limits": asdict(budget.limits),
        "used": asdict(budget.used),
        "left": asdict(budget.left),
        "messages": [
            {
                name: asdict(each) if isinstance(each, Budget) else each
                for name, each in one._asdict().items()
            }
            for one in budget.messages
        ],
        "total": budget.total,
    }
