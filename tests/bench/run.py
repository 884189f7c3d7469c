"""`make bench`: a table on the terminal, and all figures in bench.json.

Each scenario runs in a process of its own, so that none inherits another's memory.
`python -m tests.bench.run NAME ...` measures only those.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from tests.bench import (
    crunching,
    flows,
    graphs,
    heartbeats,
    policies,
    reopening,
    scenarios,
    stored,
    waiting,
)

MODULES = (scenarios, stored, reopening, heartbeats, waiting, policies, crunching, flows, graphs)

BUDGETS: dict[str, tuple[str, float | None]] = {
    "chain_shared": ("hops", 10.0),
    "chain_checked": ("hops", 10.0),
    "fan_out": ("hops", 10.0),
    "long_chain": ("ratio", 1.15),
    "one_run_long": ("ratio", 1.15),
    "many_runs": ("invocations", 2.5),
    "many_runs_with_output": ("invocations", None),
    "pending_messages": ("bytes", 1_000.0),
    "tree_nodes": ("bytes", 300.0),
    "idle_runs": ("bytes", 3_000.0),
    "start_up": ("import_ms", 100.0),
    "command_line": ("help_ms", 150.0),
    "stored_chain_shared": ("hops", 15.0),
    "stored_chain_checked": ("hops", 15.0),
    "stored_long_chain": ("ratio", 1.15),
    "stored_one_run_long": ("ratio", 1.15),
    "stored_many_runs": ("ratio", 1.15),
    "publish_one": ("over_ms", 0.5),
    "publish_many": ("percent", 5.0),
    "reopen_records": ("reference_s_per_million", 3.0),
    "reopen_small_runs": ("reference_s_per_million", 3.0),
    "reopen_default": ("reference_s", 1.0),
    "one_of_many_runs": ("ms", None),
    "heartbeat": ("max_ms", 10.0),
    "heartbeat_at_work": ("added_ms", 10.0),
    "steps_side_by_side": ("times", 20.0),
    "sleepers": ("bytes", 8_000.0),
    "unloaded_sleepers": ("bytes", 2_000.0),
    "gathered": ("ratio", 1.3),
    "streamed": ("hops", None),
    "stored_streamed": ("hops", None),
    "policed": ("reference_more_us", 5.0),
    "one_slot": ("ratio", 1.3),
    "one_key_each": ("ratio", 1.3),
    "both_cores": ("times", 1.7),
    "flow_loading": ("s", 0.7),
    "planning": ("ratio", 1.2),
    "graph_nodes": ("us", 120.0),
    "graph_loop": ("mb", 5.0),
    "graph_join": ("s", 0.2),
    "graph_big_state": ("ratio", 1.5),
    "flow_steps": ("us", 100.0),
    "flow_steps_at_once": ("us", 100.0),
}
"""The figure that matters of each scenario, and what it may be."""


def measure(name: str) -> dict[str, float]:
    """Run one scenario here and now."""
    scenario = next(vars(each)[name] for each in MODULES if name in vars(each))
    figures: dict[str, float]
    figures = asyncio.run(scenario()) if asyncio.iscoroutinefunction(scenario) else scenario()
    return figures


def in_its_own_process(name: str) -> dict[str, float]:
    """Run one scenario in a fresh interpreter."""
    command = [sys.executable, "-m", "tests.bench.run", "--here", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main(names: list[str]) -> None:
    """Measure, print a table, write bench.json."""
    if names[:1] == ["--here"]:
        print(json.dumps(measure(names[1])))
        return
    machine = (
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} CPUs"
    )
    print(f"{machine}\n\n{'scenario':22}{'figure':>14}{'budget':>10}   all figures")
    found: dict[str, dict[str, float]] = {}
    for name in names or BUDGETS:
        found[name] = in_its_own_process(name)
        figure, budget = BUDGETS[name]
        rest = "  ".join(f"{key} {value:,.2f}" for key, value in found[name].items())
        allowed = f"{budget:,.2f}" if budget is not None else "none set"
        print(f"{name:22}{found[name][figure]:>14,.2f}{allowed:>10}   {rest}", flush=True)
    Path("bench.json").write_text(json.dumps({"machine": machine, "figures": found}, indent=2))
    print("\nwritten: bench.json")


if __name__ == "__main__":
    main(sys.argv[1:])
