"""The schema that is shipped says what the loader does and what the model holds."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dagger.flows import Compensation, Defaults, Flow, Rescue, Schedule, Step
from dagger.flows.functions import StepOptions
from dagger.flows.grammar import built_ins, grammar, schema
from dagger.flows.reading import data_of
from dagger.rules.documents.limits import text_of
from dagger.rules.documents.parsing import parse_tree
from dagger.rules.documents.structure import fitted
from dagger.rules.documents.tree import node_of, plain
from tests.flows import flows
from tests.flows.test_bad_documents import BAD, Bad

VALIDATOR = Draft202012Validator(schema())

MODELS = {
    "step": Step,
    "rescue": Rescue,
    "compensate": Compensation,
    "defaults": Defaults,
    "schedule_terms": Schedule,
}


def test_it_is_a_schema() -> None:
    """It is a JSON Schema of the draft that it names."""
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", MODELS)
def test_the_model_has_its_keys(name: str) -> None:
    """Each part of the model has a field for each key of the grammar, and no other."""
    keys = set(schema()["$defs"][name]["properties"])
    assert {each.name.rstrip("_") for each in fields(MODELS[name])} == keys


def test_a_flow_has_its_keys() -> None:
    """So has the flow itself, but that it also holds the flows that its steps use."""
    keys = {each.name for each in fields(Flow)} - {"subflows"}
    assert keys == set(schema()["properties"])


def test_step_functions_take_options_of_steps() -> None:
    """What `@step` takes beside a name are keys of a step."""
    keys = set(schema()["$defs"]["step"]["properties"])
    assert set(StepOptions.__annotations__) - {"name"} <= keys


def test_the_built_ins_are_those_of_the_issue() -> None:
    """There are six built-ins, each with its arguments."""
    assert [*built_ins()] == ["http.request", "ask", "sleep", "publish", "wait_for", "shell"]
    assert all(rule.closed for rule in built_ins().values())


def accepted(data: Any) -> bool:
    """Whether the loader finds nothing wrong with the shape of a document."""
    return not fitted(node_of(data), grammar(), "")[1]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.kind}: {bad.title}")
def test_loader_and_schema_refuse_the_same(bad: Bad) -> None:
    """Of each bad document the loader and the schema think the same, as far as shapes go."""
    text = text_of(bad.text.encode())
    assert isinstance(text, str)
    tree, problems = parse_tree(text)
    if tree is not None and not problems:
        assert accepted(plain(tree)) == VALIDATOR.is_valid(plain(tree))


@given(flows.flows(), st.data())
def test_loader_and_schema_agree_on_spoilt_documents(flow: Flow, data: st.DataObject) -> None:
    """Whatever value of a document is replaced by another, both accept it or both refuse it."""
    document = deepcopy(data_of(flow))
    holder, key = data.draw(st.sampled_from(places(document)))
    others: list[Any] = [None, True, 0, -1, 2.0, 1e12, "", "a b", "x", "${{ x }}", [], {}, [1]]
    holder[key] = data.draw(st.sampled_from(others))
    assert accepted(document) == VALIDATOR.is_valid(document), document


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every holder of a value, and what leads there."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    here = [(value, key) for key in keys]
    return here + [place for holder, key in here for place in places(holder[key])]
