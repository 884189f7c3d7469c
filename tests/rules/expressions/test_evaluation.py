"""What operators and functions do."""

from __future__ import annotations

from typing import Any

import pytest

from dagger.rules.expressions import compiled
from dagger.rules.expressions.functions import FUNCTIONS
from dagger.words.errors import ExpressionError
from tests.docs.pages import DOCS

SCOPE: dict[str, Any] = {
    "n": 3,
    "t": "text",
    "empty": None,
    "rows": [{"id": 2, "tags": ["a", "b"]}, {"id": 1, "tags": []}],
    "m": {"b": 2, "a": 1},
}


def value(expression: str) -> Any:
    """What an expression comes to."""
    return compiled(f"${{{{ {expression} }}}}").render(SCOPE)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3.5),
        ("7 // 2", 3),
        ("-7 % 3", 2),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("1e3", 1000.0),
        ("-n + +n", 0),
        ("'a' + t", "atext"),
        ("[1] + [2]", [1, 2]),
        ("1 == 1.0", True),
        ("1 == true", False),
        ("0 != false", True),
        ("null == false", False),
        ("'a' == 'A'", False),
        ("[1, 'x'] == [1.0, 'x']", True),
        ("[1] == [true]", False),
        ('m == fromJSON(\'{"a": 1, "b": 2}\')', True),
        ('m == fromJSON(\'{"a": 1, "c": 2}\')', False),
        ("rows == rows", True),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("'a' < 'b'", True),
        ("2 >= 2 && 2 <= 2 && !(2 > 2)", True),
        ("'ex' in t", True),
        ("'ex' not in t", False),
        ("1 in [1.0]", True),
        ("1 in [true]", False),
        ("'a' in m", True),
        ("not 1 == 2", True),
        ("!n == false", True),
        ("empty || t || n", "text"),
        ("n && t", "text"),
        ("empty && empty.x", None),
        ("true or nothing.at.all", True),
        ("'yes' if n > 2 else 'no'", "yes"),
        ("t[0] + t[-1] + t[1:3] + t[:1] + t[2:]", "ttextxt"),
        ("rows[0:1][0].id", 2),
        ("[1, 2, 3][::-1]", [3, 2, 1]),
        ("[row.id for row in rows]", [2, 1]),
        ("[row.id for row in rows if row.id > 1 if true]", [2]),
        ("[tag for row in rows for tag in row.tags]", ["a", "b"]),
        ("[[c + tag for tag in row.tags] for row in rows for c in ['x']]", [["xa", "xb"], []]),
        ("[x for x in m] + [x for x in 'ab']", ["b", "a", "a", "b"]),
        ("[m for m in [1]] == [1]", True),
        ("[]", []),
        ("len([row for row in rows if any(tag == 'b' for tag in row.tags)])", 1),
    ],
)
def test_operators_and_loops(expression: str, expected: Any) -> None:
    """Numbers, texts, lists, comparisons, conditions and loops come to what they say."""
    found = value(expression)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("len(t) + len(rows) + len(m)", 8),
        ("int('42') + int(2.9) + int(true) + int(' -1 ')", 44),
        ("float('1.5') + float(2)", 3.5),
        ("str(1) + str('a') + str(null) + str([1])", "1anull[1]"),
        ("bool('') || bool('x')", True),
        ("min(3, 1, 2)", 1),
        ("min(['b', 'a'])", "a"),
        ("max([1, 2.5])", 2.5),
        ("sum([1, 2.5])", 3.5),
        ("sum([])", 0),
        ("sum(row.id for row in rows)", 3),
        ("abs(-3)", 3),
        ("round(2.567, 2)", 2.57),
        ("round(2.6)", 3),
        ("round(1234, -2)", 1200),
        ("sorted([3, 1, 2])", [1, 2, 3]),
        ("reversed(sorted(['b', 'a']))", ["b", "a"]),
        ("any([0, 1])", True),
        ("all([0, 1])", False),
        ("all([])", True),
        ("range(3)", [0, 1, 2]),
        ("range(1, 3)", [1, 2]),
        ("range(3, 1)", []),
        ("keys(m)", ["b", "a"]),
        ("values(m)", [2, 1]),
        ("lower('ÄB') + upper('ß') + trim(' x ')", "äbSSx"),
        ("split('a,b')", ["a", "b"]),
        ("split('a - b', ' - ')", ["a", "b"]),
        ("replace('aaa', 'aa', 'b')", "ba"),
        ("join([1, 'a', null])", "1,a,null"),
        ("join([], '-') + join(['x', 'y'], '-')", "x-y"),
        ("contains('Hello', 'ell')", True),
        ("contains('Hello', 'ELL')", False),
        ("contains('a1', 1)", True),
        ("contains([1, 2], 2)", True),
        ("contains(m, 'b')", True),
        ("startsWith(t, 'te') && endsWith(t, 'xt')", True),
        ("format('{0}-{1}-{0} {{{1}}} {{}}', 'a', 1)", "a-1-a {1} {}"),
        ("format('plain')", "plain"),
        ("format('{0}', '{1}')", "{1}"),
        ("toJSON(m)", '{"b": 2, "a": 1}'),
        ("toJSON('ä')", '"ä"'),
        ("fromJSON('[1, 2.5, null, {\"a\": true}]')", [1, 2.5, None, {"a": True}]),
        ("fromJSON(toJSON(rows)) == rows", True),
        ("default(empty, 1)", 1),
        ("default(0, 1)", 0),
        ("default(m.x, 1)", 1),
        ("default(m.x.y.z, 1)", 1),
        ("default(rows[7].id, 'none')", "none"),
        ("default(empty.x, 2)", 2),
        ("default(m.a, nothing.at.all)", 1),
        ("default(default(m.x, m.y), 3)", 3),
    ],
)
def test_functions(expression: str, expected: Any) -> None:
    """Each function does what the page says."""
    found = value(expression)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("1 + 'a'", "a number and a text do not go together with +; str()"),
        ("true + 1", "a boolean and a number do not go together with +"),
        ("t * 3", "a text and a number do not go together with *; int()"),
        ("'%s' % 1", "do not go together with %"),
        ("m - m", "a mapping and a mapping do not go together with -"),
        ("1 / 0", "divides by zero"),
        ("1 % 0", "divides by zero"),
        ("0 ** -1", "divides by zero"),
        ("1e308 * 10", "no message can carry"),
        ("(-8) ** 0.5", "no message can carry"),
        ("2 ** 64", "no message can carry"),
        ("-(2 ** 63) - 1", "no message can carry"),
        ("18446744073709551616", "this number is too large"),
        ("1e999", "this number is too large"),
        ("-t", "- comes before a number; this is a text"),
        ("1 < 'a'", "a number and a text cannot be compared"),
        ("m < m", "a mapping and a mapping cannot be compared"),
        ("null >= null", "null and null cannot be compared"),
        ("1 in 2", "nothing is in a number"),
        ("1 in t", "a text has texts in it; this is a number"),
        ("[x for x in n]", "a loop goes through a list"),
        ("[x for x in null]", "a loop goes through a list"),
        ("[n for n in rows if n] + [n]", "'n' is a name already"),
        ("[[x for x in [1]] for x in rows]", "'x' is a name already"),
        ("[x for x, y in rows]", "a loop has one name"),
        ("len(1)", "len() takes a text or a list or a mapping; this is a number"),
        ("len()", "len() takes 1 value; here are 0"),
        ("round(1, 2, 3)", "round() takes 1 or 2 values; here are 3"),
        ("format()", "format() takes at least 1 value"),
        ("int('x')", "this text is none"),
        ("int('1_0')", "this text is none"),
        ("float('nan')", "no message can carry"),
        ("min([])", "min() of an empty list"),
        ("max(1, 'a')", "compares numbers or texts, all of one kind; here are number and text"),
        ("sorted(rows)", "compares numbers or texts, all of one kind; here are mapping"),
        ("sum(['a'])", "sum() takes a number; this is a text"),
        ("round(1, 1.5)", "digits from -20 to 20"),
        ("range(1.5)", "whole numbers"),
        ("split('a', '')", "at least one character"),
        ("replace('a', '', 'b')", "at least one character"),
        ("format('{1}', 1)", "format() has 1 values here, and none for {1}"),
        ("format('{', 1)", "{{ and }} for single braces"),
        ("format('{0.real}', 1)", "{{ and }} for single braces"),
        ("fromJSON('{')", "this text is none"),
        ("fromJSON('NaN')", "this text is none"),
        ("fromJSON('1e999')", "no message can carry"),
        ("default(nothing, 1)", "no name 'nothing' here"),
        ("default(1 / 0, 1)", "divides by zero"),
        ("default(m.a.b, 1)", "m.a is a number and has nothing in it"),
        ("strr(1)", "no function 'strr'; did you mean 'str'?"),
        ("t.upper()", "only functions can be called"),
        ("len(t)()", "only functions can be called"),
    ],
)
def test_what_operators_and_functions_refuse(expression: str, problem: str) -> None:
    """Nothing is converted in silence: an error says what came and what is taken."""
    with pytest.raises(ExpressionError) as raised:
        value(expression)
    assert problem in raised.value.problem


@pytest.mark.parametrize(
    ("text", "problem", "offset"),
    [
        ("${{ }}", "there is no expression here", 3),
        ("a ${{ b", "this expression does not end", 2),
        ("${{ 1 + }}", "does not read as an expression", 6),
        ("${{ (1 }}", "does not read as an expression", 4),
        ("${{ 1) }}", "does not read as an expression", 5),
        ("${{ 1 2 }}", "does not read as an expression", 6),
        ("${{ a = 1 }}", "equality is ==", 6),
        ("${{ a & b }}", "or the word and", 6),
        ("${{ a | b }}", "or the word or", 6),
        ("${{ 'a }}", "this text does not end", 4),
        ('${{ "a }}', "this text does not end", 4),
        (r'${{ "\x41" }}', "may follow a \\ in a text", 4),
        ("${{ 'a' 'b' }}", "two texts side by side", 8),
        ("${{ {} }}", "a mapping cannot be written", 4),
        ("${{ # x }}", "no comments", 4),
        ("${{ a ? b : c }}", "'?' is nothing that an expression can say", 6),
        ("${{ a.*.b }}", "a key follows a dot", 5),
        ("${{ .a }}", "a dot comes between", 4),
        ("${{ 1 + .a }}", "a dot comes between", 8),
        ("${{ not .a }}", "a dot comes between", 8),
        ("${{ 1.a }}", "a dot comes between", 5),
        ("${{ lambda: 1 }}", "'lambda' is no word of expressions", 4),
        ("${{ a is None }}", "'is' is no word of expressions", 6),
        ("${{ (1, 2) }}", "a list is written as [1, 2]", 4),
        ("${{ len(*a) }}", "nothing that an expression can say", 8),
        ("${{ ä }}", "'ä' is nothing that an expression can say", 4),
    ],
)
def test_what_is_no_expression(text: str, problem: str, offset: int) -> None:
    """An error says where reading stopped, and what would be right."""
    with pytest.raises(ExpressionError) as raised:
        compiled(text)
    assert problem in raised.value.problem
    assert raised.value.offset == offset


def test_the_page_names_every_function() -> None:
    """docs/expressions.md has a row for each function, and for none that there is not."""
    page = (DOCS / "expressions.md").read_text("utf-8")
    table = page.partition("## Functions")[2].partition("\n## ")[0]
    rows = [
        line.split("(")[0].strip("| `") for line in table.splitlines() if line.startswith("| `")
    ]
    assert sorted(rows) == sorted(FUNCTIONS)
