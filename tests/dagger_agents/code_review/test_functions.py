"""The functions of a text."""

from __future__ import annotations

import pytest

from dagger_agents.code_review import functions_of

TEXT = '''\
import functools

def outer(a):
    def inner():
        return 1
    return inner

class Shelf:
    @functools.cache
    async def sort(self):
        """Sort."""

    class Row:
        def length(self): return 0

if True:
    def last():
        return [lambda: 1]
'''


def test_functions_are_found_wherever_they_are() -> None:
    """Methods, nested ones, those of nested classes and under conditions, with qualified names."""
    assert [each.qualified_name for each in functions_of(TEXT)] == [
        "outer",
        "outer.inner",
        "Shelf.sort",
        "Shelf.Row.length",
        "last",
    ]


def test_a_function_knows_its_place_and_kind() -> None:
    """First line with decorators, line of `def`, last line, source, and what it is."""
    outer, inner, sort, length, _ = functions_of(TEXT)
    assert (outer.first_line, outer.line, outer.end_line) == (3, 3, 6)
    assert (sort.first_line, sort.line, sort.end_line) == (9, 10, 11)
    assert sort.source.startswith("    @functools.cache\n    async def sort(self):\n")
    assert [each.is_async for each in (outer, sort)] == [False, True]
    assert [each.is_method for each in (outer, inner, sort, length)] == [False, False, True, True]
    assert [each.is_nested for each in (outer, inner, sort)] == [False, True, False]


def test_lines_are_those_that_python_counts() -> None:
    """A form feed or another odd character ends no line; each of the usual line ends does."""
    text = "x = 1\x0c\r\ny = '\u2028'\rdef f():\r\n    return 2\r\n"
    (found,) = functions_of(text)
    assert (found.line, found.end_line) == (3, 4)
    assert found.source == "def f():\n    return 2\n"


def test_what_is_no_python_has_none() -> None:
    """It raises, as `ast` does."""
    with pytest.raises(SyntaxError):
        functions_of("def f(:")
