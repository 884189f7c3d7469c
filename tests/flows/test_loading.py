"""Flows from files, with those that they use; and what is asked of the names in them."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent

import pytest

from dagger import agent
from dagger.flows import Flow, Names, check, documents, expanding, load, parse, step
from dagger.flows.expanding import MAX_FLOWS
from dagger.words.errors import FlowError

INNER = """\
name: inner
inputs: {day: {type: string}, zone: {default: UTC}}
steps: [{id: work, uses: work, with: {day: "${{ inputs.day }} ${{ inputs.zone }}"}}]
output: ${{ steps.work.output }}
"""


def outer(uses: str, arguments: str = "{day: monday}") -> str:
    """A flow with one step that uses another one."""
    return f"name: outer\nsteps: [{{id: one, uses: {uses}, with: {arguments}}}]\n"


def written(folder: Path, **files: str) -> Path:
    """Files of these names in a folder; the first of them."""
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text, "utf-8")
    return folder / f"{next(iter(files))}.yml"


def said(path: Path, names: Names | None = None) -> list[str]:
    """What is wrong with a file, without the folder."""
    with pytest.raises(FlowError) as raised:
        load(path, names)
    return [str(each).removeprefix(f"{path.parent}/") for each in raised.value.problems]


def test_a_flow_comes_with_those_that_it_uses(tmp_path: Path) -> None:
    """A step may use a file in the same folder or below, and that is loaded as well."""
    (tmp_path / "below").mkdir()
    written(tmp_path / "below", inner=INNER)
    flow = load(written(tmp_path, outer=outer("./below/inner.yml")))
    assert flow.subflows["./below/inner.yml"] == parse(INNER)


def test_errors_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    """Each by its own path; arguments are held against the inputs of the flow that is used."""
    inner = INNER.replace("steps.work", "steps.wrok")
    path = written(tmp_path, outer=outer("./inner.yml", "{dya: monday}"), inner=inner)
    assert said(path) == [
        "outer.yml:2:25: './inner.yml' must be given the input 'day'",
        "outer.yml:2:45: './inner.yml' takes no input 'dya'; did you mean 'day'?",
        "inner.yml:4:19: unknown step 'wrok'; did you mean 'work'?",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The place that names it is said; of the file itself it is an OSError."""
    path = written(tmp_path, outer=outer("./inner.yml"))
    assert said(path) == [
        "outer.yml:2:25: the flow './inner.yml' cannot be read: No such file or directory"
    ]
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.yml")
    (tmp_path / "inner.yml").mkdir()
    assert said(path)[0].endswith("'./inner.yml' cannot be read: it is no regular file")


def test_flows_that_use_each_other_are_named(tmp_path: Path) -> None:
    """A circle of files is an error where it is closed."""
    path = written(tmp_path, a=outer("./b.yml", "{}"), b=outer("./a.yml", "{}"))
    assert said(path) == ["b.yml:2:25: flows use each other in a circle: a.yml -> b.yml -> a.yml"]


def test_files_outside_of_the_folder_are_not_read(tmp_path: Path) -> None:
    """Neither a path nor a link leads out of the folder of the first file."""
    inside = tmp_path / "flows"
    inside.mkdir()
    written(tmp_path, secret=INNER)
    (inside / "link.yml").symlink_to(tmp_path / "secret.yml")
    for uses in ("./../secret.yml", "./link.yml"):
        problem = f"the flow {uses!r} is outside of the folder of the first file"
        assert said(written(inside, outer=outer(uses))) == [f"outer.yml:2:25: {problem}"]


def test_a_flow_has_so_many_files(tmp_path: Path) -> None:
    """A chain of files without end is cut."""
    files = {f"f{number}": outer(f"./f{number + 1}.yml", "{}") for number in range(MAX_FLOWS + 5)}
    (problem,) = said(written(tmp_path, **files))
    assert problem == f"f{MAX_FLOWS - 1}.yml:2:25: the flow consists of more than {MAX_FLOWS} files"


def twice(number: int) -> str:
    """A flow whose two steps use the next one."""
    steps = ", ".join(f"{{id: {name}, uses: ./f{number + 1}.yml}}" for name in "ab")
    return f"name: f{number}\nsteps: [{steps}]\n"


def test_flows_within_come_to_so_many_steps(tmp_path: Path) -> None:
    """Files that use each other twice, which would be millions of steps, are refused where they
    become too many, and those above them say nothing.
    """
    last = 60
    files = {f"f{number}": twice(number) for number in range(last)}
    files[f"f{last}"] = "name: last\nsteps: [{id: a, uses: sleep, with: {seconds: 1}}]\n"
    (problem,) = said(written(tmp_path, **files))
    assert problem == (
        "f48.yml:2:49: the flows that steps use come to 12,284 steps in all, and at most 10,000 "
        "are possible; a step with foreach uses one flow many times"
    )
    load(tmp_path / "f49.yml")


def test_what_undoes_a_step_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow that is a compensation or a rescue step is carried out by agents of its own, too."""
    monkeypatch.setattr(expanding, "MAX_STEPS_WITHIN", 3)
    inner = Flow("inner").step("a", "ask", with_={"question": "?"})
    flow = Flow("f").step("a", inner, compensate=inner, rescue=[{"id": "b", "uses": inner}])
    check(flow)
    with pytest.raises(FlowError, match=r"steps\[1\]\.uses: the flows .* come to 4 steps in all"):
        check(flow.step("c", inner))


def test_flows_from_python_are_checked_with_those_within() -> None:
    """What is wrong with a flow that a step uses is told by that flow's name, once; and there are
    at most so many of them.
    """
    inner = Flow("inner").step("a", "work", needs="b")
    with pytest.raises(FlowError) as raised:
        check(Flow("outer").step("a", inner).step("c", inner))
    assert str(raised.value) == "flow 'inner', steps[0].needs[0]: unknown step 'b' in needs"
    flow = Flow("f0").step("a", "work")
    for number in range(1, 2 * MAX_FLOWS):
        flow = Flow(f"f{number}").step("a", flow)
    with pytest.raises(FlowError) as raised:
        check(flow)
    told = f"flow 'f{MAX_FLOWS}', steps: the flow consists of more than {MAX_FLOWS} flows"
    assert str(raised.value) == told


def test_a_file_is_read_once(tmp_path: Path) -> None:
    """What is used in two places is the same flow, and its errors are said once."""
    steps = "steps: [{id: a, uses: ./i.yml}, {id: b, uses: ./i.yml}, {id: c, uses: ././i.yml}]"
    inner = "name: i\nsteps: [{id: a, uses: x, needs: z}]\n"
    assert len(said(written(tmp_path, outer=f"name: o\n{steps}\n", i=inner))) == 1


@step
def fetch(url: str, tries: int = 3, ctx: object = None) -> str:
    """Fetch something."""
    return url * tries


@agent(subscribe="orders")
async def ship(payload: dict[str, int]) -> None:
    """Ship an order."""


NAMES = Names.of([ship.name], [fetch])


def test_names_are_looked_up_where_they_are_known() -> None:
    """What steps use must be an agent, a step function or a built-in; else the nearest is named."""
    flow = Flow("f").step("a", "fetsh").step("b", "ship").step("c", "ask", with_={"question": "?"})
    with pytest.raises(FlowError) as raised:
        check(flow, NAMES)
    assert str(raised.value) == (
        "flow 'f', steps[0].uses: unknown agent or step function 'fetsh'; did you mean 'fetch'?"
    )
    check(flow)  # where nobody knows, nothing is said


def test_arguments_of_step_functions_are_known() -> None:
    """A step gives a function what it must have, and nothing that it does not take."""
    flow = Flow("f").step("a", fetch, with_={"ulr": "x", "tries": 2})
    with pytest.raises(FlowError) as raised:
        check(flow, NAMES)
    assert str(raised.value).splitlines() == [
        "flow 'f', steps[0].with.ulr: 'fetch' takes no argument 'ulr'; did you mean 'url'?",
        "flow 'f', steps[0].uses: 'fetch' must be given the argument 'url'",
    ]


def test_arguments_that_are_written_down_fit_what_takes_them(tmp_path: Path) -> None:
    """Arguments that are no expressions are checked when a flow is loaded: against the
    annotations of a step function, and the inputs of a flow within.
    """
    inner = "name: i\ninputs: {day: {type: string, minLength: 3}}\nsteps: [{id: a, uses: x}]\n"
    steps = (
        "steps:\n  - {id: a, uses: fetch, with: {url: [1], tries: '${{ 2 }}'}}\n"
        "  - {id: b, uses: ./i.yml, with: {day: no}}\n"
    )
    path = written(tmp_path, outer=f"name: o\n{steps}", i=inner)
    assert said(path, Names.of(["x"], [fetch])) == [
        "outer.yml:3:38: [1] does not fit argument 'url' of 'fetch': "
        'value is not of type "string"',
        "outer.yml:4:40: 'no' does not fit input 'day' of './i.yml': "
        "value is shorter than 3 characters",
    ]


def test_a_flow_from_python_is_checked_against_the_grammar() -> None:
    """What the grammar refuses in a file it refuses in Python, by the part it is in."""
    flow = Flow("my flow").step("a", "work", timeout=0, rescue=[{"id": "b c", "uses": "x"}])
    with pytest.raises(FlowError) as raised:
        check(flow)
    problems = [(each.part, each.problem.partition(",")[0]) for each in raised.value.problems]
    assert problems == [
        ("name", "name must be a name (a letter or _ first"),
        ("steps[0].timeout", "timeout must be a number of seconds above 0"),
        ("steps[0].rescue[0].id", "id must be a name (a letter or _ first"),
    ]


def warned(tmp_path: Path, text: str, names: Names | None = None) -> list[str]:
    """The warnings about a document without errors."""
    (document,) = documents(written(tmp_path, flow=dedent(text)), names)
    assert document.errors == ()
    return [str(each).rpartition("/")[2] for each in document.warnings]


def test_what_is_of_no_use_is_a_warning(tmp_path: Path) -> None:
    """Inputs that nothing uses, steps that never run, keys that never differ, near built-ins."""
    text = """\
        name: f
        inputs: {used: {}, idle: {}}
        steps:
          - {id: a, uses: work, when: false}
          - {id: b, uses: work, needs: a, with: {x: "${{ inputs.used }}"}}
          - {id: c, uses: work, needs: b, when: true}
          - {id: d, uses: http.requests, idempotency_key: once}
        """
    assert warned(tmp_path, text) == [
        "flow.yml:2:20: nothing uses the input 'idle'",
        "flow.yml:4:31: step 'a' never runs",
        "flow.yml:5:5: step 'b' never runs, since it needs 'a', which never does",
        "flow.yml:7:19: 'http.requests' is no built-in; did you mean 'http.request'?",
        "flow.yml:7:51: the idempotency_key is the same in every run: "
        "what the first one did is not done again",
    ]


def test_an_input_may_be_used_by_all_of_them(tmp_path: Path) -> None:
    """Whoever takes all inputs uses each of them."""
    text = """\
        name: f
        inputs: {a: {}, b: {}}
        steps: [{id: a, uses: work, with: {all: "${{ inputs }}"}}]
        """
    assert warned(tmp_path, text) == []


LARGE = {
    "rescue steps": "steps:\n  - id: a\n    uses: x\n    rescue:\n"
    + "".join(f"    - {{id: r{each}, uses: x}}\n" for each in range(20_000)),
    "inputs of a schedule": "inputs:\n"
    + "".join(f"  i{each}: {{default: 1}}\n" for each in range(10_000))
    + "steps: [{id: a, uses: x}]\nschedule: every 1d\n",
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_document_takes_as_long_as_it_is(kind: str) -> None:
    """Nothing is looked through again for each of very many."""
    started = time.process_time()
    parse(f"name: f\n{LARGE[kind]}")
    assert time.process_time() - started < 8
