"""Floor 4: flows, which are steps that need each other, written down in YAML or in Python.

What is here is pure: it reads, checks, draws and plans, and carries nothing out. Its files, in
the order in which a document comes through them:

- `limits` (before anything is parsed), `parsing` (YAML to a tree that knows its places: `tree`,
  `scalars`), `structure` (the tree against the grammar: `grammar`, `flow.schema.json`), `reading`
  (to the model), `checking` (what names mean: `references`, `cycles`, `names`), `loading` (all of
  it, and the error that says everything at once)
- the model, `model`; from Python it is made by `building` and `functions`; `dumping` writes it
  as YAML again, `picture` draws it
- what may run now: `graph` (a flow as numbers), `plan` (the machine), and what goes in and out of
  it, `happenings`
"""

from dagger.flows.building import flow_of
from dagger.flows.checking import warnings_of
from dagger.flows.dumping import dump, save
from dagger.flows.functions import StepFunction, step, step_functions
from dagger.flows.loading import load, parse
from dagger.flows.model import Compensation, Defaults, Flow, OnError, Rescue, Schedule, Step
from dagger.flows.names import Names
from dagger.flows.picture import to_dot

__all__ = [
    "Compensation",
    "Defaults",
    "Flow",
    "Names",
    "OnError",
    "Rescue",
    "Schedule",
    "Step",
    "StepFunction",
    "dump",
    "flow_of",
    "load",
    "parse",
    "save",
    "step",
    "step_functions",
    "to_dot",
    "warnings_of",
]
