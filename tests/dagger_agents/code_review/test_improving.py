"""Improving: poor code gets better, and does what it did."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dagger_agents.code_review import (
    Review,
    as_json,
    as_markdown,
    as_text,
    files_in,
    improve,
    improve_until,
    improving,
    read,
    review_source,
)
from dagger_agents.code_review.transformations import TRANSFORMATIONS
from dagger_agents.code_review.transformations.safety import is_safe
from tests.patience import PATIENCE

POOR = Path(__file__).parents[1] / "poor_code"


def checked(folder: Path) -> bool:
    """Whether the poor code's own tests pass."""
    ended = subprocess.run(
        [sys.executable, "-B", "-m", "unittest", "discover", "-p", "check_*.py"],
        cwd=folder,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert b"Ran 9 tests" in ended.stderr
    return ended.returncode == 0


def test_poor_code_gets_better_and_its_own_tests_still_pass(tmp_path: Path) -> None:
    """The score of each of its modules rises, and what more could be done safely is nothing."""
    folder = tmp_path / "poor"
    shutil.copytree(POOR, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in files_in(folder):
        source = read(path)
        before = review_source(source.text, path.name)
        text, after = improve_until(source.text, before, 10)
        source.write(text)
        if not path.name.startswith("check_"):
            assert after.score > before.score + 0.8, path
            assert after.score == review_source(text, path.name).score
        assert is_safe(source.text, text)
        assert improve(text, after) == (text, after)
    assert checked(folder)


def test_its_own_tests_can_fail(tmp_path: Path) -> None:
    """Or else that they pass would say nothing."""
    folder = tmp_path / "poor"
    shutil.copytree(POOR, folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = read(folder / "orders.py")
    source.write(source.text.replace("if coupon:", "if not coupon:"))
    assert not checked(folder)


def test_what_is_good_enough_stays_as_it_is() -> None:
    """No more is done than was asked for, and nothing where nothing helps."""
    text = "import os\n\n\ndef f(a):\n    return a > 5\n"
    review = review_source(text)
    assert improve_until(text, review, 8) == (text, review)
    improved, better = improve_until(text, review, 10)
    assert (improved, better.score > review.score) == ("\n\ndef f(a):\n    return a > 5\n", True)
    assert improve(improved, better) == (improved, better)


@pytest.mark.parametrize("text", ["def f(:\n", ""])
def test_what_cannot_be_improved_is_given_back(text: str) -> None:
    """What is no Python, and what is nothing."""
    review = review_source(text)
    assert improve(text, review) == (text, review)


def test_a_public_name_is_not_taken_away() -> None:
    """An import that others may use stays, though nothing in the file needs it."""
    text = "from a import b as b\nimport c\n__all__ = ['c']\n"
    assert improve(text, review_source(text))[0] == text


def test_line_ends_stay() -> None:
    """A text from Windows is one afterwards as well."""
    text = "import os\r\nx = 1\r\n"
    assert improve(text, review_source(text))[0] == "x = 1\r\n"


def test_a_transformation_that_fails_is_told_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At whatever it fails: the text keeps what it would have changed."""

    def with_bad_luck(text: str, review: Review) -> str:
        raise KeyError("luck\nand more")

    monkeypatch.setattr(improving, "TRANSFORMATIONS", (with_bad_luck, *TRANSFORMATIONS))
    text = "import os\nx = 1\n"
    improved, review = improve_until(text, review_source(text), 10)
    assert (improved, review.score) == ("x = 1\n", 10)
    assert review.problems == ("bad luck could not be tried: KeyError: 'luck\\nand more'",)
    for told in (as_text, as_json, as_markdown):
        assert "bad luck could not be tried" in told([review])


def test_what_a_library_cannot_read_is_told() -> None:
    """Here libcst has a rule of its own; what ruff could do about the text is done."""
    text = "import os\ndef f(a):\n    return a > 7or a < 7\n"
    improved, review = improve(text, review_source(text))
    assert improved == text.removeprefix("import os\n")
    (problem,) = review.problems
    assert problem.startswith("constants could not be tried: CSTValidationError: ")


def test_the_code_review_finds_little_to_say_of_itself() -> None:
    """And reviews every one of its own files."""
    folder = Path(__file__).parents[3] / "agents" / "dagger_agents" / "code_review"
    scores = {each.name: review_source(read(each).text).score for each in files_in(folder)}
    assert len(scores) > 15
    assert min(scores.values()) > 8, scores
