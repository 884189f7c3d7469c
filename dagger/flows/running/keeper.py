"""Keepers: what a reference to a secret stands for, in a flow or in one within another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagger.authoring.origin import RunPlace
from dagger.flows.references import Reference
from dagger.flows.running.arguments import Arguments
from dagger.flows.running.program import Program
from dagger.flows.running.vault import Vault
from dagger.words.errors import SecretMissing


class Keeper:
    """Gives the secrets of one program; `given` are the arguments that a flow within another
    gets, by the keeper of that one.
    """

    def __init__(
        self, program: Program, vault: Vault, given: tuple[Keeper, Arguments] | None = None
    ) -> None:
        self.program = program
        self.vault = vault
        self._given = given

    def come(self, arguments: Arguments, payload: Any, run: RunPlace) -> Mapping[str, Any]:
        """The arguments of a step, of what has come. Raises ExpressionError, SecretMissing."""
        outer = payload["scope"].get("outer") if arguments.late else None
        return arguments.come(payload, lambda found: self._secret(found, run, outer))

    def _secret(self, reference: Reference, run: RunPlace, outer: Any) -> Any:
        root, name = reference.parts[0], str(reference.parts[1])
        if root == "secrets":
            return self.vault.secret(name)
        if self._given is None:
            return self._input(run, name)
        above, arguments = self._given
        found = above.come(arguments, outer, run) if arguments.late else outer["with"]
        value = found[name] if name in found else self.program.defaults[name]
        self.vault.secrets.add(value, run)
        return value

    def _input(self, run: RunPlace, name: str) -> Any:
        try:
            return self.vault.input(run, name)
        except SecretMissing:
            if name in self.program.defaults:
                return self.program.defaults[name]
            raise
