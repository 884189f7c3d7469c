"""The vault: where the secrets of flows are, in this process and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dagger.authoring.origin import RunPlace
from dagger.words.errors import SecretMissing
from dagger.words.secrets import Secrets


class Vault:
    """Secrets by their names, and secret inputs by run.

    `given` come first, then the environment. What was given out is hidden from then on: an input
    until its run has ended, and all else for good.
    """

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.secrets = Secrets()
        self._given = dict(given or {})
        self._inputs: dict[RunPlace, dict[str, Any]] = {}
        self.secrets.add(self._given)

    def keep(self, run: RunPlace, inputs: Mapping[str, Any]) -> None:
        """The secret inputs of a run."""
        if inputs:
            self.secrets.add(inputs, run)
            self._inputs.setdefault(run, {}).update(inputs)

    def forget(self, run: RunPlace) -> None:
        """A run has ended."""
        self._inputs.pop(run, None)
        self.secrets.let_go(run)

    def has(self, name: str) -> bool:
        """Whether there is a secret of that name."""
        return name in self._given or name in os.environ

    def secret(self, name: str) -> str:
        """A secret by its name. Raises SecretMissing."""
        value = self._given.get(name, os.environ.get(name))
        if value is None:
            raise SecretMissing(name)
        self.secrets.add(value)
        return value

    def has_input(self, run: RunPlace, name: str) -> bool:
        """Whether a secret input of a run is known."""
        return name in self._inputs.get(run, ()) or self.has(name)

    def input(self, run: RunPlace, name: str) -> Any:
        """A secret input: what the run was given, or else the secret of its name.

        Raises SecretMissing.
        """
        given = self._inputs.get(run, {})
        if name in given:
            return given[name]
        if not self.has(name):
            raise SecretMissing(name, run.run_id)
        return self.secret(name)
