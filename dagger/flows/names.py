"""What the steps of a flow may use by name, and which arguments it takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from dagger.flows.flow import Flow
from dagger.flows.functions import StepFunction, schemas_of
from dagger.rules.schema import Schema, schema
from dagger.words.errors import DefinitionError, SchemaError


class Arguments(NamedTuple):
    """What something that a step uses must be given, and what it may be."""

    required: Collection[str]
    optional: Collection[str]
    open: bool = False
    """Whether it may be given anything else as well."""
    noun: str = "argument"
    schemas: Mapping[str, Schema] = MappingProxyType({})
    """What they have to be, where that is known."""


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


def wanted_by(uses: str, flow: Flow, names: Names | None) -> Arguments | None:
    """What is to be given to what a step of a flow uses; None where nobody knows, or the grammar
    says it.
    """
    if uses in flow.subflows:
        inputs = flow.subflows[uses].inputs
        required = [name for name, source in inputs.items() if is_required(source)]
        return Arguments(required, [*inputs], noun="input", schemas=_schemas_in(inputs))
    function = names.functions.get(uses) if names is not None else None
    if function is None:
        return None
    schemas: Mapping[str, Schema] = {}
    with suppress(DefinitionError):  # of its annotations; who makes an agent of it says so
        schemas = schemas_of(function)
    return Arguments(function.required, function.optional, function.takes_any, schemas=schemas)


def _schemas_in(inputs: Mapping[str, Any]) -> Mapping[str, Schema]:
    found = {}
    for name, source in inputs.items():
        with suppress(SchemaError):  # who checks the flow within says so
            found[name] = schema(source, "input")
    return found


def is_required(schema: object) -> bool:
    """Whether an input must be given."""
    return not (isinstance(schema, Mapping) and "default" in schema)


OWN = "is a channel of the flow itself, on which only the flow says something"
"""What is the matter with publishing there, behind the channel."""


def is_own(channel: str, flow: str) -> bool:
    """Whether a channel is one of those by which a flow is carried out: its own, that of a step
    or of what undoes one, or where its output is.
    """
    return channel == flow or channel.startswith((f"{flow}.", f"{flow}:"))
