"""What files of flows offer to run: the flows, the agents that they become, and their schedules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from dagger.cli.exits import Refused
from dagger.cli.flow_inputs import checked_inputs
from dagger.cli.flows import modules_in
from dagger.executor.specs import EventDriven
from dagger.flows.running.flows import Flows
from dagger.flows.running.program import Program
from dagger.words.errors import FlowError
from dagger.words.payload import plain

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.cli.log_json import Say
    from dagger.executor.executor import Executor
    from dagger.flows.flow import Flow


class FlowProgram:
    """The flows of some files; a run that a command begins is one of the first."""

    config = None

    def __init__(self, file: Path, flows: Flows) -> None:
        self._file = file
        self._flows = flows
        first = next(iter(flows.flows.values()))
        self._program = Program(first, first.name)

    @property
    def agents(self) -> list[Agent]:
        return self._flows.agents

    @property
    def flow(self) -> Flow:
        """The flow that a command runs."""
        return self._program.flow

    @property
    def flows(self) -> list[str]:
        return [*self._flows.flows]

    def start(self, given: Sequence[str], warn: Say) -> EventDriven:
        """Where a run starts, and with what: the values of `--input`. Raises Refused."""
        inputs, exposed = checked_inputs(self._program, given)
        for name in exposed:
            seen = f"the secret input {name!r} stands on the command line, where others can see it"
            warn(f"{seen}; better: --input {name}=@FILE, or the variable {name}")
        return EventDriven(self._program.channel, inputs)

    def run_id(self, spec: EventDriven) -> str:
        """The same for the same flow and inputs; secret ones are no part of it."""
        secret = self._program.secret
        inputs = {name: each for name, each in spec.payload.items() if name not in secret}
        text = json.dumps([str(self._file.resolve()), spec.channel, plain(inputs)], sort_keys=True)
        return f"{spec.channel}-{blake2b(text.encode(), digest_size=4).hexdigest()}"

    async def begin(self, executor: Executor) -> None:
        """Keep to the schedules that the files say."""
        await self._flows.schedule(executor)


def load(
    files: Sequence[Path], steps: Sequence[str], *, accept_changes: bool = False
) -> FlowProgram:
    """The flows of some files, with what their steps use from others.

    Raises Refused, FlowError, DefinitionError, and what of Dagger's errors those files raise.
    """
    uses = modules_in(steps)
    try:
        flows = Flows(*files, uses=uses, accept_changes=accept_changes)
    except FlowError as error:
        if uses or not any(each.unknown for each in error.problems):
            raise
        hint = "only built-ins are known here: what else steps use is in the files of --steps"
        raise Refused(f"{error}\n{hint}") from error
    except OSError as error:
        raise Refused(f"{error.filename} cannot be read: {error.strerror}") from error
    return FlowProgram(files[0], flows)
