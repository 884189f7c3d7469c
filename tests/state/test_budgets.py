"""Accounts of messages: the last are kept, and those that anything can still draw on."""

from __future__ import annotations

from dagger.state.run import Keep
from dagger.state.state import State
from dagger.words.budget import Amounts
from dagger.words.effects import BUDGET, Publication
from dagger.words.records import AgentAdded, Published, RunOpened, Settled, Spent

FIRST = Publication("work", b"\x01", headers=((BUDGET, "tokens=9"),))
WITHIN = Publication("work", b"\x01", headers=((BUDGET, "tokens=5"),))


def test_accounts_are_bounded() -> None:
    """Beyond so many, an account goes once nothing can draw on it; all of them are counted."""
    state = State(Keep(budgets=2))
    state.apply(AgentAdded("worker", ("work",), True, 0.0))
    state.apply(RunOpened(1, "r", {}, FIRST, 0.0))
    run = state.runs[1]
    for number in range(1, 50):
        state.apply(Published(1, WITHIN, (), False, 1.0))
        state.apply(Settled(1, number + 1, 0, 1, 1.0, 2.0, None, (), (), False))
    assert run.accounts is not None
    kept = run.accounts.kept(run)
    assert [(each.parent, each.place) for each in kept] == [(0, 0), (0, 48), (0, 49)]
    assert kept[0].limits == Amounts(tokens=9)
    assert run.accounts.opened == 50


def test_a_chain_draws_on_all_above_it() -> None:
    """However deep it goes, the first budget counts what is spent, as long as the chain goes on."""
    state = State(Keep(budgets=1))
    state.apply(AgentAdded("worker", ("work",), True, 0.0))
    state.apply(RunOpened(1, "r", {}, FIRST, 0.0))
    run = state.runs[1]
    for number in range(1, 20):
        state.apply(Spent(1, number, 3, 4))
        state.apply(Settled(1, number, 0, 1, 1.0, 2.0 + number, None, (WITHIN,), (), False))
    assert run.accounts is not None
    around = run.accounts.of(run.deliveries[20])
    assert len(around) == 20
    assert (around[0].tokens, around[0].cost, around[0].messages) == (57, 76, 19)
    assert (around[-2].tokens, around[-2].messages, around[-2].until) == (3, 1, 21.0)
    assert around[-2].above == (17, 0)
    assert (run.tokens, run.cost) == (57, 76)
