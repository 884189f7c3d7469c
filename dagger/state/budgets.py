"""Accounts: what subtrees of a run may spend, and have spent.

A message may be given a budget: whatever descends from it draws on that, and on the budgets
around it. Its account is one of the scopes that its descendants are in, as those of joins
are, so that they know it wherever they come to stand: in snapshots, dead letters and forks,
and the parts of a join have in common what all of them descend from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dagger.state.joins import scopes_of
from dagger.state.queues import Scope
from dagger.words.budget import Amounts, read
from dagger.words.effects import BUDGET, Publication

if TYPE_CHECKING:
    from dagger.state.queues import Delivery, Envelope
    from dagger.state.run import Run
    from dagger.state.state import State

_SCOPE = ""
"""What stands in the scope of a budget where others have a channel: no join asks for it."""


class Account:
    """The budget of one message, and what was spent of it."""

    __slots__ = (
        *("above", "agent", "channel", "cost", "id", "limits", "messages", "opened_at"),
        *("parent", "place", "tokens", "until"),
    )

    def __init__(
        self,
        parent: int,
        place: int,
        id: str,
        channel: str,
        agent: str,
        above: tuple[int, int] | None,
        limits: Amounts,
        opened_at: float,
    ) -> None:
        self.parent = parent  # of the message, and its place: as in its envelope
        self.place = place
        self.id = id  # of the message, where one was given
        self.channel = channel
        self.agent = agent  # who published it; "" is the outside world
        self.above = above  # parent and place of the nearest message around it with a budget
        self.limits = limits
        self.opened_at = opened_at  # when the message was published, epoch seconds
        self.until = opened_at  # the latest end of anything in it
        self.tokens = 0
        self.cost = 0  # in billionths
        self.messages = 0  # published in it, the message itself not

    @property
    def scope(self) -> Scope:
        """The scope of all that descends from the message."""
        return self.parent, self.place, _SCOPE

    @property
    def overspent(self) -> str:
        """What was spent beyond its limit; "" for nothing."""
        for name in ("tokens", "cost"):
            limit = getattr(self.limits, name)
            if limit is not None and getattr(self, name) > limit:
                return name
        return ""

    @property
    def over_at(self) -> float | None:
        """When its time is over, epoch seconds."""
        seconds = self.limits.seconds
        return None if seconds is None else self.opened_at + seconds


class Accounts:
    """The accounts of one run: the last ones, and those that anything can still draw on."""

    __slots__ = ("_all", "_cut_at", "keep", "opened")

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.opened = 0  # ever
        self._all: dict[Scope, Account] = {}
        self._cut_at = 2 * keep

    def put(self, account: Account) -> None:
        """One more."""
        self._all[account.scope] = account

    def around(self, scopes: Iterable[Scope]) -> list[Account]:
        """Those among some scopes, outermost first."""
        return [self._all[each] for each in scopes if each in self._all]

    def of(self, delivery: Delivery) -> list[Account]:
        """Those that a delivery draws on, outermost first."""
        return self.around(scopes_of(delivery))

    def at(self, place: tuple[int, int] | None) -> Account | None:
        """That of a message, by its parent and place."""
        return None if place is None else self._all.get((*place, _SCOPE))

    def kept(self, run: Run, besides: Iterable[Scope] = ()) -> list[Account]:
        """Those that are of use, oldest first: the last ones, what may be drawn on, and those
        among `besides`.
        """
        if len(self._all) <= self.keep:
            return list(self._all.values())
        envelopes = [each.envelope for each in run.deliveries.values()]
        envelopes += [each.envelope for each in run.dead_letters or ()]
        drawn = {*besides, *(scope for each in envelopes for scope in each.scopes)}
        found = list(self._all.values())
        last = len(found) - self.keep
        return [each for at, each in enumerate(found) if at >= last or each.scope in drawn]

    def begin_anew(self, run: Run, now: float) -> None:
        """Their time is counted from now on."""
        for each in self.kept(run):
            each.opened_at = each.until = now

    def trim(self, run: Run, besides: Iterable[Scope]) -> None:
        """Let go of what is not of use, once that may be half of all."""
        if len(self._all) > self._cut_at:
            self._all = {each.scope: each for each in self.kept(run, besides)}
            self._cut_at = 2 * max(self.keep, len(self._all))


def budget_of(publication: Publication) -> Amounts | None:
    """The budget that a message brings for all that descends from it."""
    found = next((said for name, said in publication.headers if name == BUDGET), None)
    return None if found is None else read(found)


def opened(state: State, run: Run, envelope: Envelope, limits: Amounts) -> Envelope:
    """A message with a budget: what descends from it is in the scope of that."""
    accounts = run.accounting()
    around = accounts.around(envelope.scopes)
    above = around[-1] if around else None
    account = Account(
        envelope.parent,
        envelope.place,
        envelope.publication.id,
        envelope.publication.channel,
        envelope.agent,
        None if above is None else (above.parent, above.place),
        limits,
        envelope.at,
    )
    accounts.opened += 1
    accounts.trim(run, envelope.scopes)  # whose publisher has ended already
    accounts.put(account)
    if state.allotted is not None:
        state.allotted(run, account)
    return envelope._replace(scopes=(*envelope.scopes, account.scope))


def published(run: Run, publisher: Delivery, count: int, at: float) -> None:
    """Messages of a delivery count in all that it draws on."""
    assert run.accounts is not None
    for account in run.accounts.of(publisher):
        account.messages += count
        account.until = max(account.until, at)


def spent(run: Run, spender: Delivery | None, tokens: int, cost: int) -> None:
    """So does what it spends."""
    if run.accounts is not None and spender is not None:
        for account in run.accounts.of(spender):
            account.tokens += tokens
            account.cost += cost
