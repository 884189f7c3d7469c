"""Functions that are too long, too deep, too greedy or too complex."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from dagger_agents.code_review import Complexity, Issue, Options, functions_of
from dagger_agents.code_review.numbers import magic_numbers, number_issues
from dagger_agents.code_review.smells import length_of, nesting_of, parameters_of, smells


def the(text: str) -> ast.AST:
    """The first function of a text, as `ast` knows it."""
    return functions_of(dedent(text))[0].node


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        ("pass", 0),
        ("if a: pass", 1),
        ("if a: pass\n    elif b: pass\n    else: pass", 1),
        ("if a: pass\n    else:\n        if b: pass\n        pass", 2),
        ("for a in b:\n        with c:\n            try: pass\n            finally: pass", 3),
        ("while a:\n        match b:\n            case 1:\n                if c: pass", 3),
        ("if a:\n        def g():\n            if b:\n                if c: pass", 1),
    ],
)
def test_nesting_is_that_of_blocks(body: str, depth: int) -> None:
    """An `elif` is as deep as its `if`, and functions within have a depth of their own."""
    assert nesting_of(the(f"def f(a, b, c):\n    {body}")) == depth


def test_a_docstring_is_no_length() -> None:
    """Nor are decorators: what is long is the code."""
    (found,) = functions_of('@cache\ndef f():\n    """One.\n\n    Two.\n    """\n    return 1\n')
    assert length_of(found) == 2


def test_parameters_are_what_has_to_be_given() -> None:
    """Without `self`, and without those that take what is left."""
    text = "class A:\n    def f(self, a, /, b, *more, c, **rest): pass\ndef self(self): pass\n"
    assert [parameters_of(each) for each in functions_of(text)] == [3, 1]


def test_what_is_above_a_threshold_is_an_issue() -> None:
    """What is at it is none; each says the number, and what was allowed."""
    (function,) = functions_of("def f(a, b):\n    if a:\n        return b\n    return None\n")
    options = Options(4, 1, 2, 3, 3)
    assert [*smells(function, Complexity(3, 3), options)] == []
    found = [*smells(function, Complexity(4, 4), Options(3, 0, 1, 3, 3))]
    assert [each.code for each in found] == [
        "long-function",
        "deep-nesting",
        "many-parameters",
        "cyclomatic-complexity",
        "cognitive-complexity",
    ]
    assert found[0].message == "f has 4 lines, more than 3"
    assert {(each.function, each.line) for each in found} == {("f", 1)}


def numbers(body: str) -> list[float]:
    """The magic numbers of a function with that body."""
    text = f"def f(x, y=77):\n    {body}"
    return [each.value for each in magic_numbers(ast.parse(text), text, Options())]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("return x * 86400 + 7.5", [86400, 7.5]),
        ("return x > -5", [5]),
        ("return x == 1.0 or x < 100", []),
        ("limit = 30", []),
        ("limit = -30", []),
        ("self.limit: int = 30", []),
        ("return call(x, limit=30, to=x * 30)", []),
        ("return [30, 40], {'a': 50}, (60, 70)", []),
        ("return x[3] + x[4:5]", []),
        ("return f'{x + 30}' + 'x30'", []),
        ("return True", []),
        ("return lambda z=30: z + 31", [31]),
        ("match x:\n        case 404: return 405", [405]),
    ],
)
def test_magic_numbers_are_those_that_nothing_names(body: str, found: list[float]) -> None:
    """What is assigned, passed by name, or stands in a table or an index is not magic."""
    assert numbers(body) == found


def test_outside_of_functions_there_is_no_magic() -> None:
    """A module's own numbers are settings and tables."""
    text = "x = 3 * 86400\nclass A:\n    y = 7 * 5\n"
    assert magic_numbers(ast.parse(text), text, Options()) == []


def test_each_number_is_one_issue() -> None:
    """With how often it stands there; 5 and 5.0 are two. What repeats and has a role is fixable."""
    text = "def f(x):\n    return x > 5 or x < 5 or x == 5.0 or g(7, 7)\n"
    found: list[Issue] = [*number_issues(ast.parse(text), text, Options())]
    assert [each.message for each in found] == [
        "the number 5 stands in the code twice",
        "the number 5.0 stands in the code once",
        "the number 7 stands in the code twice",
    ]
    assert [each.is_fixable for each in found] == [True, False, False]


@pytest.mark.parametrize(
    ("literal", "said"),
    [
        ("0o755", "0o755"),
        ("1_000", "1_000"),
        ("1e400", "1e400"),
        (f"0x{'f' * 5000}", f"0x{'f' * 18}..."),
    ],
)
def test_a_number_is_said_as_it_is_written(literal: str, said: str) -> None:
    """Also one that Python cannot write, or would not: it is cut, and never worked out."""
    text = f"def f(é):\n    return 'é' + é > {literal}\n"
    (found,) = number_issues(ast.parse(text), text, Options())
    assert found.message == f"the number {said} stands in the code once"
