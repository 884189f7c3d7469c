"""YAML, Python and the model say the same: none of them loses anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from dagger.flows import Flow, Schedule, check, dump, load, parse, save
from dagger.flows.grammar import schema
from dagger.flows.reading import data_of
from dagger.words.errors import DefinitionError, FlowError, SerializationError
from tests.flows import flows


@given(flows.flows(), flows.schedules)
def test_a_flow_is_what_its_document_says(flow: Flow, schedule: Schedule) -> None:
    """Parsing what was dumped gives the same flow again, and dumping that the same text."""
    flow = replace(flow, schedule=schedule)
    check(flow)
    text = dump(flow)
    assert parse(text) == flow
    assert dump(parse(text)) == text


@given(flows.flows())
def test_a_document_follows_the_schema(flow: Flow) -> None:
    """The schema that editors use accepts every document of a flow."""
    Draft202012Validator(schema()).validate(json.loads(json.dumps(data_of(flow))))


@given(flows.flows())
def test_a_flow_made_step_by_step_is_the_same(flow: Flow) -> None:
    """Steps that are added one by one make the flow that has them all."""
    made = replace(flow, steps=())
    for each in flow.steps:
        said = {name: getattr(each, name) for name in type(each).__dataclass_fields__}
        id, uses = said.pop("id"), said.pop("uses")
        made = made.step(id, uses, **said)
    assert made == flow


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("~", None),
        ("", None),
        ("1_000", "1_000"),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("2026-01-01", "2026-01-01"),
        ("12:30", "12:30"),
        ("1.2.3", "1.2.3"),
        ('"3"', "3"),
        ("'${{ inputs.x }}'", "${{ inputs.x }}"),
        ("{a: [1, two]}", {"a": [1, "two"]}),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, value: Any) -> None:
    """What stands for a text, number, boolean or null is what YAML 1.2 says, and nothing else."""
    text = f"name: f\ninputs: {{x: {{}}}}\nsteps: [{{id: a, uses: b}}]\noutput: {written}\n"
    output = parse(text).output
    assert (output, type(output)) == (value, type(value))


def test_a_needed_step_need_not_be_a_list() -> None:
    """One step in needs is the same as a list of one."""
    steps = "steps: [{id: a, uses: x}, {id: b, uses: x, needs: %s}]"
    assert parse(f"name: f\n{steps % 'a'}") == parse(f"name: f\n{steps % '[a]'}")


def test_flows_within_flows_are_saved_with_them(tmp_path: Path) -> None:
    """A flow that uses another is saved as two files, and loaded as both."""
    inner = Flow("inner", inputs={"n": {}}).step("a", "work", with_={"n": "${{ inputs.n }}"})
    outer = Flow("outer").step("one", inner, with_={"n": 1}).step("two", inner, with_={"n": 2})
    assert outer.steps[0].uses == "./inner.yml"
    path = save(outer, tmp_path / "deep" / "outer.yml")
    assert load(path) == outer
    assert sorted(each.name for each in path.parent.iterdir()) == ["inner.yml", "outer.yml"]


def test_what_is_no_data_is_not_dumped() -> None:
    """A value that is not JSON is refused with its path; a sub-flow elsewhere is, too."""
    with pytest.raises(SerializationError, match=r"\$\.steps\[0\]\.with\.x: set is not JSON"):
        dump(Flow("f").step("a", "work", with_={"x": {1}}))
    with pytest.raises(FlowError, match=r"flow 'f', steps\[0\]\.with\.x: set is not JSON"):
        check(Flow("f").step("a", "work", with_={"x": {1}}))
    with pytest.raises(DefinitionError, match="no file below"):
        save(Flow("f", subflows={"up": Flow("g")}), Path("/nowhere-at-all.yml").parent / "dev/null")


def test_where_one_cannot_be_written_none_is(tmp_path: Path) -> None:
    """What is refused is found before anything is written, and a file that was there stays."""
    path, inner = tmp_path / "f.yml", Flow("inner").step("a", "work")
    path.write_text("as it was", "utf-8")
    refused = (
        (Flow("f", subflows={"./inner.yml": inner, "up": inner}), 'the sub-flow "up" is no file'),
        (Flow("f", subflows={"./inner.yml": inner, "./../x.yml": inner}), "is no file below"),
        (Flow("f", subflows={"./f.yml": inner}), "two flows would be the file 'f.yml'; rename one"),
    )
    for flow, problem in refused:
        with pytest.raises(DefinitionError, match=problem):
            save(flow, path)
    for unsaid in (
        Flow("f", output={1, 2}),
        Flow("f", subflows={"./g.yml": Flow("g", output={1})}),
    ):
        with pytest.raises(SerializationError):
            save(unsaid, path)
    (tmp_path / "folder.yml").mkdir()
    with pytest.raises(IsADirectoryError):
        save(Flow("f", subflows={"./a.yml": inner, "./folder.yml": inner}), path)
    assert path.read_text("utf-8") == "as it was"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["f.yml", "folder.yml"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """It keeps its permissions, a link stays a link, and nothing is left beside it."""
    path, link = tmp_path / "f.yml", tmp_path / "link.yml"
    path.write_text("longer than what comes now " * 100, "utf-8")
    path.chmod(0o640)
    link.symlink_to(path)
    flow = Flow("f").step("a", "work")
    save(flow, link)
    assert link.is_symlink()
    assert load(path) == flow
    assert path.stat().st_mode & 0o777 == 0o640
    assert {*tmp_path.iterdir()} == {path, link}
