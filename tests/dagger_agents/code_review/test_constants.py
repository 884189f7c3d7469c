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
        ("a == 0.5 or a * 0x7 + 0.5 * 7", "a == _A_0_5 or a * _A_FACTOR_7 + _A_0_5 * _A_FACTOR_7"),
        ("g(7, 7)", "g(7, 7)"),
        ("a > 7 or a < 7.0", "a > 7 or a < 7.0"),
        ("a.size == 1_000_000 != g(1000000)", "a.size == _SIZE_1000000 != g(_SIZE_1000000)"),
        ("len(a) > 7 > b", "len(a) > 7 > b"),
        ("'é', a > 7", "'é', a > 7"),
        ("g('é') + (a > 7) + (a < 7)", "g('é') + (a > _A_LIMIT_7) + (a < _A_LIMIT_7)"),
    ],
)
def test_what_is_replaced(body: str, after: str) -> None:
    """Numbers of one value and type that stand there twice, if one of them has a role."""
    found = named(f"def f(a, b, g):\n    return {body}\n")
    assert found.endswith(f"def f(a, b, g):\n    return {after}\n")
    ast.parse(found)


def test_no_name_is_taken_that_is_there() -> None:
    """Whatever it is the name of, in whichever scope."""
    text = "def f(a, _A_LIMIT_7):\n    global _A_LIMIT_7_\n    return a > 7 or a < 7\n"
    assert "_A_LIMIT_7__ = 7\n" in named(text)


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
    found = improve(text, review)
    assert found == text or "_A_LIMIT_7 or a < _A_LIMIT_7" in found
    assert review_source(found).score >= review.score
