"""The pictures of the documentation: of runs of the programs it shows, store, waiting, undoing,
graphs, policies.

    python -m docs.pictures.make

writes them all anew next to this file: the DOT source of each, and the SVG that Graphviz
makes of it; of timelines only the SVG. A test makes the sources again and holds them against these.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from dagger import Executor, Report, run
from dagger.views.render import render
from docs.pictures import graphs, needs, policies, sagas, storage, waiting

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def readme() -> str:
    """The execution tree of the program in the README."""
    text = (ROOT / "README.md").read_text("utf-8")
    code = re.search(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert code is not None, "the README has no Python block"
    module = sys.modules["picture_of_readme"] = ModuleType("picture_of_readme")
    # Its prints are for those who read it there.
    vars(module)["print"] = lambda *_: None
    exec(compile(code[1], "README.md", "exec"), vars(module))
    report: Report = module.report
    return report.tree.to_dot()


def tree(example: str) -> str:
    """The execution tree of an example."""
    program = _program(example)
    report = run(program["agents"], program["channel"], program["payload"], run_id=example)
    return report.tree.to_dot()


def topology(example: str) -> str:
    """Agents and channels of an example, as they are declared."""
    return Executor(_program(example)["agents"]).topology().to_dot()


def _program(example: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "examples" / f"{example}.py"))


PICTURES: dict[str, Callable[[], str]] = {
    "run": readme,
    "fan_out": lambda: tree("fan_out"),
    "gather": lambda: tree("gather"),
    "retries": lambda: tree("retries"),
    "pipeline": lambda: topology("pipeline"),
    "record": storage.record,
    "journal": storage.journal,
    "waiting": waiting.restarts,
    "saga": sagas.trip,
    "graph_definition": graphs.definition,
    "graph_execution": graphs.execution,
    "graph_branches": graphs.branches,
    "graph_runs": graphs.runs,
    "graph_nodes": graphs.nodes,
}
"""The DOT source of each picture, by the name of its file."""

TIMELINES: dict[str, Callable[[], str]] = {**policies.TIMELINES, **needs.TIMELINES}
"""The SVG of each timeline, by the name of its file."""


def main() -> None:
    """Draw all pictures."""
    for name, draw in PICTURES.items():
        source = draw()
        render(source, HERE / f"{name}.dot")
        render(source, HERE / f"{name}.svg")
    for name, draw in TIMELINES.items():
        (HERE / f"{name}.svg").write_text(draw(), "utf-8")


if __name__ == "__main__":
    main()
