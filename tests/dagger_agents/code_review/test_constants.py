"""Constants for numbers that stand in the code more than once."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from dagger_agents.code_review import improve, review_source
from dagger_agents.code_review.transformations.constants import with_constants


def named(text: str) -> str:
    """A text with constants."""
    text = dedent(text)
    return with_constants(text, review_source(text))


def test_a_number_gets_a_name_below_the_imports() -> None:
    """Of what it is compared or counted with; it stands before all that uses it."""
    text = '''\
        """Ages."""

        from __future__ import annotations
        import os


        def old(age, é, status):
            return "é" < é or -86400 > age or (status == 404)
        # between
        def older(age): return age < 86400 and os.stat(age) == 405 or age * 3
    '''
    assert named(text) == dedent(text).replace(
        "import os\n", "import os\n\n_AGE_LIMIT_86400 = 86400\n"
    ).replace("-86400 >", "-_AGE_LIMIT_86400 >").replace("< 86400", "< _AGE_LIMIT_86400")


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ("a > 7 or b < 7", "a > _A_LIMIT_7 or b < _A_LIMIT_7"),
        ("a > -7 or b < (7)", "a > -_B_LIMIT_7 or b < (_B_LIMIT_7)"),
        ("a == .5 or a * 7 + .5 * 7", "a == _A__5 or a * _A_FACTOR_7 + _A__5 * _A_FACTOR_7"),
        ("g(7, 7)", "g(7, 7)"),
        ("a > 7 or a < 7.0", "a > 7 or a < 7.0"),
        ("a.size == 1_000 != g(1_000)", "a.size == _SIZE_1_000 != g(_SIZE_1_000)"),
        ("a.size == 127 != g(0x7F)", "a.size == 127 != g(0x7F)"),
        ("len(a) > 7 > b", "len(a) > 7 > b"),
        ("'é', a > 7", "'é', a > 7"),
        ("g('é') + (a > 7) + (a < 7)", "g('é') + (a > _A_LIMIT_7) + (a < _A_LIMIT_7)"),
    ],
)
def test_what_is_replaced(body: str, after: str) -> None:
    """Numbers that stand there twice in the same letters, if one of them has a role."""
    found = named(f"def f(a, b, g):\n    return {body}\n")
    assert found.endswith(f"def f(a, b, g):\n    return {after}\n")
    ast.parse(found)


@pytest.mark.parametrize(
    "literal", ["0o755", "0O17", "0xFF", "0b1011", "1_000", "1e400", "1E3", ".5", "5.", "1" * 20]
)
def test_a_constant_is_written_as_the_number_was(literal: str) -> None:
    """That of the first place: 0o755 says more than 493."""
    found = named(f"def f(a):\n    return a > {literal} or a < {literal} \n")
    name, _, value = found.splitlines()[0].partition(" = ")
    assert value == literal
    assert found.endswith(f"return a > {name} or a < {name} \n")


def test_a_number_that_nobody_can_read_gets_no_name() -> None:
    """It would be as long; and neither does it disturb the others, wherever it stands."""
    long = f"0x{'f' * 5000}"
    text = f"def f(a, b={long}):\n    return a > {long} or a < {long} or a > 7 or a < 7\n"
    assert f"return a > {long} or a < {long} or a > _A_LIMIT_7 or a < _A_LIMIT_7" in named(text)
    improved, review = improve(text, review_source(text))
    assert ("_A_LIMIT_7 = 7" in improved, review.problems) == (True, ())


def test_no_name_is_taken_that_is_there() -> None:
    """Whatever it is the name of, in whichever scope."""
    text = "def f(a, _A_LIMIT_7):\n    global _A_LIMIT_7_\n    return a > 7 or a < 7\n"
    assert "_A_LIMIT_7__ = 7\n" in named(text)


def test_no_name_is_one_that_a_class_would_change() -> None:
    """Two underscores at its beginning would be another name within a class."""
    text = "class A:\n    def f(self, _):\n        return _ == 7 or _ == 7\n"
    assert "return _ == _NUMBER_7 or _ == _NUMBER_7\n" in named(text)


def test_where_names_are_listed_there_are_no_new_ones() -> None:
    """They would be in the list."""
    text = "def f(a):\n    return a > 7 or a < 7\nnames = [*globals()]\n"
    assert named(text) == text


def test_what_need_not_be_named_is_left_alone() -> None:
    """Defaults, patterns and texts keep their numbers."""
    text = """\
        def f(a, b=77):
            match a:
                case 77:
                    return f"{a > 77}"
                case _:
                    return a == 77
    """
    assert named(text) == dedent(text)


def test_a_number_against_a_word_stays_python() -> None:
    """Where the name would run into what stands next to it the text is left alone."""
    text = "def f(a):\n    return a > 7or a < 7\n"
    review = review_source(text)
    found, _ = improve(text, review)
    assert found == text or "_A_LIMIT_7 or a < _A_LIMIT_7" in found
    assert review_source(found).score >= review.score
