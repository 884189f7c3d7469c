"""The test kit: what tests of agents need, and `import dagger` leaves alone.

- a program on virtual time, in an order that a seed decides: `simulation`, on its `loop`
  (which tells by `waiting` who waits where), with `threads` and `processes` inlined
- a process that dies at one of its writes: `crashes`, over the `stores`
- agents that answer by a script: `scripted`
- whether a report adds up: `conserved`
- what every store must do, `store_suite`, and what channels do, `channel_suite`; these two
  alone import pytest

It stands above the executor, and no room of Dagger imports it.
"""

from dagger.testing.conserved import assert_conserved
from dagger.testing.crashes import Crash, explore_crashes
from dagger.testing.processes import InlineProcesses
from dagger.testing.scripted import ScriptedAgent, scripted
from dagger.testing.simulation import SimulatedClock, explore, simulate, simulated
from dagger.testing.stores import Disk, LaggingStore
from dagger.testing.threads import InlineThreads
from dagger.words.errors import ScriptOver, SimulationError, SimulationStuck

__all__ = [
    "Crash",
    "Disk",
    "InlineProcesses",
    "InlineThreads",
    "LaggingStore",
    "ScriptOver",
    "ScriptedAgent",
    "SimulatedClock",
    "SimulationError",
    "SimulationStuck",
    "assert_conserved",
    "explore",
    "explore_crashes",
    "scripted",
    "simulate",
    "simulated",
]
