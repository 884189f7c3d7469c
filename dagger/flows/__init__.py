"""Floor 4: flows, which are steps that need each other, written down in YAML or in Python.

What stands in this folder is pure: it reads, checks, draws and plans. `running` carries flows
out, and `builtins` has what every flow may use. The files, in the order in which a document
comes through them:

- `dagger.rules.documents` (YAML to a tree that knows its places, held against the `grammar`:
  `flow.schema.json`), `reading` (to the model), `checking` (what names mean: `references`,
  `scopes`, `cycles`, `names`; `filling`, what functions say; `expanding`, how large it becomes)
  and `warning`, `documents` and `loading` (all of it, and the error that says everything at once)
- what it then is: `flow`, and its parts, `model`; `building`, `functions` and `composing` make it
  in Python, `dumping` writes it as YAML again, `picture` draws it
- what may run now: `graph` (a flow as numbers), `plan` (the machine), where it stands (`state`,
  `items`), and what goes in and out of it, `happenings`
"""

from dagger.flows.composing import flow_of
from dagger.flows.documents import Document
from dagger.flows.dumping import dump, save
from dagger.flows.flow import Flow
from dagger.flows.functions import StepFunction, step, step_functions
from dagger.flows.happenings import FlowStatus, StepStatus
from dagger.flows.loading import check, documents, load, parse
from dagger.flows.model import Compensation, Defaults, OnError, Rescue, Schedule, Step
from dagger.flows.names import Names
from dagger.flows.picture import to_dot
from dagger.flows.running.flows import Flows
from dagger.flows.running.report import FlowReport, StepReport, UndoneReport

__all__ = [
    "Compensation",
    "Defaults",
    "Document",
    "Flow",
    "FlowReport",
    "FlowStatus",
    "Flows",
    "Names",
    "OnError",
    "Rescue",
    "Schedule",
    "Step",
    "StepFunction",
    "StepReport",
    "StepStatus",
    "UndoneReport",
    "check",
    "documents",
    "dump",
    "flow_of",
    "load",
    "parse",
    "save",
    "step",
    "step_functions",
    "to_dot",
]
