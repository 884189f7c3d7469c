"""Whether a publisher can serve a subscriber, told from their schemas."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from dagger.rules.compat import Answer, Serves, serves
from dagger.rules.schema import schema
from dagger.rules.validators import compiled

INTEGER: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
TEXT: dict[str, Any] = {"type": "string"}
NULL: dict[str, Any] = {"type": "null"}
SEVEN = "http://json-schema.org/draft-07/schema#"


def record(**properties: Any) -> dict[str, Any]:
    """An object that has all of these properties."""
    return {"type": "object", "properties": properties, "required": [*properties]}


def array(items: Any, least: int = 0) -> dict[str, Any]:
    """An array of at least that many."""
    return {"type": "array", "items": items, "minItems": least}


def node(value: dict[str, Any]) -> dict[str, Any]:
    """A linked list of such values, each node optional."""
    inner = record(value=value, next={"anyOf": [NULL, {"$ref": "#/$defs/node"}]})
    return {"$defs": {"node": inner}, "$ref": "#/$defs/node"}


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (TEXT, True),
        (TEXT, {}),
        (True, {"title": "Anything", "description": "at all"}),
        (INTEGER, NUMBER),
        (record(a=INTEGER), {"type": "object"}),
        ({"anyOf": [INTEGER, NULL]}, {"type": ["null", "number", "string"]}),
        ({"enum": [1, 2.0]}, INTEGER),
        (node(TEXT), {"type": "object", "title": "Map"}),
        (record(a=INTEGER), {"required": ["a"], "properties": {"a": INTEGER}, "type": "object"}),
    ],
)
def test_what_plainly_fits_is_a_yes(sent: Any, taken: Any) -> None:
    """Equal schemas fit, and so does anything a schema that only asks for kinds allows."""
    assert serves(sent, taken) == Serves(Answer.YES)


@pytest.mark.parametrize(
    ("sent", "taken", "path", "reason"),
    [
        (INTEGER, TEXT, "$", "the publisher sends integer, the subscriber takes string"),
        (NUMBER, {"type": ["null", "string"]}, "$", "sends number, the subscriber takes null or"),
        ({"anyOf": [INTEGER, TEXT]}, NULL, "$", "sends integer, the subscriber takes null"),
        ({"enum": ["a", "b"]}, {"enum": ["c", 1]}, "$", 'one of ["a", "b"], the subscriber takes'),
        ({"const": True}, {"const": 1}, "$", "sends boolean, the subscriber takes integer"),
        ({"const": [1, True]}, {"const": [1, 1]}, "$", "sends one of [[1, true]]"),
        (INTEGER, False, "$", "the subscriber's schema allows nothing"),
        (False, TEXT, "$", "the publisher's schema allows nothing"),
        (record(a=INTEGER), record(b=INTEGER), "$", "requires 'b', which the publisher never"),
        (
            {"type": "object", "additionalProperties": False},
            {"required": ["b"], "type": "object"},
            "$",
            "the subscriber requires 'b', which the publisher never declares",
        ),
        (
            {"type": ["object", "null"], "properties": {"a": INTEGER}},
            record(b=TEXT),
            "$",
            "the subscriber requires 'b', which the publisher never declares",
        ),
        (record(a=INTEGER), record(a=TEXT), "$.a", "sends integer, the subscriber takes string"),
        (
            {"type": "object", "properties": {"a": INTEGER}},
            record(a=TEXT),
            "$.a",
            "sends integer, the subscriber takes string",
        ),
        (
            {"type": "object", "additionalProperties": INTEGER},
            record(a=TEXT),
            "$.a",
            "sends integer, the subscriber takes string",
        ),
        (
            record(a=INTEGER),
            {"type": "object", "properties": {"b": TEXT}, "additionalProperties": False},
            "$",
            "the subscriber forbids 'a', which the publisher always sends",
        ),
        (
            record(a=array(record(b=NUMBER), 1)),
            record(a=array(record(b=TEXT))),
            "$.a[0].b",
            "sends number, the subscriber takes string",
        ),
        (
            {"type": "array", "prefixItems": [TEXT, TEXT], "minItems": 2},
            {"type": "array", "prefixItems": [TEXT, INTEGER]},
            "$[1]",
            "sends string, the subscriber takes integer",
        ),
        (
            {"$schema": SEVEN, "type": "array", "items": [TEXT], "additionalItems": NULL},
            {"$schema": SEVEN, "type": "array", "items": [TEXT, TEXT], "minItems": 2},
            "$[1]",
            "sends null, the subscriber takes string",
        ),
        (
            {"allOf": [record(a=INTEGER), record(b=TEXT)]},
            record(a=INTEGER, b=INTEGER),
            "$.b",
            "sends string, the subscriber takes integer",
        ),
        (
            {"anyOf": [record(kind={"const": "a"}), record(kind={"const": "b"})]},
            {"oneOf": [record(kind={"const": "c"}), record(kind={"const": "d"})]},
            "$.kind",
            'the publisher sends one of ["a"], the subscriber takes one of ["c"]',
        ),
        (node(TEXT), node(INTEGER), "$.value", "sends string, the subscriber takes integer"),
    ],
)
def test_what_cannot_fit_is_a_no(sent: Any, taken: Any, path: str, reason: str) -> None:
    """Where nothing declared can fit, the answer says where and why."""
    found = serves(sent, taken)
    assert (found.answer, found.path) == (Answer.NO, path)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (NUMBER, INTEGER),
        (True, TEXT),
        ({"enum": ["a", "b"]}, {"enum": ["b", "c"]}),
        ({"const": 1}, {"enum": [1.0]}),
        ({"type": "object"}, record(a=INTEGER)),
        ({**record(a=INTEGER), "additionalProperties": True}, record(b=INTEGER)),
        ({**record(a=INTEGER), "patternProperties": {"^b": INTEGER}}, record(b=INTEGER)),
        ({**record(a=INTEGER), "if": True, "then": record(b=INTEGER)}, record(b=INTEGER)),
        ({**record(a=INTEGER), "required": ["a", "b"]}, record(b=INTEGER)),
        ({**record(a=INTEGER), "enum": [{"a": 1, "b": 1}]}, record(b=INTEGER)),
        ({**record(a=INTEGER), "$dynamicRef": "#more"}, record(b=INTEGER)),
        ({"type": "object", "properties": {"a": INTEGER}}, {"properties": {"a": TEXT}}),
        (array(INTEGER), array(TEXT)),
        ({"type": ["object", "null"], "properties": {"a": INTEGER}}, {"required": ["b"]}),
        (record(a={"anyOf": [INTEGER, NULL]}), record(a={"anyOf": [TEXT, NULL]})),
        ({"$schema": SEVEN, "$ref": "#/a", "a": True, "type": "integer"}, TEXT),
        ({"$ref": "#anchor", "$defs": {"a": {"$anchor": "anchor"}}}, TEXT),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$id": "a", "$ref": "#"}}}, TEXT),
        (node(TEXT), {**node(TEXT), "title": "The same by another name"}),
        ({"allOf": [{"anyOf": [INTEGER, TEXT, NULL]}] * 5}, {"type": "array"}),
    ],
)
def test_the_rest_is_not_decided(sent: Any, taken: Any) -> None:
    """Where a value may fit, and may not, nothing is claimed."""
    found = serves(sent, taken)
    assert found.answer is Answer.UNDECIDED
    assert found.reason


def test_recursive_schemas_are_compared_once() -> None:
    """Schemas that branch into themselves are compared in no time, whatever their depth."""
    child = {"anyOf": [{"$ref": "#"}, NULL]}
    names = [f"p{number}" for number in range(20)]
    sent = record(**dict.fromkeys(names, child), value=INTEGER)
    taken = record(**dict.fromkeys(names, child), value=TEXT)
    assert serves(sent, taken)[::2] == (Answer.NO, "$.value")
    assert serves(sent, {**sent, "title": "Tree"}).answer is Answer.UNDECIDED


class Published(NamedTuple):
    """A schema, and values that its publisher declares."""

    source: dict[str, Any]
    values: st.SearchStrategy[Any]


KINDS = st.sampled_from(
    [
        Published(INTEGER, st.integers(-3, 3)),
        Published(NUMBER, st.integers(-3, 3) | st.floats(-3, 3)),
        Published(TEXT, st.text("ab", max_size=2)),
        Published(NULL, st.none()),
        Published({"type": "boolean"}, st.booleans()),
    ]
)


@st.composite
def enumerations(draw: st.DrawFn) -> Published:
    """Some constants."""
    values = draw(st.lists(st.sampled_from([0, 1, 1.5, True, "a", None, [1]]), min_size=1))
    return Published({"enum": values}, st.sampled_from(values))


@st.composite
def records(draw: st.DrawFn, inner: st.SearchStrategy[Published]) -> Published:
    """Objects, open or closed, with properties that are there always or sometimes."""
    parts = draw(st.dictionaries(st.sampled_from("abc"), inner, max_size=3))
    always = draw(st.sets(st.sampled_from([*parts]))) if parts else set()
    source: dict[str, Any] = {
        "type": "object",
        "properties": {name: part.source for name, part in parts.items()},
        "required": sorted(always),
    }
    if draw(st.booleans()):
        source["additionalProperties"] = False
    values = {name: part.values for name, part in parts.items()}
    return Published(
        source,
        st.fixed_dictionaries(
            {name: each for name, each in values.items() if name in always},
            optional={name: each for name, each in values.items() if name not in always},
        ),
    )


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Published]) -> Published:
    """Arrays of one kind of item."""
    part, least = draw(inner), draw(st.integers(0, 2))
    return Published(array(part.source, least), st.lists(part.values, min_size=least, max_size=3))


@st.composite
def alternatives(draw: st.DrawFn, inner: st.SearchStrategy[Published]) -> Published:
    """One of two, by reference or in place."""
    one, other = draw(inner), draw(inner)
    values = one.values | other.values
    return Published({"anyOf": [one.source, {"allOf": [other.source]}]}, values)


PUBLISHED = st.recursive(
    KINDS | enumerations(),
    lambda inner: records(inner) | arrays(inner) | alternatives(inner),
    max_leaves=4,
)


@given(PUBLISHED, PUBLISHED, st.data())
def test_a_no_means_no_and_a_yes_means_yes(
    sent: Published, taken: Published, data: st.DataObject
) -> None:
    """After NO no declared value fits the subscriber; after YES each of them does."""
    answer = serves(sent.source, taken.source).answer
    event(answer.name)
    value = data.draw(sent.values)
    assert compiled(sent.source, "").is_valid(value)
    if answer is not Answer.UNDECIDED:
        assert compiled(taken.source, "").is_valid(value) == (answer is Answer.YES)


@given(PUBLISHED)
def test_every_schema_serves_itself(published: Published) -> None:
    """A schema is served by an equal one, through `Schema.source` too."""
    source = schema(published.source, "here").source
    assert serves(source, published.source) == Serves(Answer.YES)
