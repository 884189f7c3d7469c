"""What is found in a text, and what is said of it."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from dagger_agents.code_review import (
    FORMATS,
    Options,
    Priority,
    Review,
    as_json,
    as_markdown,
    as_text,
    improve,
    review_source,
)
from dagger_agents.code_review.ruff import RULES
from dagger_agents.code_review.rules import rule

TEXT = dedent(
    """
    import os

    class Shelf:
        def put(self, rows=[]):
            if rows == None:
                return 7 | 7 < 8
            return missing
    """
)


@pytest.fixture(scope="module")
def review() -> Review:
    """That of TEXT."""
    return review_source(TEXT, "shelf.py")


def test_ruff_finds_what_its_rules_say(review: Review) -> None:
    """Each with its place, and the function that it is in."""
    found = {each.code: each for each in review.issues}
    assert {"F401", "B006", "E711", "F821"} <= {*found}
    assert (found["F821"].line, found["F821"].function) == (8, "Shelf.put")
    assert (found["F401"].line, found["F401"].function) == (2, "")
    assert found["F401"].is_fixable
    assert not found["B006"].is_fixable


def test_a_project_around_it_has_no_say(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its settings nor those of the environment change what is found."""
    monkeypatch.chdir(str(tmp_path))
    with open("ruff.toml", "w", encoding="utf-8") as file:
        file.write('lint.select = ["D"]\nlint.ignore = ["F"]\n')
    codes = {each.code for each in review_source(TEXT, "shelf.py").issues}
    assert "F401" in codes
    assert not any(code.startswith("D") for code in codes)


def test_what_the_author_has_excused_is_excused() -> None:
    """A `noqa` comment is a decision."""
    assert review_source("import os  # noqa: F401\n").issues == ()


def test_suggestions_say_what_why_and_what_to_do(review: Review) -> None:
    """What matters most comes first."""
    ranks = [each.priority.rank for each in review.suggestions]
    assert ranks == sorted(ranks)
    assert len(ranks) == len(review.issues)
    first = next(each for each in review.suggestions if each.code == "B006")
    assert (first.priority, first.file, first.line) == (Priority.HIGH, "shelf.py", 5)
    assert "mutable" in first.what
    assert "share" in first.why
    assert "None" in first.what_to_do


@pytest.mark.parametrize("code", RULES)
def test_every_rule_that_is_asked_for_is_explained(code: str) -> None:
    """None falls back to what is said where nothing is known."""
    assert code.startswith("SIM") or rule(code) is not rule("unknown")


def test_the_code_with_the_longest_beginning_speaks() -> None:
    """A rule of its own goes before that of its family."""
    assert rule("B006").priority is Priority.HIGH
    assert rule("B007").priority is Priority.MEDIUM
    assert rule("F401").priority is Priority.LOW


@pytest.mark.parametrize(
    "text",
    [
        *("def f(:\n", "x = '\0'", "  x = 1", "(" * 300, f"x = {'-' * 5000}1"),
        *(f"x = {'9' * 5000}", f"x = {'+'.join('1' * 5000)}", f"x = a{'.b' * 3000}"),
        f"if a: pass\n{'elif b: pass' * 1500}",
    ],
)
def test_what_is_no_python_has_no_points(text: str) -> None:
    """One issue says why, and nothing else is looked at."""
    review = review_source(text)
    assert [each.code for each in review.issues] == ["syntax-error"]
    assert (review.score, review.functions) == (0, ())


@pytest.mark.parametrize("text", [f"x = {'not ' * 900}1", f"x = {'lambda:' * 900}1"])
def test_what_a_tool_cannot_read_has_no_points(text: str) -> None:
    """Though Python can; what the tool says is the one issue, and nothing is done about it."""
    review = review_source(text)
    (issue,) = review.issues
    assert (issue.code, review.score, review.is_broken) == ("unreadable", 0, True)
    assert "deeply nested" in issue.message
    assert improve(text, review) == (text, review)


def test_odd_texts_are_reviewed() -> None:
    """Numbers without end, and texts with nothing or hardly anything in them."""
    text = f"def f(x, y=0x{'f' * 5000}):\n    return x > 1e400 or x < 0x{'f' * 5000}\n"
    assert [each.code for each in review_source(text).issues] == ["magic-number"] * 2
    for nothing in ("", " \n\t\n", "\f", "#", "\r\n\r"):
        assert review_source(nothing).score == 10


def test_what_python_warns_of_is_no_error() -> None:
    """It is looked at as it stands, and nobody is warned."""
    assert [each.code for each in review_source("x = '\\d'\ny = 1 is 1\n").issues] == ["F632"]


def test_an_empty_text_is_without_fault() -> None:
    """There is nothing to complain of."""
    assert review_source("").score == 10


def test_thresholds_are_those_of_the_options() -> None:
    """Whoever wants it stricter says so."""
    text = "def f(a, b):\n    return a\n"
    assert review_source(text).issues == ()
    found = review_source(text, options=Options(max_parameters=1)).issues
    assert [each.code for each in found] == ["many-parameters"]


def test_as_text_it_has_a_line_for_each_suggestion(review: Review) -> None:
    """And below all the score and what there is."""
    told = as_text([review, review_source("x = 1\n", "clean.py")])
    lines = told.splitlines()
    assert lines[0] == f"shelf.py: {review.score:.2f}"
    assert "clean.py" not in told
    assert lines[-1].startswith("2 files, score ")
    assert sum("  high " in line for line in lines) == 2


def test_as_json_it_is_all_there(review: Review) -> None:
    """Score, functions with their complexity, suggestions: to be read by programs."""
    told = json.loads(as_json([review]))
    (file,) = told["files"]
    assert told["score"] == file["score"] == round(review.score, 2)
    assert file["functions"] == [
        {"name": "Shelf.put", "line": 5, "end_line": 8, "cyclomatic": 2, "cognitive": 1}
    ]
    assert len(file["suggestions"]) == len(review.issues)


def test_as_markdown_it_is_a_table_that_nothing_breaks(review: Review) -> None:
    """Each row has as many cells as the head, whatever stands in the code."""
    rows = [line for line in as_markdown([review]).splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}
    assert len(rows) == len(review.issues) + 2


def test_every_format_takes_no_files_at_all() -> None:
    """A branch may have changed none."""
    assert all("10" in told([]) for told in FORMATS.values())
