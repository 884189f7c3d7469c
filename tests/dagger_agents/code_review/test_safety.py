"""What a changed text must still offer."""

from __future__ import annotations

import pytest

from dagger_agents.code_review.transformations.safety import is_safe, public_names

TEXT = """
from elsewhere import thing as thing, other
import json
__all__ = ["run", "json"]
SIZE = 3
left, (right, _private) = 1, (2, 3)
def run(a, *, b=1): local = 2
def _hidden(): pass
class Shelf:
    rows: list = []
    def sort(self): pass
    def _swap(self): pass
    def __len__(self): return 0
if SIZE:
    try:
        def late(): pass
    except ValueError:
        FLAG = 1
"""


def test_public_names_are_what_others_may_use() -> None:
    """Functions with parameters, members of classes, variables, imports for others."""
    assert public_names(TEXT) == {
        *("SIZE", "left", "right", "FLAG", "thing", "__all__"),
        *("run(a, *, b=1)", "late()"),
        *("Shelf", "Shelf.rows", "Shelf.sort(self)", "Shelf.__len__(self)"),
        *("__all__: run", "__all__: json", "import json"),
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SIZE = 3", ""),
        ("run(a, *, b=1)", "run(a, *, c=1)"),
        ("def sort", "def sorted_"),
        ("import json", ""),
        ("thing as thing, other", "other"),
        ('"run", ', ""),
        ("class Shelf:", "class Shelf"),
    ],
)
def test_what_takes_one_away_is_not_safe(old: str, new: str) -> None:
    """Nor is what is no Python any more."""
    assert old in TEXT
    assert not is_safe(TEXT, TEXT.replace(old, new))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = '''a\n b'''", "x = '''a\nb'''"),
        ("x: \"f'y'\" = 1", "x: \"'y'\" = 1"),
        ("def f():\n    str('a')", "def f():\n    'a'"),
        ("def f():\n    pass\n    'a'", "def f():\n    'a'"),
    ],
)
def test_what_says_something_else_is_not_safe(before: str, after: str) -> None:
    """A text in which lines have moved, or one that has become a docstring."""
    assert is_safe(before, before)
    assert not is_safe(before, after)


def test_a_default_that_cannot_be_written_is_no_hindrance() -> None:
    """Of a function that has one its names are compared."""
    text = f"def f(a, b=0x{'f' * 5000}): pass"
    assert is_safe(text, text)
    assert not is_safe(text, text.replace("a,", "c,"))


@pytest.mark.parametrize("old", [", other", "def _hidden(): pass", "local = 2", " _private"])
def test_what_nobody_may_use_may_go(old: str) -> None:
    """Private names, local ones, and imports for the module itself."""
    new = " x" if old in ("local = 2",) else " _p" if old == " _private" else ""
    assert is_safe(TEXT, TEXT.replace(old, new))
