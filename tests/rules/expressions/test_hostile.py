"""Expressions by somebody who means harm: each is refused, quickly, and by one error."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from math import inf
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger.rules.expressions import Template, compiled, condition
from dagger.rules.expressions.functions import FUNCTIONS
from dagger.rules.expressions.limits import (
    MAX_DEPTH,
    MAX_LOOPS,
    MAX_NESTED,
    MAX_SOURCE,
    MAX_WORK,
)
from dagger.words.errors import ExpressionError
from tests.conftest import PROVE

SCOPE: dict[str, Any] = {
    "s": "text",
    "m": {"items": {"a": 1}, "list": [1, 2, 3]},
    "n": 3,
    "rows": [{"id": each, "text": "x" * 100} for each in range(2000)],
    "long": "ab" * 400_000,
    "huge": "ab" * 4_000_000,
    "many": {f"key {each}": each for each in range(20_000)},
    "others": {f"key {each + (each == 19_999)}": each for each in range(20_000)},
    "none": None,
    "big": 10**400,
    "inf": inf,
}

QUICKLY = 5
"""Seconds of processor time: many more than are needed."""

DUNDERS = (
    "''.__class__",
    "''.__class__.__mro__[1].__subclasses__()",
    "[].__class__.__base__",
    "m.__class__.__init__.__globals__",
    "m.items()",
    "m.list.append(1)",
    "m.list.__getattribute__('append')(4)",
    "s.format(m)",
    "s.__format__",
    "s.join",
    "n.real",
    "n.__class__",
    "none.__class__",
    "m['__class__']",
    "len.__self__",
    "len.__globals__",
    "(x for x in [1]).gi_frame",
    "[x.gi_frame for x in [1]]",
    "__import__('os')",
    "__builtins__",
    "_work",
    "names",
    "functions",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "globals()",
    "getattr(m, 'items')",
    "type(m)",
    "vars()",
    "print(1)",
)

NOT_PYTHON = (
    "lambda: 1",
    "(lambda x: x)(1)",
    "x := 1",
    "(y := 1)",
    "f'{m}'",
    "f'{n:>999999999}'",
    "b'a'",
    "r'a'",
    "1j",
    "...",
    "yield 1",
    "await m",
    "import os",
    "m; n",
    "m\\\nn",
    "n = 1",
    "del m",
    "{1: 2}",
    "{1, 2}",
    "{x for x in m}",
    "{**m}",
    "[*m]",
    "len(*[m])",
    "len(**m)",
    "len(m=1)",
    "m @ n",
    "n << 100000000",
    "n >> 1",
    "n ^ 1",
    "~n.a",
    "n if",
    "[x async for x in m]",
    "[m.list for m.list in [1]]",
    "[x for m['list'] in [1]]",
    "print",
    "`n`",
    "n\0",
    "\ud800",
)

GREEDY = (
    "9 ** 9 ** 9",
    "2 ** 100000000",
    "4000000 ** 4000000",
    "1.5 ** 100000",
    "(0 - 7) ** 999999999",
    "9" * 3000,
    "1e" + "9" * 3000,
    "'a' * 1000000000",
    "[0] * 1000000000",
    "1000000000 * [0]",
    "'%1000000000d' % 1",
    "format('{0:1000000000}', 1)",
    "format('{0.__class__}', 1)",
    "format('{0[a]}', m)",
    "format('{' + '9' + '}', 1)",
    "round(1, -1000000000)",
    "range(1000000000)",
    "range(-1000000000, 1000000000)",
    "[x for x in range(10000) for y in range(10000)]",
    "[[y for y in rows] for x in rows]",
    "[x for x in rows if x in rows]",
    "[0 for x in rows if rows == rows]",
    "[0 for x in rows if many == others]",
    "[0 for x in rows if huge[1:]]",
    "[0 for x in rows if rows[1:]]",
    "[0 for x in rows if toJSON(rows)]",
    "[0 for x in rows if sum(range(1000))]",
    "[0 for x in rows if 'c' in long]",
    "[0 for x in rows if upper(long)]",
    "[0 for x in rows if long < long + 'a']",
    "[0 for x in rows if sorted([y.id for y in rows])]",
    "long + long",
    "long + long + long",
    "replace(long, 'a', long)",
    "replace('aaaaaaaaaa', 'a', long)",
    "join(rows, long)",
    "join([long, long])",
    "format('{0}{0}', long)",
    "toJSON([long, long])",
    "str([long, long])",
    "fromJSON(format('{0}{0}{0}', long))",
    "split(long, 'a') + split(long, 'b') + split(long, 'a')",
    "[b for a in [[n, n, n, n, n, n, n, n]] for b in [[a, a, a, a, a, a, a, a]]"
    " for c in [[b, b, b, b, b, b, b, b]] for d in [[c, c, c, c, c, c, c, c]]"
    " for e in [[d, d, d, d, d, d, d, d]] for f in [[e, e, e, e, e, e, e, e]]"
    " for g in [[f, f, f, f, f, f, f, f]] for h in [[g, g, g, g, g, g, g, g]] if h]"
    ".x",
    "[long for x in rows]",
    "[[long, rows] for x in rows]",
    "fromJSON('" + "[" * 1900 + "]" * 1900 + "') + 1",
)

DEEP: tuple[Callable[[int], str], ...] = (
    lambda n: "(" * n + "1" + ")" * n,
    lambda n: "[" * n + "1" + "]" * n,
    lambda n: "m" + "[m" * n + "]" * n,
    lambda n: "len(" * n + "s" + ")" * n,
    lambda n: "-" * n + "1",
    lambda n: "!" * n + "1",
    lambda n: "not " * n + "1",
    lambda n: "1" + " + 1" * n,
    lambda n: "1" + " ** 1" * n,
    lambda n: "1 < (" * n + "1" + ")" * n,
    lambda n: "1 if 1 else " * n + "1",
    lambda n: "m" + ".a" * n,
    lambda n: "m" + "[0]" * n,
    lambda n: "default(" * n + "1" + ", 1)" * n,
    lambda n: "[x for x in " * n + "m" + "]" * n,
)


def refused(text: str) -> ExpressionError:
    """The one error that a text must raise, when it is compiled or rendered."""
    with pytest.raises(ExpressionError) as raised:
        compiled(text).render(SCOPE)
    return raised.value


@pytest.mark.parametrize("expression", DUNDERS)
def test_there_is_no_way_into_python(expression: str) -> None:
    """No attribute, no method, no builtin and no frame can be reached."""
    refused(f"${{{{ {expression} }}}}")
    refused(f"a text with ${{{{ {expression} }}}} in it")
    with pytest.raises(ExpressionError):
        condition(expression).render(SCOPE)


@pytest.mark.parametrize("expression", NOT_PYTHON)
def test_what_python_can_say_besides_is_not_read(expression: str) -> None:
    """Statements, mappings, f-strings, unpacking, shifts: none of it is in the grammar."""
    refused(f"${{{{ {expression} }}}}")


@pytest.mark.parametrize("expression", GREEDY)
def test_what_would_take_long_or_much_is_refused(expression: str) -> None:
    """Powers, repeats, loops in loops and texts of texts stop at a limit, and say which."""
    start = process_time()
    refused(f"${{{{ {expression} }}}}")
    assert process_time() - start < QUICKLY


@pytest.mark.parametrize(
    "expression",
    [
        *("sum([big, 0.5])", "big + 0.5", "big ** 0.5", "big ** big", "round(inf)", "int(inf)"),
        *("inf - inf", "float(big)", "-big", "str(inf)", "big * big", "big // 0.3", "inf % 2"),
        *("format('{0}', inf)", "toJSON([inf])", "range(big)", "rows[big]", "rows[inf]"),
    ],
)
def test_numbers_that_are_in_no_message_are_refused(expression: str) -> None:
    """An infinity, or an integer of hundreds of digits, may be there, but is not worked with."""
    refused(f"${{{{ {expression} }}}}")
    assert compiled("${{ big }}").render(SCOPE) == 10**400


def test_what_is_missing_by_the_thousand_is_not_looked_for() -> None:
    """The nearest name is only looked for where somebody is told it."""
    start = process_time()
    template = compiled("${{ [default(many.nothing, x.id) for x in rows] }}")
    assert template.render(SCOPE) == [each["id"] for each in SCOPE["rows"]]
    assert process_time() - start < QUICKLY
    assert "did you mean 'key " in refused("${{ [many['kez 1'] for x in rows] }}").problem


@pytest.mark.parametrize("nested", DEEP)
@pytest.mark.parametrize("times", [MAX_DEPTH + 1, 300, 3000, 100_000])
def test_what_is_nested_too_deeply_is_refused(nested: Callable[[int], str], times: int) -> None:
    """By counting: neither Python's parser nor its stack is at its end."""
    problem = refused(f"${{{{ {nested(times)} }}}}").problem
    assert "within one another" in problem or f"{MAX_SOURCE:,} characters" in problem


def test_limits_are_as_the_page_says() -> None:
    """What is just within a limit is worked out."""
    assert compiled(f"${{{{ {'(' * MAX_DEPTH}1{')' * MAX_DEPTH} }}}}").render({}) == 1
    assert compiled(f"${{{{ 1{' + 1' * (MAX_DEPTH - 2)} }}}}").render({}) == MAX_DEPTH - 1
    assert len(compiled(f"${{{{ [x for x in range({MAX_LOOPS})] }}}}").render({})) == MAX_LOOPS
    assert compiled(f"${{{{ '{'x' * (MAX_SOURCE - 10)}' }}}}").constant
    rows = list(range(MAX_WORK // 2))
    assert compiled("${{ sum(rows) }}").render({"rows": rows}) == sum(rows)
    long = "x" * 1_000_000
    assert compiled("${{ long }}").render({"long": long}) is long
    assert len(compiled("x${{ long[1:] }}").render({"long": long})) == len(long)


def test_values_that_are_nested_without_end_are_refused() -> None:
    """A value may be as deep as it likes: it is handed on and compared, but made no text of."""
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    assert compiled("${{ deep }}").render({"deep": deep}) is deep
    assert compiled("${{ deep == [deep] }}").render({"deep": deep}) is False
    assert compiled("${{ deep in [1, deep] }}").render({"deep": deep}) is True
    for text in ("${{ toJSON(deep) }}", "see ${{ deep }}", "${{ join([deep]) }}"):
        with pytest.raises(ExpressionError, match=f"more than {MAX_NESTED} lists"):
            compiled(text).render({"deep": deep})
    circle: list[Any] = [1]
    circle.append(circle)
    for text in ("${{ toJSON(c) }}", "see ${{ c }}", "${{ c == [1, c] }}", "${{ [c] }}"):
        with pytest.raises(ExpressionError):
            compiled(text).render({"c": circle})


def test_a_text_of_json_is_as_deep_as_a_value_that_becomes_one() -> None:
    """What is just within the limit is read and written; brackets in its texts do not count."""
    for depth in (MAX_NESTED, MAX_NESTED + 1, 100_000):
        text = f'{"[" * depth}"{"[" * 300}\\"{"{" * 300}"{"]" * depth}'
        template = compiled("${{ toJSON(fromJSON(text)) }}")
        if depth == MAX_NESTED:
            assert template.render({"text": text}) == text
        else:
            with pytest.raises(ExpressionError, match=f"more than {MAX_NESTED} lists"):
                template.render({"text": text})


def test_what_holds_itself_twice_is_counted_as_long_as_its_text_would_be() -> None:
    """A value that is small, and whose text would not end, is refused without being written."""
    value: list[Any] = [1]
    for _ in range(100):
        value = [value, value]
    start = process_time()
    with pytest.raises(ExpressionError, match="a text of more than"):
        compiled("${{ toJSON(value) }}").render({"value": value})
    assert process_time() - start < QUICKLY


def test_a_stack_that_is_at_its_end_is_the_callers() -> None:
    """The same expression over the same values is refused always or never: from deep down there
    is no other error about it, but that of Python.
    """
    template = compiled(f"${{{{ {'(1 + ' * 40}1{')' * 40} }}}}")

    def down(depth: int) -> Any:
        return template.render({}) if depth == 0 else down(depth - 1)

    with pytest.raises(RecursionError):
        down(sys.getrecursionlimit() - 120)


def test_many_openings_take_no_longer_than_they_are_long() -> None:
    """A text is read once, from its beginning to its end or to the first error."""
    text = "${{ 1 }} ${" * 20_000
    assert compiled(text).render({}) == "1 ${" * 20_000
    for bad in ("${{ '", '${{ "\\', "${{" + " " * 99, "${{ " + "''" * 99):
        refused(bad * 20_000)


WORDS = (
    *("s", "m", "n", "rows", "none", "x", "y", "items", "list", "id", "__class__", "nothing"),
    *("1", "0", "2.5", "-1", "'a'", '"b"', "''", "true", "false", "null", "'{0}'", "long"),
    *("+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "!"),
    *("and", "or", "not", "in", "if", "else", "for", "(", ")", "[", "]", ",", ".", ":", "}}"),
    *(f"{name}(" for name in FUNCTIONS),
    *("for x in", "[x for x in rows if", "default(", ")", ")", "]", "]", ".", "'", '"', "{", "$"),
)

VALUES = st.recursive(
    st.sampled_from(["s", "n", "m", "none", "m.list", "m.items.a", "rows[0]", "'a'", "1", "2.5"])
    | st.sampled_from(["true", "null", "[]", "long", "m.nothing", "'7'", "big", "inf"]),
    lambda below: st.one_of(
        st.tuples(below, st.sampled_from(WORDS[24:42]), below).map(" ".join),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), st.lists(below, max_size=3)).map(
            lambda call: f"{call[0]}({', '.join(call[1])})"
        ),
        st.lists(below, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
        st.tuples(below, below).map(lambda each: f"({each[0]})[{each[1]}]"),
        st.tuples(below, below, below).map(lambda each: f"({each[0]} if {each[1]} else {each[2]})"),
        st.tuples(below, below).map(lambda each: f"[x for x in {each[0]} if {each[1]}]"),
        below.map(lambda each: f"!({each})"),
    ),
    max_leaves=8,
)

BEFORE = copy.deepcopy(SCOPE)


def error_of(make: Callable[[str], Template], text: str) -> ExpressionError | None:
    """The one error that making and rendering may raise; if none, both times the same comes out."""
    try:
        template = make(text)
        assert repr(template.render(SCOPE)) == repr(template.render(SCOPE))
    except ExpressionError as error:
        return error
    return None


def tried(text: str) -> None:
    """A text compiles and renders, or raises the one error with its place; and that is all."""
    for make in (compiled, condition):
        if error := error_of(make, text):
            assert error.text == text
            assert 0 <= error.offset <= len(text)
            assert error.problem in str(error)
    assert SCOPE == BEFORE


@settings(max_examples=1500 if PROVE else 300)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_words_in_any_order_raise_nothing_else(text: str) -> None:
    """Words of the grammar, thrown together, come to a value or to an ExpressionError."""
    tried(f"${{{{ {text} }}}}")


@settings(max_examples=1500 if PROVE else 300)
@given(VALUES)
def test_expressions_of_any_shape_raise_nothing_else(text: str) -> None:
    """Whatever the grammar can say, over values of any kind, with the scope as it was."""
    tried(f"${{{{ {text} }}}}")


@settings(max_examples=500 if PROVE else 200)
@given(st.text() | st.text("${}'\" .[]()a1\\\n").map(lambda text: f"${{{{{text}}}}}"))
def test_texts_of_any_kind_raise_nothing_else(text: str) -> None:
    """Any text at all is a template or an ExpressionError."""
    tried(text)
