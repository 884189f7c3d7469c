"""Whether data is a machine that was saved of a graph: it may come from anywhere.

First its structure is looked at, by a schema; then whether it makes sense, for that graph: its
nodes are known, its branches and executions refer to what is there, and something is left to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from dagger.graphs.branches import Stage
from dagger.graphs.commands import Path, Stop
from dagger.graphs.executions import Kind
from dagger.graphs.graph import Graph
from dagger.graphs.library import Library
from dagger.graphs.machine import Machine
from dagger.graphs.model import CALLING, START, Definition, NodeKind
from dagger.graphs.saving import machine_from
from dagger.graphs.status import GraphStatus, NodeStatus
from dagger.rules.schema import Schema, schema
from dagger.words.errors import CheckpointRefused

Data = Mapping[str, Any]


def check(data: Any, graph: Graph, definition: Definition, library: Library) -> None:
    """Raise CheckpointRefused, saying why, for data that is no machine of a graph that goes on."""
    violation = _structure().violation(data)
    if violation is not None:
        raise CheckpointRefused(f"its machine at {violation.path}: {violation.problem}")
    for problem in _problems(data, graph, definition, ()):
        raise CheckpointRefused(f"its machine does not fit together: {problem}")
    try:
        goes_on = _goes_on(machine_from(data, definition, library))
    except Exception as error:
        problem = f"its machine cannot be read: {type(error).__name__}: {error}"
        raise CheckpointRefused(problem) from error
    if not goes_on:
        raise CheckpointRefused("nothing of it is in work, and nothing can begin")


def _goes_on(machine: Machine) -> bool:
    """Whether anything comes of it."""
    commands = machine.resume()
    return machine.status.ended or any(not isinstance(each, Stop) for each in commands)


# -- its structure ---------------------------------------------------------------------


def _object(**properties: Any) -> Data:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(of: Any) -> Data:
    return {"type": "array", "items": of}


def _by_name(of: Any) -> Data:
    return {"type": "object", "additionalProperties": of}


def _tuple(*of: Any) -> Data:
    return {"type": "array", "prefixItems": of, "minItems": len(of), "maxItems": len(of)}


def _or_null(of: Data) -> Data:
    return {"anyOf": [{"type": "null"}, of]}


def _one_of(kind: Iterable[str]) -> Data:
    return {"enum": [str(each) for each in kind]}


_TEXT = {"type": "string"}
_YES = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}
_MOMENT = {"type": "number"}
_NUMBERS = _list(_COUNT)
_MACHINE = {"$ref": "#/$defs/machine"}
_CHANGES = {
    **_object(set=_by_name(True)),
    "properties": {
        "set": _by_name(True),
        "removed": _list(_TEXT),
        "raw": _by_name(_list({"type": "array", "maxItems": 1})),
        "by": _by_name(_TEXT),
    },
}
_FRAME = _object(number=_COUNT, frame=_or_null(_COUNT), path=_NUMBERS, node=_TEXT, whole=_YES)
_BRANCH = _object(
    number=_COUNT,
    frame=_or_null(_COUNT),
    path=_NUMBERS,
    layers=_NUMBERS,
    own=_or_null(_COUNT),
    node=_TEXT,
    stage=_one_of(Stage),
    turns=_COUNT,
    tail=_NUMBERS,
)
_EXECUTION = _object(
    number=_COUNT,
    node=_TEXT,
    branch=_COUNT,
    kind=_one_of(Kind),
    visit=_COUNT,
    error=_by_name(_TEXT),
    moment=_MOMENT,
    within=_or_null(_MACHINE),
)
_UNDOING = _object(
    begun=_list(
        _tuple(_COUNT, _TEXT, _NUMBERS, _YES, _or_null(_COUNT), _by_name(True), _or_null(_MACHINE))
    ),
    completed=_COUNT,
    started=_YES,
    done=_YES,
    ended=_list(_tuple({"type": ["string", "integer"]}, _TEXT)),
)
_WHOLE = _object(
    path=_NUMBERS,
    status=_one_of(GraphStatus),
    ends=_or_null(_one_of(GraphStatus)),
    reason=_TEXT,
    now=_MOMENT,
    nodes=_list(_tuple(_object(name=_TEXT, uses=_TEXT, description=_TEXT), _list(_TEXT))),
    statuses=_by_name(_one_of(NodeStatus)),
    visits=_by_name(_COUNT),
    completed=_by_name(_tuple(_MOMENT, _COUNT)),
    began=_by_name(_COUNT),
    deadlines=_by_name(_by_name(_MOMENT)),
    order=_COUNT,
    last_execution=_COUNT,
    state=_CHANGES,
    branches=_object(
        last=_COUNT,
        changes=_list(_CHANGES),
        frames=_list(_FRAME),
        standing=_list(_BRANCH),
    ),
    executions=_list(_EXECUTION),
    undoing=_UNDOING,
)


@cache
def _structure() -> Schema:
    return schema({**_MACHINE, "$defs": {"machine": _WHOLE}}, "a checkpoint")


# -- and whether it makes sense --------------------------------------------------------


def _problems(data: Data, graph: Graph, definition: Definition, path: Path) -> Iterator[str]:
    """What does not fit together, of a machine that goes on and of those within it."""
    if tuple(data["path"]) != path:
        yield f"its path is {data['path']}, and not {list(path)}"
    if data["status"] != GraphStatus.RUNNING:
        yield f"it is {data['status']}, and not running"
    yield from _unknown(data, graph, definition)
    yield from _values(data["state"], graph)
    yield from _standing(data["branches"])
    yield from _in_work(data, definition)
    yield from _begun(data, graph, definition, path)
    for each in data["executions"]:
        if each["within"] is not None:
            uses = definition.nodes[each["node"]].uses
            inner = (*path, each["number"])
            within = _problems(
                each["within"], graph.subgraphs[uses], definition.subgraphs[uses], inner
            )
            yield from (f"in {each['node']!r} {problem}" for problem in within)


def _unknown(data: Data, graph: Graph, definition: Definition) -> Iterator[str]:
    """Nodes that there are none of, and functions of those that were added."""
    known = set(definition.nodes)
    for node, _ in data["nodes"]:
        if node["name"] in (*known, START):
            yield f"node {node['name']!r} was added, and was there"
        if node["uses"] not in graph.functions:
            yield f"node {node['name']!r} was added, and there is no function {node['uses']!r}"
        known.add(node["name"])
    for _, targets in data["nodes"]:
        yield from (f"there is no node {name!r}" for name in targets if name not in {*known, "end"})
    known |= {START} & set(definition.choices)  # whose router is asked
    named: list[str] = [each["node"] for each in data["executions"]]
    named += [x["node"] for x in data["branches"]["standing"] if x["stage"] != Stage.ENDED]
    for part in ("statuses", "visits", "completed", "began", "deadlines"):
        named += data[part]
    yield from (f"there is no node {name!r}" for name in named if name not in known)


def _values(state: Data, graph: Graph) -> Iterator[str]:
    """Values that the state cannot have."""
    for key, field in (graph.shape.fields or {}).items():
        if field.reducer is None and key in state["set"]:
            violation = field.violation(state["set"][key])
            if violation is not None:
                yield f"{key!r} of the state: {violation.problem}"


def _standing(branches: Data) -> Iterator[str]:
    """Branches and frames that refer to what is not there."""
    known: set[int | None] = {None}
    for each in branches["frames"]:
        if each["frame"] not in known:
            yield f"frame {each['number']} is in frame {each['frame']}, which is not before it"
        known.add(each["number"])
    numbers = [each["number"] for each in (*branches["frames"], *branches["standing"])]
    for number, count in Counter(numbers).items():
        if count > 1 or number > branches["last"]:
            yield f"branch {number} is there {count} times, and the last is {branches['last']}"
    changes = len(branches["changes"])
    for each in branches["standing"]:
        if each["frame"] not in known:
            yield f"branch {each['number']} is in frame {each['frame']}, which there is none of"
        views = [*each["layers"], *([] if each["own"] is None else [each["own"]])]
        if any(view >= changes for view in views):
            yield f"branch {each['number']} has changes that are not there"


def _in_work(data: Data, definition: Definition) -> Iterator[str]:
    """Executions of branches that do not stand where they should, and branches without one."""
    branches = {each["number"]: each for each in data["branches"]["standing"]}
    numbers, run = set[int](), set[int]()
    for each in data["executions"]:
        number, branch = each["number"], branches.get(each["branch"])
        if number in numbers or not 0 < number <= data["last_execution"]:
            yield f"execution {number} is none of {data['last_execution']}, or is there twice"
        numbers.add(number)
        wakes = each["kind"] == Kind.WAKE
        stage = Stage.WAITING if wakes else Stage.RUNNING
        if branch is None or branch["node"] != each["node"] or branch["stage"] != stage:
            yield f"execution {number} is of no branch that is {stage} at node {each['node']!r}"
        elif not wakes and each["branch"] in run:
            yield f"branch {each['branch']} has several executions"
        elif not wakes:
            run.add(each["branch"])
        if not _fits(each, data, definition):
            yield f"execution {number} is nothing that node {each['node']!r} does: {each['kind']}"
    for number, branch in branches.items():
        left = data["ends"] is None and number not in run
        if left and branch["stage"] == Stage.RUNNING:
            yield f"branch {number} is at node {branch['node']!r}, of which nothing is in work"


def _fits(execution: Data, data: Data, definition: Definition) -> bool:
    """Whether it is what its node does."""
    name, kind = execution["node"], execution["kind"]
    node = definition.nodes.get(name)
    of = NodeKind.STANDARD if node is None else node.kind
    if (execution["within"] is not None) is not (kind == Kind.SUBGRAPH):
        return False
    match kind:
        case Kind.RUN:
            return of in CALLING
        case Kind.ASK:
            return of is NodeKind.ASK
        case Kind.SUBGRAPH:
            return of is NodeKind.SUBGRAPH
        case Kind.ROUTE:
            return name in definition.choices
        case Kind.WAKE:
            return name in data["deadlines"]
        case _:
            return "type" in execution["error"] and "message" in execution["error"]


def _begun(data: Data, graph: Graph, definition: Definition, path: Path) -> Iterator[str]:
    """What could be undone that does not fit."""
    numbers: list[int] = []
    added = {node["name"] for node, _ in data["nodes"]}
    for number, name, after, _, _, _, within in data["undoing"]["begun"]:
        node = definition.nodes.get(name)
        if node is None and name not in added:
            yield f"there is no node {name!r}"
        if number in numbers or number > data["last_execution"] or not {*after} <= {*numbers}:
            yield f"execution {number} of what can be undone, which cannot have come then"
        numbers.append(number)
        if within is None:
            continue
        if node is None or node.kind is not NodeKind.SUBGRAPH:
            yield f"node {name!r} is no graph"
        elif tuple(within["path"]) != (*path, number):
            yield f"the path of {name!r} is {within['path']}"
    for number, _ in data["undoing"]["ended"]:
        if str(number) not in map(str, numbers):
            yield f"execution {number} was undone, and was none"
