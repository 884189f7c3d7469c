"""The pages that come from the code: reference.md and configuration.md.

    python -m docs.make_reference

writes both anew next to this file. A test fails while they say anything else than this.
"""

from __future__ import annotations

import ast
import enum
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagger
from dagger.words import errors
from dagger.words.config import PREFIX, Config
from docs.describe import cell, entry, markdown

HERE = Path(__file__).parent

SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Agents": (
        "A handler with a name, channels, schemas and policies.",
        (
            "dagger.agent",
            "dagger.Agent",
            "dagger.all_of",
            "dagger.first_of",
            "dagger.gather",
            "dagger.batch",
            "dagger.registry",
            "dagger.Registry",
        ),
    ),
    "Running": (
        "One executor, many runs.",
        ("dagger.run", "dagger.Executor", "dagger.LiveRun", "dagger.EventDriven", "dagger.Receipt"),
    ),
    "Policies": (
        "Who may begin, and when; how they are used is told in [policies](policies.md).",
        (
            "dagger.Resources",
            "dagger.ResourcePool",
            "dagger.ConcurrencyKey",
            "dagger.RateLimit",
            "dagger.Debounce",
            "dagger.Throttle",
            "dagger.ResourceUsage",
            "dagger.views.resources.Usage",
            "dagger.views.resources.Allocation",
            "dagger.views.waiting.Waiting",
        ),
    ),
    "Hooks": (
        "What goes around each attempt; how it is used is told in [hooks and tracing](tracing.md).",
        (
            "dagger.AroundAttempt",
            "dagger.Attempt",
            "dagger.authoring.hooks.Outgoing",
        ),
    ),
    "Schedules": (
        "Runs that begin at a time, or again and again: see [schedules](schedules.md).",
        (
            "dagger.ScheduleInfo",
            "dagger.executor.schedules.Schedules",
            "dagger.executor.schedules.Terms",
            "dagger.executor.specs.Limits",
        ),
    ),
    "Inside a handler": (
        "What a handler is given by the names of its parameters.",
        (
            "dagger.Context",
            "dagger.Budget",
            "dagger.authoring.reserving.Reservation",
            "dagger.Message",
            "dagger.StreamItem",
            "dagger.authoring.cache.CacheView",
            "dagger.authoring.tasks.TaskView",
            "dagger.authoring.tasks.TaskInfo",
            "dagger.authoring.calls.Calls",
            "dagger.authoring.calls.Returned",
            "dagger.authoring.calls.CancelAsked",
            "dagger.authoring.view.ExecutorView",
        ),
    ),
    "Tools": (
        "Functions that are called by name, with arguments that are checked; how they are used is "
        "told in [tools](tools.md).",
        (
            "dagger.tool",
            "dagger.tools",
            "dagger.ToolRegistry",
            "dagger.authoring.tools.Tool",
            "dagger.authoring.tools.ToolInfo",
        ),
    ),
    "Flows": (
        "Steps that need each other, in YAML or in Python; what is not in `dagger` itself "
        "`from dagger.flows import ...` offers. How they are used is told in [flows](flows.md).",
        (
            "dagger.flows.load",
            "dagger.flows.parse",
            "dagger.flows.check",
            "dagger.flows.documents",
            "dagger.flows.dump",
            "dagger.flows.save",
            "dagger.flows.to_dot",
            "dagger.Flows",
            "dagger.FlowReport",
            "dagger.flows.StepReport",
            "dagger.flows.UndoneReport",
            "dagger.flows.FlowStatus",
            "dagger.flows.StepStatus",
            "dagger.Flow",
            "dagger.flows.flow.StepFields",
            "dagger.step",
            "dagger.flows.StepFunction",
            "dagger.flows.flow_of",
            "dagger.flows.Names",
            "dagger.flows.Document",
            "dagger.words.errors.FlowProblem",
            "dagger.flows.OnError",
        ),
    ),
    "Graphs": (
        "State machines: nodes over a shared state, and edges; what is not in `dagger` itself "
        "`from dagger.graphs import ...` offers. How they are used is told in [graphs](graphs.md).",
        (
            "dagger.Graph",
            "dagger.Graphs",
            "dagger.graphs.GraphRun",
            "dagger.GraphReport",
            "dagger.graphs.GraphMetrics",
            "dagger.graphs.Checkpoint",
            "dagger.graphs.StateInfo",
            "dagger.NodeContext",
            "dagger.graphs.graph.NodeOptions",
            "dagger.Goto",
            "dagger.START",
            "dagger.END",
            "dagger.Need",
            "dagger.graphs.Lifecycle",
            "dagger.Dependency",
            "dagger.graphs.NodeKind",
            "dagger.graphs.OnError",
            "dagger.graphs.GraphStatus",
            "dagger.graphs.NodeStatus",
            "dagger.graphs.dump",
            "dagger.graphs.load",
            "dagger.graphs.parse",
            "dagger.graphs.to_dot",
            "dagger.words.errors.GraphProblem",
        ),
    ),
    "Results": (
        "What a run leaves behind, and what is told while it goes on.",
        (
            "dagger.Report",
            "dagger.views.budgets.RunBudget",
            "dagger.views.budgets.MessageBudget",
            "dagger.views.report.AgentCounts",
            "dagger.views.report.ChannelCounts",
            "dagger.views.report.OpenTask",
            "dagger.views.letters.DeadLetter",
            "dagger.executor.letters.DeadLetters",
            "dagger.words.records.Failure",
            "dagger.Outcome",
            "dagger.LogLine",
            "dagger.Emission",
            "dagger.Retraction",
            "dagger.OpenQuestion",
            "dagger.Answered",
            "dagger.Missed",
            "dagger.executor.watchers.Events",
            "dagger.executor.listing.AgentInfo",
            "dagger.executor.listing.ChannelInfo",
            "dagger.executor.listing.Progress",
            "dagger.executor.listing.AgentProgress",
        ),
    ),
    "Pictures": (
        "Who caused what, and who is connected to whom.",
        (
            "dagger.views.tree.ExecutionTree",
            "dagger.views.nodes.TreeNode",
            "dagger.views.topology.Topology",
        ),
    ),
    "Settings": (
        "The settings themselves are a [page of their own](configuration.md).",
        ("dagger.Config", "dagger.Exponential", "dagger.Linear", "dagger.Immediate"),
    ),
    "Time and storage": (
        "The store on disk, the contract of a store, and twins for tests; how it works is told in "
        "[durability](durability.md).",
        (
            "dagger.LmdbStore",
            "dagger.MemoryStore",
            "dagger.Store",
            "dagger.store.contract.Source",
            "dagger.LoopClock",
        ),
    ),
    "The test kit": (
        "What `from dagger.testing import ...` offers; how it is used is told in "
        "[testing your agents](testing.md).",
        (
            "dagger.testing.simulate",
            "dagger.testing.simulated",
            "dagger.testing.explore",
            "dagger.testing.explore_crashes",
            "dagger.testing.Crash",
            "dagger.testing.scripted",
            "dagger.testing.ScriptedAgent",
            "dagger.testing.assert_conserved",
            "dagger.testing.LaggingStore",
            "dagger.testing.Disk",
            "dagger.testing.SimulatedClock",
            "dagger.testing.InlineThreads",
            "dagger.testing.InlineProcesses",
        ),
    ),
    "How things stand and end": (
        "The closed sets.",
        (
            "dagger.words.outcomes.RunStatus",
            "dagger.words.outcomes.Disposition",
            "dagger.words.outcomes.TaskStatus",
            "dagger.words.outcomes.Overflow",
            "dagger.words.outcomes.OnFailure",
        ),
    ),
}
"""What the reference holds; what is not in `dagger` itself is handed out by what is."""

WITHOUT_EFFECT: dict[str, str] = {}
"""Settings that are checked but do nothing yet, and why. A test looks for others."""

NOTICE = "<!-- Written by docs/make_reference.py from the docstrings: change those. -->"


SETTINGS = """\
# Settings

A `Config` holds the settings of one executor. `Executor(config=Config(capacity=16))` takes what
is written there and nothing else. Without `config=` an executor takes `Config.load()`: arguments
beat environment variables, which beat the table `[tool.dagger]` of the nearest `pyproject.toml` at
or above the working directory, which beats the defaults below.

A setting that is unknown or out of range raises `ConfigError`, which names the nearest known one
and where the wrong one was found. `None`, and in the other two places the word `none`, means no
limit. What an agent or channel says about itself beats the Config.
"""
"""What stands above the table of settings."""


def reference() -> str:
    """The text of reference.md."""
    lines = [NOTICE, "# Reference", ""]
    lines += [
        "Everything that `from dagger import ...` offers, and what it hands out, from the",
        "docstrings. Names that stand in full, such as `dagger.authoring.cache.CacheView`, are not",
        "for importing: you get their instances from the others. Those of `dagger.testing`,",
        "`dagger.flows` and `dagger.graphs` are.",
        "",
    ]
    for title, (about, names) in SECTIONS.items():
        lines += [f"## {title}", "", about, ""]
        for name in names:
            lines += entry(name)
    lines += _errors()
    return "\n".join(lines).rstrip() + "\n"


def configuration() -> str:
    """The text of configuration.md."""
    return "\n".join([NOTICE, *_settings()]).rstrip() + "\n"


def main() -> None:
    """Write both pages."""
    (HERE / "reference.md").write_text(reference(), encoding="utf-8")
    (HERE / "configuration.md").write_text(configuration(), encoding="utf-8")


def _errors() -> Iterator[str]:
    """The tree of errors, and each of them with its fields."""
    yield from ("## Errors", "")
    about, _, rest = (errors.__doc__ or "").partition("\n\n")
    tree, _, more = rest.partition("\n\n")
    yield from (about, "", "```text", tree, "```", "")
    yield from (" ".join(more.split()), "")
    yield from (
        "In `dagger` itself are those that programs are likely to catch; the others are in",
        "`dagger.words.errors`.",
        "",
        "| error | fields | |",
        "|---|---|---|",
    )
    for name, kind in vars(errors).items():
        public = isinstance(kind, type) and not name.startswith("_")
        if public and issubclass(kind, errors.DaggerError):
            shown = f"**`{name}`**" if name in dagger.__all__ else f"`{name}`"
            yield f"| {shown} | {_error_fields(kind)} | {cell(markdown(kind))} |"


def _error_fields(kind: type[Any]) -> str:
    init = kind.__init__
    assigned = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(init)))) if _own(init) else ()
    names = [
        node.attr
        for node in assigned
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _own(init: Any) -> bool:
    return getattr(init, "__module__", "").startswith("dagger")


def _settings() -> Iterator[str]:
    yield from (SETTINGS, "| setting | default | environment | what it is |", "|---|---|---|---|")
    for name, field in Config.model_fields.items():
        default = field.default.value if isinstance(field.default, enum.Enum) else field.default
        about = cell(field.description or "")
        if name in WITHOUT_EFFECT:
            about += f" **Without effect today:** {WITHOUT_EFFECT[name]}."
        yield f"| `{name}` | `{default!r}` | `{PREFIX}{name.upper()}` | {about} |"


if __name__ == "__main__":
    main()
