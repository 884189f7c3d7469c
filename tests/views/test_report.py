"""The report: the result of a run, of one instant, as objects and as JSON data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dagger.state.run import Keep
from dagger.state.state import State
from dagger.views.questions import OpenQuestion
from dagger.views.report import OpenTask, Report, make_report
from dagger.words.effects import Publication, TaskWrite
from dagger.words.outcomes import Disposition, RunStatus
from dagger.words.payload import encode
from dagger.words.records import (
    ABANDONED,
    AgentAdded,
    Asked,
    AttemptFailed,
    Failure,
    Kept,
    Published,
    RunCancelling,
    RunEnded,
    RunOpened,
    Settled,
    Spent,
    Swept,
    Wrote,
)

BROKEN = Failure("KeyError", "'url'", "", ("ValueError: no url",), "crawl.py:7 in fetch")


def message(channel: str, payload: Any = None, **rest: Any) -> Publication:
    """A publication, encoded."""
    return Publication(channel, encode(payload), **rest)


class Story:
    """One run of two agents, `fetch` on "urls" and `read` on "pages", told record by record."""

    def __init__(self, keep: Keep | None = None, first: Any = None) -> None:
        self.state = State(keep)
        self.state.apply(AgentAdded("fetch", ("urls",), False, 0.0))
        self.state.apply(AgentAdded("read", ("pages",), False, 0.0))
        self.state.apply(RunOpened(1, "crawl", {}, message("urls", first), 100.0))
        self.run = self.state.runs[1]

    def report(self, now: float = 110.0) -> Report:
        return make_report(self.run, now)

    def publish(self, *publications: Publication, drops: tuple[int, ...] = ()) -> None:
        for publication in publications:
            self.state.apply(Published(1, publication, drops, bool(drops), 101.0))

    def settle(
        self,
        number: int,
        *sent: Publication,
        end: Disposition = Disposition.OK,
        attempt: int = 1,
        failure: Failure | None = None,
    ) -> None:
        self.state.apply(
            Settled(1, number, end, attempt, 101.0, 102.0, failure, sent, (), failure is not None)
        )

    def retry(self, number: int, attempt: int = 1) -> None:
        self.state.apply(AttemptFailed(1, number, attempt, 101.0, 101.5, BROKEN, 103.0))

    def tasks(self, *writes: TaskWrite) -> None:
        self.state.apply(Wrote(1, writes))

    def end(self, status: RunStatus = RunStatus.COMPLETED, reason: str = "") -> None:
        self.state.apply(RunEnded(1, status, reason, 104.0))


def test_a_completed_run_has_its_figures() -> None:
    """A report has the run's status, times and counts, and its outputs decoded."""
    story = Story()
    story.settle(1, message("pages", "a"), message("pages", "b"))
    story.state.apply(Spent(1, 2, 30))
    story.settle(2, message("words", {"n": 1}))
    story.settle(3, message("words", {"n": 2}), message("links", []))
    story.end()
    report = story.report()
    assert report.ok
    assert (report.run_id, report.status, report.reason) == ("crawl", "completed", "")
    assert (report.started, report.ended, report.seconds) == (100.0, 104.0, 4.0)
    assert (report.messages, report.handled, report.open) == (6, 3, 0)
    assert (report.tokens, report.retries, report.dropped) == (30, 0, 0)
    assert report.error is None
    assert report.dispositions == {"ok": 3}
    assert report.agents == {"fetch": (1, {"ok": 1}, 0, 0), "read": (2, {"ok": 2}, 0, 0)}
    assert report.channels == {
        "urls": (1, 0, 1, {"ok": 1}, 0),
        "pages": (2, 0, 2, {"ok": 2}, 0),
        "words": (2, 2, 0, {}, 0),
        "links": (1, 1, 0, {}, 0),
    }
    assert report.outputs == {"words": [{"n": 1}, {"n": 2}], "links": [[]]}
    assert report.outputs_total == {"words": 2, "links": 1}
    assert report.conserved


def test_an_agent_that_was_given_nothing_has_no_counts() -> None:
    """Only agents and channels that took part in the run are in its report."""
    story = Story()
    story.settle(1)
    assert list(story.report().agents) == ["fetch"]
    assert list(story.report().channels) == ["urls"]


def test_outputs_keep_the_last_and_count_all() -> None:
    """Of many outputs the last N are kept, in the order of publication; all are counted."""
    story = Story(Keep(outputs=3))
    story.settle(1, message("early"), *[message("words", number) for number in range(5)])
    report = story.report()
    assert report.outputs == {"early": [], "words": [2, 3, 4]}
    assert report.outputs_total == {"early": 1, "words": 5}
    assert sum(edge.messages for edge in report.tree.outputs) == 6


def test_dead_letters_say_what_was_not_handled_and_why() -> None:
    """A dead letter has the message's id and payload, the agent, its attempts and the failure."""
    story = Story(first={"url": "x"})
    story.retry(1)
    story.settle(1, end=Disposition.DEAD, attempt=2, failure=BROKEN)
    [letter] = story.report().dead_letters
    assert (letter.id, letter.node_id) == ("crawl.0.0", "fetch:crawl.1")
    assert (letter.agent, letter.channel) == ("fetch", "urls")
    assert (letter.disposition, letter.attempts, letter.at) == ("dead", 2, 102.0)
    assert letter.payload == {"url": "x"}
    assert letter.failure == BROKEN


def test_a_dead_letter_keeps_the_id_that_its_message_was_given() -> None:
    """A message published with an id of its own is found under it."""
    story = Story()
    story.publish(message("urls", id="mine"))
    story.settle(2, end=Disposition.REJECTED, attempt=0, failure=BROKEN)
    assert [letter.id for letter in story.report().dead_letters] == ["mine"]


def test_dead_letters_keep_the_last_and_count_all() -> None:
    """Of many dead letters the last N are kept, oldest first; all are counted."""
    story = Story(Keep(dead_letters=2))
    story.publish(*[message("urls", number) for number in range(3)])
    for number in range(1, 5):
        story.settle(number, end=Disposition.DEAD, failure=BROKEN)
    report = story.report()
    assert [letter.payload for letter in report.dead_letters] == [1, 2]
    assert report.dead_letters_total == report.dispositions["dead"] == 4


def test_the_first_error_is_kept_with_its_causes() -> None:
    """The first failure is the report's error, even if another attempt then went well."""
    story = Story()
    story.retry(1)
    story.settle(1, attempt=2)
    story.end()
    report = story.report()
    assert report.ok
    assert report.error == BROKEN


def test_retries_are_counted_by_agent() -> None:
    """Attempts beyond the first are counted for the agent that made them, also while open."""
    story = Story()
    story.retry(1)
    story.retry(1, attempt=2)
    story.settle(1, message("pages"), attempt=3)
    story.retry(2)
    report = story.report()
    assert report.retries == 3
    assert {name: counts.retries for name, counts in report.agents.items()} == {
        "fetch": 2,
        "read": 1,
    }


def test_drops_are_counted_where_they_happened() -> None:
    """What a full queue lost is counted for the run, the agent and the channel."""
    story = Story()
    story.publish(message("urls"), drops=(1,))
    report = story.report()
    assert report.dropped == 1
    assert report.agents["fetch"] == (2, {"dropped": 1}, 1, 0)
    assert report.channels["urls"].dispositions == {"dropped": 1}


def test_what_was_given_up_is_named() -> None:
    """Invocations that ignored their cancellation are in the report by their node ids."""
    story = Story()
    failure = Failure(ABANDONED, "ignored its cancellation for 5 s")
    story.settle(1, end=Disposition.CANCELLED, failure=failure)
    assert story.report().abandoned == ("fetch:crawl.1",)


def test_tasks_that_nobody_ended_are_named() -> None:
    """Tasks neither Completed nor Failed are in the report, oldest first."""
    story = Story()
    for name in ("claimed", "done", "late"):
        story.tasks(TaskWrite("put", name, task_type="page", max_attempts=2, at=9.0))
    story.tasks(
        TaskWrite("status", "done", status="Completed", at=10.0),
        TaskWrite("claim", "claimed", agent="fetch", holder=1, at=10.0),
    )
    story.settle(1)
    story.end()
    assert story.report().open_tasks == (
        OpenTask("claimed", "page", "InProgress", 1, "fetch"),
        OpenTask("late", "page", "Pending", 0, None),
    )


def test_questions_that_nobody_answered_are_listed() -> None:
    """A question is in the report of a waiting run until it is answered."""
    story = Story()
    story.state.apply(Asked(1, 1, "go-on", encode({"cost": 3}), 101.0))
    assert story.report().questions == (
        OpenQuestion("crawl", "crawl.1/go-on", "fetch:crawl.1", "go-on", {"cost": 3}, 101.0),
    )
    story.state.apply(Kept(1, 1, "ask", "go-on", encode(True), 102.0))
    assert story.report().questions == ()


def test_an_open_run_has_a_report_of_that_instant() -> None:
    """A report does not change while its run goes on: not its counts, lists or tree."""
    story = Story()
    story.publish(message("urls"))
    story.settle(1, message("words", 1), end=Disposition.REJECTED, failure=BROKEN)
    story.tasks(TaskWrite("put", "t", task_type="page", max_attempts=1, at=1.0))
    story.state.apply(Asked(1, 2, "go-on", encode(None), 101.0))
    report, twin = story.report(now=103.0), story.report(now=103.0)
    before, shown, drawn = twin.to_dict(), str(twin), twin.tree.to_dot()
    assert (report.ended, report.seconds, report.open) == (None, 3.0, 1)
    assert not report.ok

    story.tasks(TaskWrite("status", "t", status="Completed", at=2.0))
    story.retry(2)
    story.state.apply(Spent(1, 2, 5))
    story.settle(2, message("words", 2), end=Disposition.DEAD, failure=BROKEN)
    story.publish(message("urls"), message("new"))
    story.state.apply(Swept(1, (3,), Disposition.CANCELLED, 103.0))
    story.end()
    assert (report.to_dict(), str(report), report.tree.to_dot()) == (before, shown, drawn)
    assert story.report().to_dict() != before


def test_an_open_run_stands_somewhere() -> None:
    """The status of an open run is running, waiting, paused or cancelling."""
    story = Story()
    assert story.report().status is RunStatus.RUNNING
    story.state.apply(Asked(1, 1, "go-on", encode(None), 101.0))
    assert story.report().status is RunStatus.WAITING
    story.run.paused = True
    assert story.report().status is RunStatus.PAUSED
    story.state.apply(RunCancelling(1, RunStatus.TIMED_OUT, "too slow", 103.0))
    assert story.report().status is RunStatus.CANCELLING
    assert story.report().reason == "too slow"


def test_the_tree_shows_who_caused_what() -> None:
    """The tree has a node for every delivery, the open ones too, and the outputs."""
    story = Story()
    story.settle(1, message("pages"), message("words"))
    tree = story.report().tree
    assert [(node.agent, node.status, node.parent) for node in tree.nodes()] == [
        ("fetch", "ok", 0),
        ("read", "pending", 1),
    ]
    assert [(edge.channel, edge.parent) for edge in tree.outputs] == [("words", 1)]


def test_a_clock_that_went_back_makes_no_negative_time() -> None:
    """A run never took less than no time, whatever the wall clock did."""
    assert Story().report(now=50.0).seconds == 0.0


def test_a_report_is_plain_json_data() -> None:
    """`to_dict()` goes through JSON unchanged and has everything that the report has."""
    story = Story(first={"url": "ü"})
    story.publish(message("urls"), message("words", [1.5, None]))
    story.retry(1)
    story.settle(1, end=Disposition.DEAD, attempt=2, failure=BROKEN)
    story.tasks(TaskWrite("put", "t", task_type="page", max_attempts=1, at=1.0))
    story.state.apply(Asked(1, 2, "go-on", encode({"cost": 3}), 101.0))
    data = story.report().to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["status"] == "waiting"
    assert data["outputs"] == {"words": [[1.5, None]]}
    assert data["error"]["causes"] == ["ValueError: no url"]
    assert data["dead_letters"][0]["payload"] == {"url": "ü"}
    assert data["agents"]["fetch"]["dispositions"] == {"dead": 1}
    assert data["open_tasks"][0]["id"] == "t"
    assert data["questions"][0]["question"] == {"cost": 3}
    assert data["tree"] == {"nodes": 2, "forgotten": 0}


def test_json_data_is_the_callers_own() -> None:
    """What a caller does to `to_dict()` does not reach the report."""
    story = Story(first={"n": 1})
    story.settle(1, message("words", {"n": 1}), end=Disposition.REJECTED, failure=BROKEN)
    report = story.report()
    assert report.outputs["words"] == [report.dead_letters[0].payload] == [{"n": 1}]
    data = report.to_dict()
    data["outputs"]["words"][0]["n"] = data["dead_letters"][0]["payload"]["n"] = 2
    assert report.outputs["words"] == [report.dead_letters[0].payload] == [{"n": 1}]


def test_a_report_cannot_be_changed() -> None:
    """A report is frozen."""
    report: Any = Story().report()
    with pytest.raises(AttributeError):
        report.status = RunStatus.COMPLETED


def test_a_report_shows_itself_in_a_few_words() -> None:
    """The repr of a report is one short line, however much it holds."""
    assert repr(Story().report()) == "<Report of run 'crawl': running, 1 messages>"
