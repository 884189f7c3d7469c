"""What templates render to, and what they refer to."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.expressions import Known, check, compiled, condition, escaped, problems
from dagger.words.errors import ExpressionError

ITEMS = [{"id": 7, "amount": 2.5, "from": "Ada"}, {"id": 8, "amount": 1, "from": "Bo"}]
SCOPE: dict[str, Any] = {
    "steps": {"fetch": {"output": {"items": ITEMS, "keys": "k", "get": None}}, "log-in": {"n": 1}},
    "inputs": {"month": "2026-03", "dry": False, "none": None, "text": "${{ inputs.month }}"},
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=12,
)


def rendered(value: Any, scope: Mapping[str, Any] = SCOPE) -> Any:
    """What a value renders to."""
    return compiled(value).render(scope)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$ { } {{ }} $${", "$ { } {{ }} $${"),
        ("${{ steps.fetch.output.items[0].id }}", 7),
        ("${{steps.fetch.output.items[-1].id}}", 8),
        ("${{\n  steps\n  .fetch\n  .output . keys }}", "k"),
        ("${{ steps['log-in']['n'] }}", 1),
        ('${{ steps["log-in"].n }}', 1),
        ("${{ steps.fetch.output['items'][1]['from'] }}", "Bo"),
        ("${{ inputs.none }}", None),
        ("${{ inputs.dry }}", False),
        (" ${{ inputs.dry }}", " false"),
        ("${{ inputs.month }}.pdf", "2026-03.pdf"),
        ("${{ inputs.none }}, ${{ 1.5 }}, ${{ [true] }}", "null, 1.5, [true]"),
        ("is ${{ steps.fetch.output.items[0] }}", f"is {json.dumps(ITEMS[0])}"),
        ("${{ inputs.text }}", "${{ inputs.month }}"),
        ("${{ inputs.text }}!", "${{ inputs.month }}!"),
        ("${{ '${{' }} x }}", "${{ x }}"),
        ("${{ 'it''s }}' }}", "it's }}"),
        (r"""${{ "a\"b\n" }}""", 'a"b\n'),
        (r"${{ 'a\n' }}", r"a\n"),
        ("${{ 'ä' + \"\\u00e4\" }}", "ää"),
        ([{"a": ["${{ 1 }}", 2]}, ("${{ 'b' }}",)], [{"a": [1, 2]}, ["b"]]),
        ({"items": "${{ inputs.month }}", "n": None}, {"items": "2026-03", "n": None}),
    ],
)
def test_what_a_template_renders_to(text: Any, value: Any) -> None:
    """A whole expression is its value, of its type; any other text is a text."""
    found = rendered(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("key", ["items", "keys", "get", "values", "pop", "from", "class", "for"])
def test_any_word_is_a_key(key: str) -> None:
    """What Python has as a method of mappings, or as a word of its own, is a key like others."""
    assert rendered(f"${{{{ data.{key} }}}}", {"data": {key: 1}}) == 1
    assert rendered(f"${{{{ data.{key}.x }}}}", {"data": {key: {"x": 2}}}) == 2


@given(JSON)
def test_a_path_leads_to_the_very_value(value: Any) -> None:
    """What a whole path leads to is not copied, and not looked through."""
    assert rendered("${{ a.b[0] }}", {"a": {"b": [value]}}) is value
    assert rendered("${{ a || a }}", {"a": value}) is value
    assert rendered({"x": "${{ a }}"}, {"a": value})["x"] is value


@given(JSON)
def test_in_a_text_a_value_is_its_json(value: Any) -> None:
    """A text stays as it is, and anything else is JSON that reads as the same value."""
    text = rendered("${{ a }} ", {"a": value})[:-1]
    assert text == value if isinstance(value, str) else json.loads(text) == value


@given(st.text() | st.text("${} '").map("${{".join))
def test_what_is_escaped_renders_to_itself(text: str) -> None:
    """Any text can be said, whatever it contains."""
    template = compiled(escaped(text))
    assert template.constant
    assert template.render({}) == text


@given(JSON)
def test_what_is_without_expressions_stays(value: Any) -> None:
    """A template of plain values renders to an equal one, and never to the same list."""
    if "${{" in json.dumps(value):
        return
    template = compiled(value)
    assert template.constant
    assert template.render({}) == value
    if isinstance(value, list | dict):
        assert template.render({}) is not template.render({})


def test_rendering_changes_nothing() -> None:
    """Neither the scope nor the template, also where the scope would make what it lacks."""
    scope = {"d": defaultdict(list, a=[3, 1]), "inputs": MappingProxyType({"x": {}})}
    before = copy.deepcopy(scope["d"])
    template = compiled("${{ [sorted(d.a), reversed(d.a), default(d.b, 0), inputs.x] }}")
    assert template.render(scope) == template.render(scope) == [[1, 3], [1, 3], 0, {}]
    assert scope["d"] == before


def test_what_was_compiled_may_change_afterwards() -> None:
    """A template is of the value as it was when it was compiled."""
    value = {"a": ["${{ 1 }}"]}
    template = compiled(value)
    value["a"].append("more")
    assert template.render({}) == {"a": [1]}


def paths(text: Any) -> list[tuple[str | int, ...]]:
    """The paths that a template refers to."""
    return [each.path for each in compiled(text).references]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("steps.fetch.output.items[0].id", [("steps", "fetch", "output", "items", 0, "id")]),
        ("a[-1]['x y'].b", [("a", -1, "x y", "b")]),
        ("steps[inputs.which].id", [("steps",), ("inputs", "which")]),
        ("a[b[c.d].e].f", [("a",), ("b",), ("c", "d")]),
        ("a.b[1:c].d", [("a", "b"), ("c",)]),
        (
            "[x.id for x in steps.a.items if x.n > inputs.n]",
            [("steps", "a", "items"), ("inputs", "n")],
        ),
        ("any(y.ok for x in a for y in x.b)", [("a",)]),
        ("len(a) + len([b, 'c'])", [("a",), ("b",)]),
        ("a.x if b else c", [("a", "x"), ("b",), ("c",)]),
        ("len('x')", []),
        ("true", []),
        ("(a.b).c", [("a", "b", "c")]),
        ("[a][0].c", [("a",)]),
    ],
)
def test_what_an_expression_refers_to(expression: str, found: list[Any]) -> None:
    """Names and the parts that are written down, in order; not what a loop names."""
    assert paths(f"${{{{ {expression} }}}}") == found
    assert compiled(f"${{{{ {expression} }}}}").constant is (not found)


def test_a_reference_says_where_it_stands() -> None:
    """In which text of the value, and where in it each part begins."""
    text = "x ${{ steps.a['b'].c + inputs.m }}"
    first, second = compiled({"with": ["", text]}).references
    assert first.text == text
    assert first.at == second.at == ("with", 1)
    assert [text[each:][:3] for each in first.offsets] == ["ste", "a['", "'b'", "c +"]
    assert first.offset == 6
    assert [text[each:] for each in second.offsets] == ["inputs.m }}", "m }}"]


KNOWN: Known = {"steps": {"fetch": {"output": None}}, "inputs": {"month"}, "item": None}


@pytest.mark.parametrize(
    ("text", "problem", "offset"),
    [
        ("${{ stepz.fetch }}", "no name 'stepz' here; did you mean 'steps'?", 4),
        ("${{ steps.fetsh.output }}", "steps has no 'fetsh'; did you mean 'fetch'?", 10),
        ("${{ steps.fetch.outptu }}", "steps.fetch has no 'outptu'; did you mean 'output'?", 16),
        ("-${{ 1 + inputs['mnth'] }}", "inputs has no 'mnth'; did you mean 'month'?", 16),
        ("${{ len(zzz) }}", "no name 'zzz' here; there are 'steps', 'inputs', 'item'", 8),
    ],
)
def test_unknown_names_are_found_before_anything_runs(text: str, problem: str, offset: int) -> None:
    """Where names are known, one that is not is an error with its place and the nearest one."""
    with pytest.raises(ExpressionError) as raised:
        check(compiled([text]), KNOWN)
    error = raised.value
    assert (error.text, error.problem, error.offset, error.at) == (text, problem, offset, (0,))


def test_all_unknown_names_are_told_at_once() -> None:
    """`problems` has one error for each reference that leads nowhere, in order."""
    template = compiled({"a": "${{ x + steps.fetch.output.y }}", "b": "${{ item.z + y }}"})
    assert [each.problem[:11] for each in problems(template, KNOWN)] == [
        "no name 'x'",
        "no name 'y'",
    ]
    check(compiled("${{ steps.fetch.output.anything + item[0] + steps[item] }}"), KNOWN)
    check(compiled("${{ a.b }}"), {"a"})


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("inputs.month == '2026-03'", True),
        ("${{ inputs.month == '2026-03' }}", True),
        ("  ${{ !inputs.dry }}\n", True),
        ("inputs.none", False),
        ("''", False),
        ("'false'", True),
        ("0", False),
        ("0.0", False),
        ("0.1", True),
        ("[]", False),
        ("[0]", True),
        ("steps", True),
        ("fromJSON('{}')", False),
        ("inputs.dry || steps.fetch.output.items", True),
        ("not (inputs.dry and true)", True),
    ],
)
def test_what_holds(text: str | bool, holds: bool) -> None:
    """A condition is true or false, by what it says on the page."""
    assert condition(text).render(SCOPE) is holds


@pytest.mark.parametrize(
    ("text", "problem", "offset"),
    [
        ("${{ a }} == 'x'", "a condition is one expression", 8),
        ("${{ a }} ${{ b }}", "a condition is one expression", 8),
        ("a == ${{ b }}", "an expression within an expression", 5),
        ("a }}", "an expression ends with }}", 2),
        ("", "there is no expression", 0),
        (None, "a condition is an expression", 0),
    ],
)
def test_what_is_no_condition(text: Any, problem: str, offset: int) -> None:
    """A text around the braces would always be true: it is refused."""
    with pytest.raises(ExpressionError, match=problem) as raised:
        condition(text)
    assert raised.value.offset == offset


def test_a_condition_refers_and_is_checked_like_any_template() -> None:
    """Its references are those of its expression, with or without braces."""
    for text in ("steps.fetsh.ok", " ${{ steps.fetsh.ok }}"):
        template = condition(text)
        (reference,) = template.references
        assert text[reference.offset :].startswith("steps.fetsh")
        with pytest.raises(ExpressionError, match="did you mean 'fetch'"):
            check(template, KNOWN)


@pytest.mark.parametrize(
    ("expression", "problem", "place"),
    [
        (
            "steps.fetch.outptu.items",
            "steps.fetch has no 'outptu'; did you mean 'output'?",
            "outptu",
        ),
        ("steps.fetch.output.items[2].id", "steps.fetch.output.items is a list of 2 and", "2]"),
        ("steps.fetch.output.items.id", "is a list, whose places are whole numbers", "id"),
        ("inputs.none.x", "inputs.none is null and has nothing in it; default", "x"),
        ("inputs.dry.x", "inputs.dry is a boolean and has nothing in it", "x"),
        ("inputs.month.upper", "inputs.month is a text, whose places are", "upper"),
        ("inputs[0]", "inputs is a mapping, whose keys are texts; 0 is none", "0]"),
        ("input.month", "no name 'input' here; did you mean 'inputs'?", "input."),
        ("1 + [steps.fetsh]", "steps has no 'fetsh'; did you mean 'fetch'?", "fetsh"),
        ("inputs.month[1:'x']", "inputs.month is a text; a slice of it", "1:"),
    ],
)
def test_what_is_not_there(expression: str, problem: str, place: str) -> None:
    """An error says which part of the path leads nowhere, and what is there instead."""
    text = f"see ${{{{ {expression} }}}}"
    with pytest.raises(ExpressionError) as raised:
        rendered(text)
    assert problem in raised.value.problem
    assert text[raised.value.offset :].startswith(place)
    assert raised.value.text == text
    assert raised.value.problem in str(raised.value)


def test_errors_never_repeat_a_value() -> None:
    """What may be a secret is not told, neither as a value nor as a key that was worked out."""
    scope = {"s": "hunter2", "m": {"a": 1, "hunter": 2}, "l": [1], "n": 271828}
    for expression in (
        *("m[s]", "l[n]", "l[s]", "s.x", "int(s)", "float(s)", "s + 1", "s < 1", "s * 2", "-s"),
        *("fromJSON(s)", "format(s + '{9}')", "sum([s])", "round(s)", "s in n", "[x for x in n]"),
        *("n ** 70", "m[n]", "range(n)", "keys(s)", "s[n]", "split(s, '')"),
    ):
        with pytest.raises(ExpressionError) as raised:
            rendered(f"${{{{ {expression} }}}}", scope)
        assert "hunter" not in str(raised.value)
        assert "271828" not in str(raised.value)
        assert raised.value.__context__ is None or raised.value.__suppress_context__


def test_of_long_texts_and_long_keys_an_error_tells_a_part() -> None:
    """What is around the place is shown, and of keys those that fit into a sentence."""
    text = f"{'a' * 1000} ${{{{ m.kez }}}} {'b' * 1000}"
    with pytest.raises(ExpressionError) as raised:
        rendered(text, {"m": {"key" * 1000: 1, "key": 1}})
    assert raised.value.text == text
    assert raised.value.problem == "m has no 'kez'; did you mean 'key'?"
    assert "a ${{ m.kez }} b" in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_key_with_an_expression_is_refused() -> None:
    """Nobody would work it out, so it is an error and no surprise later."""
    with pytest.raises(ExpressionError, match="keys are not worked out") as raised:
        compiled({"a": [{"x ${{ b }}": 1}]})
    assert (raised.value.text, raised.value.offset, raised.value.at) == ("x ${{ b }}", 2, ("a", 0))


def test_a_value_that_is_too_deep_is_refused() -> None:
    """So is one that contains itself."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ExpressionError, match="nested deeper than 64"):
        compiled(circle)


def test_what_is_no_value_of_json_is_refused_where_it_is_met() -> None:
    """An object of Python is neither handed on nor looked into."""
    for expression in ("o", "[o]", "o.real", "o == 1", "m.o", "x in m || o", "default(o, 1)"):
        with pytest.raises(ExpressionError, match="a complex is no value of JSON"):
            rendered(f"${{{{ {expression} }}}}", {"o": 1j, "m": {"o": 1j}, "x": "y"})
    with pytest.raises(ExpressionError, match="no value of JSON"):
        rendered("see ${{ m }}", {"m": {"o": 1j}})


def test_the_evaluator_is_loaded_on_first_use() -> None:
    """The library is there once something is worked out that is more than a path."""
    program = (
        "import sys\n"
        "from dagger.rules.expressions import compiled\n"
        "path, more = compiled('x ${{ a[0].b }}'), compiled('${{ 1 + 1 }}')\n"
        "print(path.render({'a': [{'b': 2}]}), 'simpleeval' in sys.modules)\n"
        "print(more.render({}), 'simpleeval' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == ["x 2 False", "2 True"]
