"""Budgets as people see them: what may be spent, what was, and what is left of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.state.joins import scopes_of
from dagger.words.budget import Amounts, Budget, told, units
from dagger.words.ids import message_id

if TYPE_CHECKING:
    from dagger.state.budgets import Account
    from dagger.state.run import Run


class MessageBudget(NamedTuple):
    """The budget of one message: of all that descends from it."""

    message: str
    """The id of the message."""
    channel: str
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
    messages: tuple[MessageBudget, ...]
    """Budgets of messages, oldest first: the last of many, and those still drawn on."""
    total: int
    """How many budgets of messages there were."""


def run_budget(run: Run, now: float) -> RunBudget:
    """The budgets of a run at an instant (epoch seconds)."""
    limits, used = _limits(run), spent(run, now)
    left = _left(limits, used)
    if run.accounts is None:
        return RunBudget(told(limits), told(used), told(left), (), 0)
    open = {scope for each in run.deliveries.values() for scope in scopes_of(each)}
    found: dict[tuple[int, int] | None, tuple[Amounts, MessageBudget]] = {}
    for account in run.accounts.kept(run):
        till = now if account.scope in open else account.until
        around = found.get(account.above)
        known = _message_budget(run, account, till, left if around is None else around[0])
        found[account.parent, account.place] = known
    messages = tuple(each for _, each in found.values())
    return RunBudget(told(limits), told(used), told(left), messages, run.accounts.opened)


def spent(run: Run, now: float) -> Amounts:
    """What a run has spent until an instant, or its end."""
    seconds = max(0.0, (now if run.ended_at is None else run.ended_at) - run.opened_at)
    return Amounts(run.tokens, run.cost, run.messages, seconds)


def _message_budget(
    run: Run, account: Account, till: float, around: Amounts
) -> tuple[Amounts, MessageBudget]:
    seconds = max(0.0, till - account.opened_at)
    used = Amounts(account.tokens, account.cost, account.messages, seconds)
    left = Amounts(*map(_least, _left(account.limits, used), around))
    return left, MessageBudget(
        account.id or message_id(run.id, account.parent, account.place),
        account.channel,
        account.agent,
        "" if account.above is None else message_id(run.id, *account.above),
        *(told(each) for each in (account.limits, used, left)),
    )


def _limits(run: Run) -> Amounts:
    given = run.limits
    cost, seconds = given.get("max_cost"), given.get("timeout")
    if "deadline" in given:
        seconds = _least(seconds, max(0.0, given["deadline"] - run.opened_at))
    return Amounts(
        given.get("max_tokens"),
        None if cost is None else units(cost),
        given.get("max_messages"),
        seconds,
    )


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
