"""`Flows`: flows as executors carry them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Unpack

from dagger.authoring.agent import Agent
from dagger.executor.executor import Executor
from dagger.executor.live import LiveRun
from dagger.executor.specs import Opening
from dagger.flows.filling import filled
from dagger.flows.flow import Flow
from dagger.flows.loading import drafts_of, read, right
from dagger.flows.running.assembling import Assembling
from dagger.flows.running.report import FlowReport
from dagger.flows.running.showing import flow_report
from dagger.flows.running.uses import Given, Uses
from dagger.flows.running.vault import Vault
from dagger.words.errors import DefinitionError, ExecutionError

if TYPE_CHECKING:
    from dagger.views.schedules import ScheduleInfo
    from dagger.words.config import Config


class Flows:
    """Flows, and the agents that they become: give `flows.agents` to an Executor.

    `flows` are flows, or paths of their files. `uses` are what their steps use: step functions,
    agents, and modules with them; then come the modules of the setting `flow_modules`, which are
    imported, and all else that was decorated. `secrets` go before the environment. With
    `accept_changes` runs that were begun under another definition go on where what has run of
    them is the same. `config` says what built-ins may do, and which modules; without it, the
    settings in force.

    Data: it starts nothing. Raises FlowError for flows that are wrong, DefinitionError for what
    cannot be used as a step, and OSError for files that cannot be read.
    """

    def __init__(
        self,
        *flows: Flow | str | Path,
        uses: Iterable[Given] = (),
        secrets: Mapping[str, str] | None = None,
        config: Config | None = None,
        accept_changes: bool = False,
    ) -> None:
        if config is None:
            from dagger.words.config import Config

            config = Config.load()
        known, vault = Uses([*_listed(config), *uses]), Vault(secrets)
        making = Assembling(known, vault, config, accept_changes=accept_changes)
        self.flows: dict[str, Flow] = {}
        """By name."""
        self.agents: list[Agent] = []
        """The agents of all of them."""
        self._given: dict[str, Flow] = {}  # as they were given, or read
        for each in flows:
            given, flow = _checked(each, known)
            if flow.name in self.flows:
                raise DefinitionError(f"two flows are named {flow.name!r}; rename one of them")
            self._given[flow.name], self.flows[flow.name] = given, flow
            self.agents += making.agents(flow)

    async def run(
        self,
        executor: Executor,
        flow: str | Flow,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        **limits: Unpack[Opening],
    ) -> FlowReport:
        """Run a flow, and wait for its end, or until it waits for people or is paused.

        `limits` and errors are those of `Executor.run`; ValidationError for inputs that are
        not what the flow says, SecretMissing.
        """
        live = await self.start(executor, flow, inputs, run_id=run_id, **limits)
        await live.rest()
        return self.report(live)

    async def start(
        self,
        executor: Executor,
        flow: str | Flow,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        **limits: Unpack[Opening],
    ) -> LiveRun:
        """Begin a run of a flow; its live run. Errors are those of `run`."""
        given = {} if inputs is None else inputs
        return await executor.start(self._name(flow), given, run_id=run_id, **limits)

    async def schedule(self, executor: Executor) -> list[ScheduleInfo]:
        """Keep to the schedules that the flows say themselves; each is known by its flow's name.

        Raises what `Executor.schedule` does.
        """
        found = []
        for flow in self.flows.values():
            said = flow.schedule
            if said is not None:
                terms: dict[str, Any] = {
                    "timezone": said.timezone,
                    "misfire": said.misfire,
                    "overlap": said.overlap,
                    "jitter": said.jitter,
                }
                inputs = dict(said.inputs)
                found.append(
                    await executor.schedule(flow.name, inputs, said.when, id=flow.name, **terms)
                )
        return found

    def report(self, live: LiveRun) -> FlowReport:
        """What has become of a run step by step, or how far it is.

        Raises ExecutionError for one of which that is not known: it is no run of a flow, has
        not begun, or ended before it could say so.
        """
        found = flow_report(live.state)
        if found is None:
            problem = f"run {live.id!r} is {live.status}, and tells of no steps of a flow"
            raise ExecutionError(f"{problem}; see its report, live.report()")
        return found

    def _name(self, flow: str | Flow) -> str:
        name = flow if isinstance(flow, str) else flow.name
        known = self.flows.get(name)
        if known is None:
            raise ExecutionError(f"no flow {name!r} here; known: {', '.join(self.flows) or 'none'}")
        if isinstance(flow, Flow) and flow not in (known, self._given[name]):
            raise ExecutionError(f"another flow is named {name!r} here; give it to Flows(...)")
        return name


def _listed(config: Config) -> Iterator[ModuleType]:
    """The modules that the settings name. Raises DefinitionError where there is none."""
    for name in config.flow_modules:
        try:
            yield import_module(name)
        except ImportError as error:
            problem = f"the module {name!r}, which flow_modules names, cannot be imported: {error}"
            raise DefinitionError(problem) from error


def _checked(given: Flow | str | Path, uses: Uses) -> tuple[Flow, Flow]:
    """A flow as it was given or read, and as it is run, with what its step functions say; that is
    checked with it.
    """
    if not isinstance(given, Flow | str | Path):
        raise DefinitionError(f"flows are files, and what Flow(...) makes, not {given!r}")
    drafts = drafts_of(given) if isinstance(given, Flow) else read(given)
    names = uses.names(drafts[0].flow)
    flow = right(drafts, names)
    said = given if isinstance(given, Flow) else flow
    return said, filled(said, names)
