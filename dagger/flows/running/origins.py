"""Origins: what an executor is told of the agents that a flow has become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dagger.authoring.coordinating import CoordinatorContext
from dagger.authoring.origin import Origin, RunPlace
from dagger.flows.references import texts_of
from dagger.flows.running.arguments import Arguments
from dagger.flows.running.context import WaitingContext
from dagger.flows.running.coordinator import KEPT
from dagger.flows.running.definition import difference, digest_of, flow_of
from dagger.flows.running.inputs import cannot_be_kept, check_inputs, is_missing
from dagger.flows.running.keeper import Keeper
from dagger.flows.running.program import Program
from dagger.flows.running.showing import so_far
from dagger.flows.running.vault import Vault
from dagger.words.errors import SecretMissing
from dagger.words.payload import decode

if TYPE_CHECKING:
    from dagger.authoring.context import Context
    from dagger.authoring.invocation import Invocation
    from dagger.flows.flow import Flow
    from dagger.state.queues import Delivery


class FlowPart(Origin):
    """Of any agent that a flow has become."""

    def __init__(
        self, definition: str, vault: Vault, *, careful: bool = False, coordinates: bool = False
    ) -> None:
        super().__init__(definition, vault.secrets, careful=careful, coordinates=coordinates)
        self._vault = vault

    def ended(self, run: RunPlace) -> None:
        self._vault.forget(run)


class StepOrigin(FlowPart):
    """Of an agent that carries out steps: `arguments` are what each gets, by its channel.

    Whoever acts on the world outside does so once it is on disk that he does: what was done is
    known to whoever goes on, to be undone.
    """

    def __init__(self, definition: str, keeper: Keeper, arguments: Mapping[str, Arguments]) -> None:
        super().__init__(definition, keeper.vault, careful=True)
        self._keeper = keeper
        self._arguments = arguments
        self.prepares = any(each.late for each in arguments.values())

    def prepare(self, payload: Any, channel: str, run: RunPlace) -> Any:
        """The arguments, with the secrets in them. Raises ExpressionError, SecretMissing."""
        arguments = self._arguments.get(channel)
        return payload if arguments is None else self._keeper.come(arguments, payload, run)


class CoordinatorOrigin(FlowPart):
    """Of the coordinator of a flow."""

    def __init__(self, definition: str, vault: Vault) -> None:
        super().__init__(definition, vault, coordinates=True)

    def context(self, invocation: Invocation) -> Context:
        return CoordinatorContext(invocation)


class WaitingOrigin(Origin):
    """Of the agent that waits for a message."""

    def context(self, invocation: Invocation) -> Context:
        return WaitingContext(invocation)


class FlowOrigin(CoordinatorOrigin):
    """Of the coordinator of a flow that runs begin with."""

    def __init__(
        self, keeper: Keeper, definition: Mapping[str, Any], *, accept_changes: bool
    ) -> None:
        super().__init__(digest_of(definition), keeper.vault)
        self._program = keeper.program
        self._definition = definition
        self._accept_changes = accept_changes
        self._needed = tuple(dict.fromkeys(secrets_of(keeper.program.flow)))

    def receive(self, payload: Any, run_id: str) -> Any:
        """The inputs without those that are secret, for which there is `keep`.

        Raises ValidationError, and of runs that begin later SecretMissing.
        """
        given, secret = {} if payload is None else payload, self._program.secret
        check_inputs(self._program, given, absent=secret)
        found = sorted(secret & given.keys())
        if not run_id:
            if found:
                raise cannot_be_kept(self._program, found[0])
            self._check_there({}, RunPlace(0, ""))
        return {name: value for name, value in given.items() if name not in secret}

    def keep(self, payload: Any, run: RunPlace) -> None:
        """The vault keeps the secret inputs of a run.

        Raises ValidationError for one that is missing, and SecretMissing for a secret that is
        needed and nowhere to be found.
        """
        given = {} if payload is None else payload
        self._check_there(given, run)
        self._vault.keep(run, {name: given[name] for name in self._program.secret & given.keys()})

    def _check_there(self, given: Mapping[str, Any], run: RunPlace) -> None:
        program = self._program
        for name in sorted(program.secret - program.defaults.keys() - given.keys()):
            if not self._vault.has_input(run, name):
                raise is_missing(program, name, given)
        self._check_needed()

    def _check_needed(self) -> None:
        for name in self._needed:
            if not self._vault.has(name):
                raise SecretMissing(name)

    def missing(self, run: RunPlace) -> str:
        """Which secret a run needs that is nowhere to be found."""
        try:
            self._check_needed()
            for name in sorted(self._program.secret - self._program.defaults.keys()):
                self._vault.input(run, name)
        except SecretMissing as error:
            return str(error)
        return ""

    def obstacle(self, delivery: Delivery) -> str:
        """What of the flow is not as it was when the run began, if that matters."""
        kept = [each for each in (delivery.kept or {}) if each[0] == f"step:{KEPT}"]
        if not kept or kept[-1][1] == self.definition:
            return ""
        assert delivery.kept is not None
        was = flow_of(decode(delivery.kept[kept[-1]].value))
        if self._accept_changes and _goes_on(self._program, Program(was, was.name), delivery):
            return ""
        now = flow_of(self._definition)
        told = difference(was, now)
        why = "changes what has run" if self._accept_changes else "has changed"
        hint = "; put that back, or cancel the run and begin another one"
        if not self._accept_changes:
            hint = (
                "; put it back, or go on where what has run is as it was: "
                "Flows(accept_changes=True), --accept-changes"
            )
        return f"flow {was.name!r} {why} since the run began{hint}\n{told}"


def secrets_of(flow: Flow) -> Iterator[str]:
    """The secrets that a flow names, and those within it."""
    for step in flow.all_steps():
        parts = [step] if step.compensate is None else [step, step.compensate]
        for part in parts:
            for reference in texts_of("with", part.with_, ()).references:
                if reference.parts[0] == "secrets" and len(reference.parts) > 1:
                    yield str(reference.parts[1])
    for inner in flow.subflows.values():
        yield from secrets_of(inner)


def _goes_on(program: Program, was: Program, delivery: Delivery) -> bool:
    """Whether what has begun or ended of a run is in a changed flow as it was, with what it needs.

    What ended without being sent, since it was skipped, say, counts too: others went by that.
    """
    begun = {key.partition("[")[0] for name, key in delivery.kept or {} if name == "requested"}
    begun = {each.removeprefix("undo:") for each in begun}
    plan = so_far(was, delivery).plan
    begun |= {each for each, status in plan.steps().items() if status.ended}
    return (
        all(
            each in program.works
            and each in was.works
            and program.works[each].said == was.works[each].said
            and program.works[each].needs == was.works[each].needs
            and _used_by(program, each) == _used_by(was, each)
            for each in begun
        )
        and program.flow.defaults == was.flow.defaults
        and program.flow.inputs == was.flow.inputs
        and program.flow.fail_fast == was.flow.fail_fast
    )


def _used_by(program: Program, id: str) -> list[Flow | None]:
    """The flows that a step is carried out and undone by; None where it is no flow."""
    work = program.works[id]
    return [program.subflow(each) for each in (work, work.undo) if each is not None]
