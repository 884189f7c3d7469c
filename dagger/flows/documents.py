"""A document: the flow as far as it could be read, and all that is wrong with it, by its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from dagger.flows.checking import errors_of
from dagger.flows.flow import Flow
from dagger.flows.grammar import CALLED, grammar
from dagger.flows.names import Names
from dagger.flows.reading import data_of, flow_from
from dagger.flows.warning import warnings_of
from dagger.rules.documents.findings import in_order, placed
from dagger.rules.documents.limits import text_of
from dagger.rules.documents.parsing import parse_tree
from dagger.rules.documents.structure import fitted
from dagger.rules.documents.tree import Node, Place, Problem, Scalar, node_of
from dagger.words.errors import FlowProblem, SerializationError
from dagger.words.payload import plain

_NO_TREE = Scalar(None, Place(1, 1), (0, 0))


class Draft(NamedTuple):
    """A document that is read, and not yet asked what it means."""

    path: str
    flow: Flow
    """With the flows that it uses, as soon as they are read as well."""
    tree: Node
    source: str
    """Its text; empty for a flow that was made in Python."""
    problems: tuple[Problem, ...]
    readable: bool
    """Whether enough of it could be read to ask what it means."""
    unread: Mapping[str, str] = MappingProxyType({})
    """Why files that its steps use could not be read."""


class Document(NamedTuple):
    """A flow, and all that is wrong with its document in the order of its lines."""

    flow: Flow
    """The flow, as far as it could be read."""
    errors: tuple[FlowProblem, ...]
    """What keeps it from being used."""
    warnings: tuple[FlowProblem, ...]
    """What is worth knowing of it; nothing while there are errors."""


def draft(content: bytes, path: str) -> Draft:
    """What a document says, as far as it says anything."""
    text = text_of(content)
    if isinstance(text, Problem):
        return _nothing(path, "", [text])
    tree, problems = parse_tree(text, "flow")
    return _nothing(path, text, problems) if tree is None else _fitted(path, tree, text, problems)


def draft_of(flow: Flow) -> Draft:
    """The same of a flow that was made in Python."""
    path = f"flow {flow.name!r}"
    try:
        tree = node_of(plain(data_of(flow)))
    except SerializationError as error:
        place = Place(0, 0, error.path.removeprefix("$").removeprefix("."))
        return _nothing(path, "", [Problem(place, error.problem)])
    found = _fitted(path, tree, "", ())
    # What does not fit is not looked at again.
    return found._replace(flow=replace(found.flow, subflows=flow.subflows))


def _nothing(path: str, source: str, problems: Iterable[Problem]) -> Draft:
    """Of what cannot be read at all."""
    return Draft(path, Flow(""), _NO_TREE, source, tuple(problems), readable=False)


def _fitted(path: str, tree: Node, source: str, problems: Iterable[Problem]) -> Draft:
    """A tree against the grammar."""
    data, misfits = fitted(tree, grammar(), "", CALLED)
    flow = Flow("") if data is None else flow_from(data)
    return Draft(path, flow, tree, source, (*problems, *misfits), data is not None)


def document_of(
    draft: Draft, names: Names | None, refused: Mapping[str, str] = MappingProxyType({})
) -> Document:
    """A draft that is asked what it means."""
    problems = [*draft.problems]
    if draft.readable:
        errors = errors_of(draft.flow, names, draft.unread)
        problems += placed(draft.tree, errors, draft.source)
    told = _told(draft, problems)
    return Document(draft.flow, told, () if told else _warnings(draft, names, refused))


def _warnings(
    draft: Draft, names: Names | None, refused: Mapping[str, str]
) -> tuple[FlowProblem, ...]:
    found = warnings_of(draft.flow, names, refused)
    return _told(draft, placed(draft.tree, found, draft.source))


def _told(draft: Draft, problems: Iterable[Problem]) -> tuple[FlowProblem, ...]:
    return tuple(
        FlowProblem(draft.path, *each.place[:2], each.text, each.place.path, each.unknown)
        for each in in_order(problems)
    )
