"""A flow as the YAML that says it."""

from __future__ import annotations

from pathlib import Path

from dagger.flows.flow import Flow
from dagger.flows.reading import data_of
from dagger.rules.documents.writing import written
from dagger.rules.violation import shown
from dagger.words.errors import DefinitionError
from dagger.words.payload import plain


def dump(flow: Flow) -> str:
    """The document of a flow: parsing it gives the same flow, if its sub-flows are there.

    Raises SerializationError for a value in it that is not JSON.
    """
    return written(plain(data_of(flow), f"flow {flow.name!r}"))


def save(flow: Flow, path: str | Path) -> Path:
    """Write the document of a flow, and those of the flows that it uses next to or below it.

    Raises SerializationError, DefinitionError where one of them would not be there, and OSError.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(flow), "utf-8")
    for uses, each in flow.subflows.items():
        if not uses.startswith("./") or ".." in uses.split("/"):
            problem = f"the sub-flow {shown(uses)} is no file below, such as ./other.yml"
            raise DefinitionError(problem, f"flow {flow.name!r}")
        save(each, path.parent / uses)
    return path
