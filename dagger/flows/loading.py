"""From a file, a text or Python to a flow that is right, or to an error with all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dagger.flows.documents import Document, Draft, draft, finished, fitted_draft
from dagger.flows.flow import Flow
from dagger.flows.names import Names
from dagger.flows.reading import data_of
from dagger.flows.references import used_by
from dagger.rules.documents.limits import content_of
from dagger.rules.documents.tree import node_of
from dagger.words.errors import FlowError, FlowProblem, SerializationError
from dagger.words.payload import plain

MAX_FILES = 100
"""Documents that one flow may consist of, with all that they use."""


def load(path: str | Path, names: Names | None = None) -> Flow:
    """The flow that a file says, with those that its steps use.

    With `names` it is also asked whether there is what they use. Raises FlowError with all that
    is wrong, in this file and in those, and OSError where it cannot be read.
    """
    read = documents(path, names)
    if errors := [error for each in read for error in each.errors]:
        raise FlowError(errors)
    return read[0].flow


def documents(path: str | Path, names: Names | None = None) -> list[Document]:
    """The document of a file, and behind it those that it uses, with what is wrong with each.

    Raises OSError where the file itself cannot be read.
    """
    files = _Files(Path(path), names)
    files.read(Path(path), (), content_of(Path(path)))
    return list(reversed(files.documents))


def parse(
    text: str,
    *,
    path: str = "flow.yml",
    names: Names | None = None,
    subflows: Mapping[str, Flow] | None = None,
) -> Flow:
    """The flow that a text says; `path` is what its errors call it.

    `subflows` are the flows that its steps use, by what stands there ("./other.yml"). Raises
    FlowError with all that is wrong.
    """
    read = draft(text.encode("utf-8", "surrogatepass"), path)
    flow = replace(read.flow, subflows=dict(subflows or {}))
    return _right(finished(read, flow, names, {}))


def check(flow: Flow, names: Names | None = None) -> None:
    """Raise FlowError with all that is wrong with a flow that was made in Python."""
    _right(document_of(flow, names))


def document_of(flow: Flow, names: Names | None = None) -> Document:
    """What is to be said of a flow that was made in Python. Raises FlowError if it is no data."""
    path = f"flow {flow.name!r}"
    try:
        tree = node_of(plain(data_of(flow)))
    except SerializationError as error:
        part = error.path.removeprefix("$").removeprefix(".")
        raise FlowError([FlowProblem(path, 0, 0, error.problem, part)]) from None
    read = fitted_draft(path, tree, "", ())
    # What does not fit is not looked at again.
    return finished(read, replace(read.flow, subflows=flow.subflows), names, {})


def _right(document: Document) -> Flow:
    if document.errors:
        raise FlowError(document.errors)
    return document.flow


class _Files:
    """Reads a document and those that it uses, each of them once."""

    def __init__(self, first: Path, names: Names | None) -> None:
        self.documents: list[Document] = []
        """All that were read, what is used before what uses it."""
        self._folder = first.parent.resolve()
        self._names = names
        self._read: dict[Path, Flow] = {}

    def read(self, path: Path, users: tuple[Path, ...], content: bytes) -> Flow:
        """The flow of a file, which the flows of other files (`users`) use."""
        file = path.resolve()
        read = draft(content, str(path))
        subflows, unread = self._subflows(read, path, (*users, file))
        flow = replace(read.flow, subflows=subflows)
        self.documents.append(finished(read, flow, self._names, unread))
        self._read[file] = flow
        return flow

    def _subflows(
        self, read: Draft, path: Path, users: tuple[Path, ...]
    ) -> tuple[dict[str, Flow], dict[str, str]]:
        found: dict[str, Flow] = {}
        unread: dict[str, str] = {}
        for uses in used_by(read.flow):
            if uses.startswith("./"):
                flow = self._subflow(uses, path.parent / uses, users)
                if isinstance(flow, str):
                    unread[uses] = flow
                else:
                    found[uses] = flow
        return found, unread

    def _subflow(self, uses: str, path: Path, users: tuple[Path, ...]) -> Flow | str:
        """The flow of a file that another one uses, or why there is none."""
        try:
            file = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            return f"the flow {uses!r} cannot be read: {error}"
        if not file.is_relative_to(self._folder):
            return f"the flow {uses!r} is outside of the folder of the first file"
        if file in users:
            names = [each.name for each in users[users.index(file) :]]
            return f"flows use each other in a circle: {' -> '.join([*names, file.name])}"
        if file in self._read:
            return self._read[file]
        if len(self._read) + len(users) >= MAX_FILES:
            return f"the flow consists of more than {MAX_FILES} files"
        try:
            content = content_of(path)
        except OSError as error:
            return f"the flow {uses!r} cannot be read: {error.strerror}"
        return self.read(path, users, content)
