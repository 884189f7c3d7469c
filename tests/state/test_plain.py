"""Plain runs: whatever is read, and however, the state is what the records amount to."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from dagger.state.run import Keep
from dagger.state.state import State
from dagger.words.effects import FROM_OUTSIDE, CacheWrite, Effect, Publication
from dagger.words.payload import encode
from dagger.words.records import (
    AgentAdded,
    AgentRemoved,
    Failure,
    Logged,
    Published,
    Record,
    RunEnded,
    RunOpened,
    RunsForgotten,
    Settled,
    Swept,
)
from tests.state.meaning import audit, differences, meaning
from tests.state.test_snapshot import KEEP, WHICH, Folding, folded, in_turn

C = Publication("c", b"\x01")
LATER = C._replace(timing=(5.0, 0.0))
ASKING = C._replace(headers=(FROM_OUTSIDE,))
SHARED = CacheWrite("set", "n", "k", encode(1), shared=True)


def read(records: list[Record], cut: int = 0, keep: Keep | None = None) -> State:
    """The state that records amount to, of which those behind `cut` are read in one go."""
    state = folded(records[:cut], keep)
    state.replay(records[cut:])
    return state


def same(records: list[Record], keep: Keep | None = None) -> None:
    """Fail unless reading all the records, or the last of them, is folding them one by one."""
    for cut in {0, len(records) // 3, len(records) // 2}:
        whole, again = folded(records, keep), read(records, cut, keep)
        assert not (found := list(differences(meaning(again), meaning(whole)))), found
        assert list(again.runs) == list(whole.runs)
        audit(again)
        assert in_turn(again) == in_turn(whole)


class Reading(Folding):
    """A state without joins, in which most runs are plain."""

    @initialize()
    def begin(self) -> None:
        for number, name in enumerate(["one", "two", "three"]):
            self.apply(AgentAdded(name, ("c", "d")[: number + 1], number == 2, 0.0))
        self.apply(RunOpened(1, "run-1", {"timeout": 1.5}, C, 0.0))

    @rule(sends=st.lists(st.sampled_from("cde"), max_size=2), which=WHICH)
    def handled_plainly(self, sends: list[str], which: int) -> None:
        """What happens most of all; a run that has nothing left ends."""
        if not self.is_pending():
            number = self.live.next_run + 1
            self.apply(RunOpened(number, f"run-{number}", {}, C, 3.0))
        found = self.handled(which)
        if found is not None:
            number, delivery = found
            effects = tuple(Publication(each, encode(each)) for each in sends)
            self.apply(Settled(number, delivery.number, 0, 1, 4.0, 5.0, None, effects, (), False))
            if not self.live.runs[number].deliveries:
                self.apply(RunEnded(number, "completed", "", 6.0))

    def teardown(self) -> None:
        same(self.records, KEEP)


TestReading = Reading.TestCase


def settled(delivery: int, *effects: Effect, failure: Failure | None = None) -> Settled:
    """The end of a delivery of run 1."""
    return Settled(1, delivery, 5 if failure else 0, 1, 2.0, 3.0, failure, effects, (), False)


@pytest.mark.parametrize(
    "more",
    [
        (settled(1, C, C), settled(2)),
        (settled(1, Publication("out", b"\x02"), Publication("out", b"\x03")),),
        (settled(1), RunEnded(1, "completed", "", 4.0)),
        (settled(1), RunEnded(1, "completed", "", 4.0), RunsForgotten((1,))),
        (settled(1, LATER),),
        (settled(1, ASKING),),
        (settled(1, SHARED),),
        (settled(1, failure=Failure("E", "m")),),
        (Published(1, C, (), False, 2.0), settled(2)),
        (Published(1, C, (1,), True, 2.0), settled(2)),
        (Logged(1, 1, 20, "hello", 2.0), settled(1, C)),
        (Swept(1, (1,), 8, 2.0),),
        (AgentAdded("late", ("c",), False, 2.0), settled(1, C), settled(3)),
        (AgentRemoved("a", 2.0), settled(1, C)),
        (settled(1), RunEnded(1, "completed", "", 4.0), AgentRemoved("a", 5.0)),
        (RunOpened(2, "s", {}, ASKING, 2.0), settled(1, C)),
        (RunOpened(2, "s", {}, C, 2.0), settled(1), RunEnded(1, "completed", "", 4.0)),
    ],
)
def test_what_is_not_plain_is_folded_like_anything_else(more: tuple[Record, ...]) -> None:
    """A run may cease to be plain at any record, with all that is known of it until then."""
    opening: list[Record] = [
        AgentAdded("a", ("c",), True, 0.0),
        AgentAdded("b", ("d",), False, 0.0),
        RunOpened(1, "r", {"max_messages": 9}, C, 1.0),
    ]
    same([*opening, *more])


def test_a_forgotten_run_leaves_its_counts_and_its_id() -> None:
    """Nothing of it is kept but how many messages a channel has had; its id is free again."""
    records: list[Record] = [
        AgentAdded("a", ("c",), True, 0.0),
        RunOpened(1, "r", {}, C, 1.0),
        settled(1, C),
        settled(2),
        RunEnded(1, "completed", "", 4.0),
        RunsForgotten((1,)),
        RunOpened(2, "r", {}, C, 5.0),
    ]
    state = read(records)
    assert state.run_numbers == {"r": 2}
    assert state.channels["c"].forgotten == 2
    assert (state.open_runs, state.backlog) == (1, len(C.payload))


def test_what_cannot_be_true_is_refused_while_it_is_read() -> None:
    """A delivery that is not there is no less wrong in a plain run."""
    records: list[Record] = [AgentAdded("a", ("c",), True, 0.0), RunOpened(1, "r", {}, C, 1.0)]
    for wrong in (settled(7), settled(7, failure=Failure("E", "m"))):
        with pytest.raises(KeyError):
            read([*records, wrong])
