"""What `print(report)` shows."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dagger.state.run import Keep
from dagger.state.state import State
from dagger.views.report import make_report
from dagger.views.summary import WIDTH
from dagger.words.effects import Publication, TaskWrite
from dagger.words.outcomes import Disposition, RunStatus
from dagger.words.payload import encode
from dagger.words.records import (
    ABANDONED,
    AgentAdded,
    Asked,
    AttemptFailed,
    Failure,
    Published,
    Record,
    RunEnded,
    RunOpened,
    Settled,
    Spent,
    Swept,
    Wrote,
)

OK, DEAD, REJECTED = Disposition.OK, Disposition.DEAD, Disposition.REJECTED
SYNTAX = Failure(
    "SyntaxError",
    "invalid syntax (bad.py, line 3)",
    "",
    ("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9",),
    "census.py:41 in parse",
)


def message(channel: str, payload: Any = None) -> Publication:
    """A publication, encoded."""
    return Publication(channel, encode(payload))


def opened(*agents: tuple[str, str], first: Publication, keep: Keep | None = None) -> State:
    """A state with one run, number 1, of some agents and what each subscribes to."""
    state = State(keep)
    for name, channel in agents:
        state.apply(AgentAdded(name, (channel,), False, 0.0))
    state.apply(RunOpened(1, "census", {}, first, 100.0))
    return state


def told(state: State, *records: Record, at: float = 104.2) -> str:
    """The summary of the run after some records."""
    for record in records:
        state.apply(record)
    return str(make_report(state.runs[1], at))


def settled(
    number: int,
    *sent: Publication,
    end: Disposition = OK,
    attempt: int = 1,
    failure: Failure | None = None,
) -> Settled:
    """The end of one delivery of run 1."""
    return Settled(1, number, end, attempt, 101.0, 102.0, failure, sent, (), False)


def census() -> State:
    """A run of 1,500 files, of which some do not parse, and a queue that was too short."""
    state = opened(("walk", "start"), ("parse", "files"), first=message("start"))
    files = [message("files", {"path": f"lib/m{number}.py"}) for number in range(1_500)]
    state.apply(settled(1, *files))
    for number in range(2, 1_490):
        state.apply(settled(number, message("largest", {"name": f"m{number}"})))
    state.apply(AttemptFailed(1, 1_490, 1, 101.0, 101.0, SYNTAX, 102.0))
    state.apply(settled(1_490, end=DEAD, attempt=2, failure=SYNTAX))
    state.apply(Spent(1, 1_491, 12_000))
    state.apply(settled(1_491, end=REJECTED, attempt=0, failure=Failure("ValidationError", "no")))
    state.apply(Published(1, message("start"), (1_492, 1_493), True, 102.0))
    state.apply(settled(1_502))
    for number in range(1_494, 1_502):
        state.apply(settled(number))
    state.apply(RunEnded(1, RunStatus.FAILED, "1 delivery is dead", 104.2))
    return state


CENSUS = """\
run census · failed after 4.2 s
  1 delivery is dead
  2,990 messages · 358 deliveries/s · 1 retry · 12,000 tokens
  1,502 deliveries = 1,498 ok + 1 rejected + 1 dead + 2 dropped

agent  delivered     ok  rejected  dead  dropped  retries
walk           2      2         ·     ·        ·        ·
parse      1,500  1,496         1     1        2        1

channel  messages  delivered  outputs
start           2          2        ·
files       1,500      1,500        ·
largest     1,488          ·    1,488

outputs (1,488)
  largest × 1,488 (1,000 kept): {"name": "m1489"}

first error
  SyntaxError: invalid syntax (bad.py, line 3)
    at census.py:41 in parse
    caused by UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9

dead letters (2)
  files → parse · dead after 2 attempts · parse:census.1490
    SyntaxError: invalid syntax (bad.py, line 3)
    {"path": "lib/m1488.py"}
  files → parse · rejected · parse:census.1491
    ValidationError: no
    {"path": "lib/m1489.py"}

dropped (2)
  parse × 2
  Pushed out of full queues: raise capacity=, or let publishers wait with overflow="block". A loss
  is only counted, and fails no run, where overflow="drop_oldest" is written down."""  # noqa: RUF001 - a multiplication sign


def test_a_summary_says_what_happened() -> None:
    """Head, agents, channels, outputs, error, dead letters and drops, aligned and counted."""
    assert told(census()) == CENSUS


def test_what_is_empty_is_left_out() -> None:
    """A run in which all went well is shown in few lines."""
    state = opened(("echo", "in"), first=message("in", "hi"))
    end = RunEnded(1, RunStatus.COMPLETED, "", 100.5)
    assert (
        told(state, settled(1, message("out", "hi")), end)
        == """\
run census · completed after 500 ms
  2 messages
  1 delivery = 1 ok

agent  delivered  ok
echo           1   1

channel  messages  delivered  outputs
in              1          1        ·
out             1          ·        1

outputs (1)
  out: "hi\""""
    )


def test_a_run_that_nobody_hears_is_shown_too() -> None:
    """A first message without a subscriber is an output, and there are no agents to list."""
    state = opened(first=message("in", 7))
    assert (
        told(state, RunEnded(1, RunStatus.COMPLETED, "", 100.0))
        == """\
run census · completed after 0 µs
  1 message

channel  messages  delivered  outputs
in              1          ·        1

outputs (1)
  in: 7"""
    )


def test_an_open_run_says_what_it_waits_for() -> None:
    """Open deliveries, questions and tasks are shown, and that the run has not ended."""
    state = opened(("ask", "in"), first=message("in"))
    question = encode({"text": "publish?"})
    tasks = (TaskWrite("put", "t-1", task_type="page", max_attempts=2, at=1.0),)
    shown = told(state, Asked(1, 1, "approve", question, 101.0), Wrote(1, tasks))
    assert shown.splitlines()[0] == "run census · waiting, opened 4.2 s ago"
    assert "  1 delivery = 1 open" in shown
    assert "ask            1   ·     1" in shown
    assert (
        """\
open tasks (1)
  t-1 · page · Pending

unanswered questions (1)
  census.1/approve · asked by ask:census.1
    {"text": "publish?"}"""
        in shown
    )


def test_what_was_given_up_is_named_and_explained() -> None:
    """Abandoned invocations are listed with what it means for them."""
    failure = Failure(ABANDONED, "it ignored its cancellation for 5 s")
    state = opened(("stubborn", "in"), first=message("in"))
    shown = told(state, settled(1, end=Disposition.CANCELLED, failure=failure))
    assert "abandoned (1)\n  stubborn:census.1\n  Still going on" in shown
    assert "agent     delivered  ok  cancelled" in shown


def test_rare_dispositions_share_a_column() -> None:
    """Where several of the rarer dispositions occur, their column is their sum."""
    state = opened(("read", "in"), first=message("in"))
    more = [Published(1, message("in"), (), False, 101.0) for _ in range(2)]
    ends = [
        Swept(1, (1, 2), Disposition.EXPIRED, 102.0),
        Swept(1, (3,), Disposition.DISCARDED, 102.0),
    ]
    shown = told(state, *more, *ends)
    assert "3 deliveries = 2 expired + 1 discarded" in shown
    assert "agent  delivered  ok  other\nread           3   ·      3" in shown


def test_long_lists_are_cut_and_counted() -> None:
    """Of many dead letters a few are shown; how many more there are is said."""
    state = opened(("read", "in"), first=message("in"), keep=Keep(dead_letters=7))
    more = [Published(1, message("in"), (), False, 101.0) for _ in range(11)]
    ends = [settled(number, end=DEAD, failure=SYNTAX) for number in range(1, 13)]
    shown = told(state, *more, *ends)
    assert "dead letters (12)" in shown
    assert shown.count("in → read · dead") == 5
    assert shown.endswith("  … and 7 more\n  report.dead_letters holds 7 of them.")


def test_what_is_not_kept_is_counted() -> None:
    """A run that keeps no dead letters and no outputs still says how many there were."""
    state = opened(("read", "in"), first=message("in"), keep=Keep(outputs=0, dead_letters=0))
    shown = told(state, settled(1, message("out"), end=DEAD, failure=SYNTAX))
    assert "outputs (1)\n  out (0 kept)" in shown
    assert "dead letters (1)\n  … and 1 more\n  report.dead_letters holds 0 of them." in shown


def test_many_agents_are_added_up() -> None:
    """A table shows forty agents; the rest share one row, so that columns still add up."""
    agents = [(f"agent{number}", "in") for number in range(100)]
    ends = [settled(number) for number in range(1, 101)]
    shown = told(opened(*agents, first=message("in")), *ends)
    assert "agent39" in shown
    assert "agent40" not in shown
    assert "\n… and 60 more         60  60\n" in shown


def test_large_payloads_are_not_written_out() -> None:
    """A payload of megabytes is shown by its beginning."""
    state = opened(first=message("in", {"text": ["word"] * 1_000_000}))
    line = told(state).splitlines()[-1]
    assert line.startswith('  in: {"text": ["word", "word",')
    assert line.endswith("…")
    assert len(line) == WIDTH


names = st.text(st.characters(), min_size=1, max_size=60)


@given(
    names=st.lists(names, min_size=3, max_size=3, unique=True),
    texts=st.lists(st.text(st.characters(), max_size=2_000), min_size=4, max_size=4),
    payload=st.recursive(st.none() | st.integers(0, 9) | st.text(), st.lists, max_leaves=5),
)
def test_other_peoples_text_cannot_break_a_summary(
    names: list[str], texts: list[str], payload: Any
) -> None:
    """Whatever agents are called and errors say, lines stay short and nothing obeys a terminal."""
    agent, channel, key = names
    state = opened((agent, channel), first=message(channel, payload))
    failure = Failure(texts[0], texts[1], "", (texts[2],), texts[3])
    tasks = (TaskWrite("put", key, task_type=texts[0] or "t", max_attempts=1, at=1.0),)
    state.apply(Wrote(1, tasks))
    state.apply(Asked(1, 1, key, encode(payload), 1.0))
    shown = [told(state)]
    state.apply(settled(1, message(key, payload), end=DEAD, failure=failure))
    state.apply(RunEnded(1, RunStatus.FAILED, texts[3], 102.0))
    report = make_report(state.runs[1], 103.0)
    for line in "\n".join([*shown, str(report)]).split("\n"):
        assert len(line) <= WIDTH
        assert not {unicodedata.category(each) for each in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert json.loads(json.dumps(report.to_dict()))["run_id"] == "census"
