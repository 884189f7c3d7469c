"""From a file, a text or Python to a flow that is right, or to an error with all that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from dagger.flows.documents import Document, Draft, document_of, draft, draft_of
from dagger.flows.expanding import MAX_FLOWS
from dagger.flows.flow import Flow
from dagger.flows.names import Names
from dagger.flows.references import used_by
from dagger.rules.documents.limits import content_of
from dagger.words.errors import FlowError


def load(path: str | Path, names: Names | None = None) -> Flow:
    """The flow that a file says, with those that its steps use.

    With `names` it is also asked whether there is what they use. Raises FlowError with all that
    is wrong, in this file and in those, and OSError where it cannot be read.
    """
    return right(read(path), names)


def documents(
    path: str | Path,
    names: Names | None = None,
    refused: Mapping[str, str] = MappingProxyType({}),
) -> list[Document]:
    """The document of a file, and behind it those that it uses, with what is wrong with each.

    `refused` are built-ins that may not be used here, and why: that is a warning. Raises OSError
    where the file itself cannot be read.
    """
    return [document_of(each, names, refused) for each in read(path)]


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
    found = draft(text.encode("utf-8", "surrogatepass"), path)
    flow = replace(found.flow, subflows=dict(subflows or {}))
    return right([found._replace(flow=flow)], names)


def check(flow: Flow, names: Names | None = None) -> None:
    """Raise FlowError with all that is wrong with a flow that was made in Python, and with those
    that its steps use.
    """
    right(drafts_of(flow), names)


def read(path: str | Path) -> list[Draft]:
    """The draft of a file, and behind it those of the files that it uses.

    Raises OSError where the file itself cannot be read.
    """
    files = _Files(Path(path))
    files.read(Path(path), (), content_of(Path(path)))
    return list(reversed(files.drafts))


def drafts_of(flow: Flow) -> list[Draft]:
    """The same of a flow that was made in Python, and of those within it."""
    return [draft_of(each) for each in flow.flows()]


def right(drafts: Iterable[Draft], names: Names | None) -> Flow:
    """The flow of the first of some drafts. Raises FlowError with all that is wrong with them."""
    found = [document_of(each, names) for each in drafts]
    if errors := [error for each in found for error in each.errors]:
        raise FlowError(errors)
    return found[0].flow


class _Files:
    """Reads a document and those that it uses, each of them once."""

    def __init__(self, first: Path) -> None:
        self.drafts: list[Draft] = []
        """All that were read, what is used before what uses it."""
        self._folder = first.parent.resolve()
        self._read: dict[Path, Flow] = {}

    def read(self, path: Path, users: tuple[Path, ...], content: bytes) -> Flow:
        """The flow of a file, which the flows of other files (`users`) use."""
        file = path.resolve()
        found = draft(content, str(path))
        subflows, unread = self._subflows(found, path, (*users, file))
        flow = replace(found.flow, subflows=subflows)
        self.drafts.append(found._replace(flow=flow, unread=unread))
        self._read[file] = flow
        return flow

    def _subflows(
        self, draft: Draft, path: Path, users: tuple[Path, ...]
    ) -> tuple[dict[str, Flow], dict[str, str]]:
        found: dict[str, Flow] = {}
        unread: dict[str, str] = {}
        for uses in used_by(draft.flow):
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
        if len(self._read) + len(users) >= MAX_FLOWS:
            return f"the flow consists of more than {MAX_FLOWS} files"
        try:
            content = content_of(path)
        except OSError as error:
            return f"the flow {uses!r} cannot be read: {error.strerror}"
        return self.read(path, users, content)
