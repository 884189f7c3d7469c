"""What the steps of a flow may use by name, and which arguments it takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dagger.flows.flow import Flow
from dagger.flows.functions import StepFunction


class Arguments(NamedTuple):
    """What something that a step uses must be given, and what it may be."""

    required: Collection[str]
    optional: Collection[str]
    open: bool = False
    """Whether it may be given anything else as well."""
    noun: str = "argument"


@dataclass(frozen=True, slots=True)
class Names:
    """The agents and step functions that there are.

    A flow that is checked without them is not asked whether what it uses exists.
    """

    agents: frozenset[str] = frozenset()
    """The names of agents."""
    functions: Mapping[str, StepFunction] = field(default_factory=dict)
    """Step functions by their names."""

    @classmethod
    def of(cls, agents: Iterable[str] = (), functions: Iterable[StepFunction] = ()) -> Names:
        """Those of these names, and these."""
        return cls(frozenset(agents), {each.name: each for each in functions})

    def __contains__(self, name: str) -> bool:
        return name in self.agents or name in self.functions

    def known(self) -> list[str]:
        """All of them, by name."""
        return sorted({*self.agents, *self.functions})


def arguments_of(uses: str, flow: Flow, names: Names | None) -> Arguments | None:
    """What a step of a flow is to give; None where that is not known, or is for the grammar."""
    if uses in flow.subflows:
        inputs = flow.subflows[uses].inputs
        required = [name for name, schema in inputs.items() if is_required(schema)]
        return Arguments(required, [*inputs], noun="input")
    function = names.functions.get(uses) if names is not None else None
    if function is None:
        return None
    return Arguments(function.required, function.optional, function.takes_any)


def is_required(schema: object) -> bool:
    """Whether an input must be given."""
    return not (isinstance(schema, Mapping) and "default" in schema)
