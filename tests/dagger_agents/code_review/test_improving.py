"""Improving: poor code gets better, and does what it did."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dagger_agents.code_review import files_in, improve, improve_until, read, review_source
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
            assert after.score > before.score + 0.9, path
            assert after.score == review_source(text, path.name).score
        assert is_safe(source.text, text)
        assert improve(text, after) == text
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
    assert improve(improved, better) == improved


@pytest.mark.parametrize("text", ["def f(:\n", ""])
def test_what_cannot_be_improved_is_given_back(text: str) -> None:
    """What is no Python, and what is nothing."""
    assert improve(text, review_source(text)) == text


def test_a_public_name_is_not_taken_away() -> None:
    """An import that others may use stays, though nothing in the file needs it."""
    text = "from a import b as b\nimport c\n__all__ = ['c']\n"
    assert improve(text, review_source(text)) == text


def test_line_ends_stay() -> None:
    """A text from Windows is one afterwards as well."""
    text = "import os\r\nx = 1\r\n"
    assert improve(text, review_source(text)) == "x = 1\r\n"


def test_the_code_review_finds_little_to_say_of_itself() -> None:
    """And reviews every one of its own files."""
    folder = Path(__file__).parents[3] / "agents" / "dagger_agents" / "code_review"
    scores = {each.name: review_source(read(each).text).score for each in files_in(folder)}
    assert len(scores) > 15
    assert min(scores.values()) > 8, scores
