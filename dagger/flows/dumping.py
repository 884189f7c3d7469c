"""A flow as the YAML that says it."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex
from shutil import copymode

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

    Either all of them are written or, where one cannot be, none; each takes the place of a file
    that was there as a whole. Raises SerializationError, DefinitionError where one of them would
    not be there or two would be one file, and OSError.
    """
    path = Path(path)
    texts: dict[Path, str] = {}
    _collect(flow, path, texts, {})
    beside: dict[Path, Path] = {}
    try:
        for file, text in texts.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.exists() and not file.is_file():  # a pipe, a terminal
                file.write_text(text, "utf-8")
            else:
                target = file.resolve()
                beside[target] = target.with_name(f".{target.name}.{token_hex(4)}")
                _write(beside[target], text, target)
        for target, made in beside.items():
            made.replace(target)
    finally:
        for made in beside.values():
            made.unlink(missing_ok=True)
    return path


def _collect(flow: Flow, path: Path, texts: dict[Path, str], flows: dict[Path, Flow]) -> None:
    """The texts of a flow and those within it, by the files that they will be."""
    known = flows.setdefault(path, flow)
    if known is not flow and known != flow:
        problem = f"two flows would be the file {path.name!r}; rename one of them"
        raise DefinitionError(problem, f"flow {flow.name!r}")
    if path in texts:
        return
    texts[path] = dump(flow)
    for uses, each in flow.subflows.items():
        if not uses.startswith("./") or ".." in uses.split("/"):
            problem = f"the sub-flow {shown(uses)} is no file below, such as ./other.yml"
            raise DefinitionError(problem, f"flow {flow.name!r}")
        _collect(each, path.parent / uses, texts, flows)


def _write(file: Path, text: str, target: Path) -> None:
    """Make a file that is to take the place of another one, with its permissions."""
    with file.open("x", encoding="utf-8") as made:
        made.write(text)
    if target.exists():
        copymode(target, file)
