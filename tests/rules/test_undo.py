"""What is undone, in which order, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.undo import (
    Action,
    Compensate,
    Event,
    Start,
    Stop,
    UndoFailed,
    Undoing,
    Undone,
    step,
    undoing,
)


def folded(actions: Iterable[Action], *events: Event) -> tuple[Undoing, list[list[str]]]:
    """The state after some events, and what each of them commanded."""
    state, commanded = undoing(tuple(actions)), []
    for event in events:
        state, commands = step(state, event)
        commanded.append([each.id for each in commands])
    return state, commanded


CHAIN = [Action("login", (), 0), Action("fetch", ("login",), 1), Action("store", ("fetch",), 2)]
DIAMOND = [
    Action("fetch", (), 0),
    Action("mail", ("fetch",), 2),
    Action("store", ("fetch",), 1),
    Action("tell", ("mail", "store"), 3),
]
UNKNOWN = [Action("fetch", (), 0), Action("mail", ("fetch",)), Action("store", ("fetch",), 1)]
SKIPPED = [
    Action("fetch", (), 0),
    Action("parse", ("fetch",), 1, compensated=False),
    Action("store", ("parse",), 2),
]


@pytest.mark.parametrize(
    ("actions", "events", "commanded"),
    [
        ([], [Start()], [[]]),
        (CHAIN, [Start()], [["store"]]),
        (
            CHAIN,
            [Start(), Undone("store"), Undone("fetch"), Undone("login")],
            [["store"], ["fetch"], ["login"], []],
        ),
        (CHAIN, [Start(), UndoFailed("store", "gone")], [["store"], ["fetch"]]),
        (CHAIN, [Start(), Stop()], [["store"], []]),
        (CHAIN, [Start(), Stop(), Undone("store")], [["store"], [], []]),
        (CHAIN, [Stop()], [[]]),
        (DIAMOND, [Start(), Undone("tell")], [["tell"], ["mail", "store"]]),
        (
            DIAMOND,
            [Start(), Undone("tell"), Undone("store"), UndoFailed("mail", "sent")],
            [["tell"], ["mail", "store"], [], ["fetch"]],
        ),
        (UNKNOWN, [Start()], [["mail", "store"]]),
        (SKIPPED, [Start(), Undone("store")], [["store"], ["fetch"]]),
        (SKIPPED[:2], [Start()], [["fetch"]]),
        ([Action("parse", (), 0, compensated=False)], [Start()], [[]]),
    ],
)
def test_what_each_event_commands(
    actions: list[Action], events: list[Event], commanded: list[list[str]]
) -> None:
    """The last that completed first, side by side what was side by side, failures or not."""
    assert folded(actions, *events)[1] == commanded


def test_those_that_never_said_they_completed_are_named_first() -> None:
    """Of what may begin together: the unknown, the last begun first, and then by completion."""
    actions = [Action("a", (), 1), Action("b"), Action("c", (), 0), Action("d"), Action("e", (), 2)]
    assert folded(actions, Start())[1] == [["d", "b", "e", "a", "c"]]


def test_the_report_says_what_became_of_each() -> None:
    """Each action is undone, failed with its problem, left, or was without a compensation."""
    actions = [*SKIPPED, Action("mail", ("fetch",), 3), Action("tell", ("mail",))]
    state, _ = folded(
        actions, Start(), Undone("tell"), UndoFailed("store", "no disk"), Undone("mail"), Stop()
    )
    report = state.report()
    assert report.undone == ("mail", "tell")
    assert report.failed == {"store": "no disk"}
    assert report.left == ("fetch",)
    assert report.without == ("parse",)


def test_it_is_over_when_all_has_ended_or_nothing_else_may() -> None:
    """Over is what has nothing left to command and nothing that runs, or was stopped."""
    assert folded([], Start())[0].over
    assert folded([Action("parse", compensated=False)], Start())[0].over
    assert not folded(CHAIN)[0].over
    assert not folded(CHAIN, Start())[0].over
    assert not folded(CHAIN, Start(), Undone("store"))[0].over
    assert folded(CHAIN, Start(), *(Undone(each.id) for each in CHAIN[::-1]))[0].over
    assert folded(CHAIN, Start(), Stop())[0].over


def test_a_process_that_died_finds_what_it_was_at() -> None:
    """The same events folded again give the same state, and what runs in it."""
    events = (Start(), Undone("tell"), Undone("store"))
    first, again = folded(DIAMOND, *events)[0], folded(DIAMOND, *events)[0]
    assert first == again
    assert again.running == ("mail",)


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        ([Start()], Start()),
        ([Stop()], Start()),
        ([], Undone("store")),
        ([Start()], Undone("login")),
        ([Start()], UndoFailed("login", "")),
        ([Start()], Undone("nobody")),
        ([Start(), Undone("store")], Undone("store")),
        ([Start(), UndoFailed("store", "")], Undone("store")),
    ],
)
def test_what_cannot_happen_raises_and_changes_nothing(events: list[Event], wrong: Event) -> None:
    """An end of what does not run, or a second start, is a ValueError."""
    state, _ = folded(CHAIN, *events)
    before = state.report()
    with pytest.raises(ValueError, match=r"runs|started"):
        step(state, wrong)
    assert state.report() == before


@pytest.mark.parametrize(
    "actions",
    [
        [Action("a"), Action("a")],
        [Action("a", ("b",)), Action("b")],
        [Action("a", ("a",))],
        [Action("a", ("nobody",))],
    ],
)
def test_actions_come_after_what_was_begun_before_them(actions: list[Action]) -> None:
    """Two actions of one id, or one after what had not begun, are a ValueError: no circles."""
    with pytest.raises(ValueError, match=r"have the id|was not begun"):
        undoing(actions)


@st.composite
def actions_of_a_run(draw: st.DrawFn) -> list[Action]:
    """Actions in the order in which they were begun, of any shape."""
    count = draw(st.integers(0, 12))
    positions = draw(st.permutations(range(count)))
    made: list[Action] = []
    for place in range(count):
        names = [each.id for each in made]
        after = draw(st.lists(st.sampled_from(names), max_size=3)) if names else []
        completed = positions[place] if draw(st.booleans()) else None
        made.append(Action(f"a{place}", tuple(after), completed, draw(st.integers(0, 3)) > 0))
    return made


def model(actions: list[Action], begun: set[str], ended: set[str]) -> set[str]:
    """By asking everybody: the compensations that may begin."""
    passed: set[str] = set()

    def all_ended_after(id: str) -> bool:
        return all(each.id in ended | passed for each in actions if id in each.after)

    for each in reversed(actions):
        if not each.compensated and all_ended_after(each.id):
            passed.add(each.id)
    return {
        each.id
        for each in actions
        if each.compensated and each.id not in begun and all_ended_after(each.id)
    }


@given(actions_of_a_run(), st.data())
def test_what_may_begin_is_what_asking_everybody_finds(
    actions: list[Action], data: st.DataObject
) -> None:
    """Whatever ends when and how: each compensation begins once, as soon as it may, and all do."""
    positions = {each.id: each.completed for each in actions}
    state, begun, ended, failed = undoing(actions), set[str](), set[str](), set[str]()
    running: list[str] = []
    event: Event | None = Start()
    while event is not None:
        state, commands = step(state, event)
        assert {each.id for each in commands} == model(actions, begun, ended)
        known = [positions[each.id] for each in commands]
        assert [each is None for each in known] == sorted(each is None for each in known)[::-1]
        completed = [each for each in known if each is not None]
        assert completed == sorted(completed)[::-1]
        begun |= {each.id for each in commands}
        running += [each.id for each in commands]
        assert set(state.running) == set(running)
        event = None
        if running:
            id = running.pop(data.draw(st.integers(0, len(running) - 1)))
            ended.add(id)
            event = Undone(id)
            if data.draw(st.booleans()):
                event = UndoFailed(id, "no")
                failed.add(id)
    report = state.report()
    assert state.over
    assert begun == ended == {each.id for each in actions if each.compensated}
    assert (set(report.undone), set(report.failed)) == (ended - failed, failed)
    assert report.left == ()
    assert set(report.without) == {each.id for each in actions} - ended


@given(actions_of_a_run(), st.data())
def test_stopped_it_commands_nothing_more(actions: list[Action], data: st.DataObject) -> None:
    """After a stop, at any point, ends are still noted, and what never began is left."""
    state, commands = step(undoing(actions), Start())
    for _ in range(data.draw(st.integers(0, 6))):
        if state.running:
            state, _ = step(state, Undone(data.draw(st.sampled_from(state.running))))
    state, commands = step(state, Stop())
    assert (commands, state.over) == ((), True)
    for id in state.running:
        state, commands = step(state, Undone(id))
        assert commands == ()
    report = state.report()
    named = [*report.undone, *report.failed, *report.left, *report.without]
    assert sorted(named) == sorted(each.id for each in actions)


def test_very_many_actions_are_undone_one_after_the_other() -> None:
    """A chain of thousands needs no depth, and a thousand side by side begin at once."""
    chain = [Action("0", (), 0)]
    chain += [Action(str(place), (str(place - 1),), place) for place in range(1, 3000)]
    state, commands = step(undoing(chain), Start())
    for place in reversed(range(3000)):
        assert commands == (Compensate(str(place)),)
        state, commands = step(state, Undone(str(place)))
    assert state.over
    side_by_side = [Action(str(place), (), place) for place in range(1000)]
    assert len(step(undoing(side_by_side), Start())[1]) == 1000
    silent = [Action("0", (), 0)]
    silent += [Action(str(place), (str(place - 1),), compensated=False) for place in range(1, 3000)]
    assert step(undoing(silent), Start())[1] == (Compensate("0"),)


def test_very_many_may_fail() -> None:
    """What each failure costs does not grow with those before it."""
    many = 60_000
    state, _ = step(undoing([Action(str(place)) for place in range(many)]), Start())
    started = time.process_time()
    for place in range(many):
        state, _ = step(state, UndoFailed(str(place), "no disk"))
    assert len(state.report().failed) == many
    assert time.process_time() - started < 7
