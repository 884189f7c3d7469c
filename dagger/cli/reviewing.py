"""The files that a review is asked of, looked at by the ready-made code review."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import anyio

from dagger.cli.exits import Refused

if TYPE_CHECKING:
    from dagger_agents.code_review import Review, Source


class Reviewed(NamedTuple):
    """What is told of some files."""

    told: str
    score: float
    changed: list[str]
    """The files that were written, each with its score before and after."""


def reviewed(path: Path, as_: str, base: str | None, wanted: float | None) -> Reviewed:
    """Review a file or folder, or what of it has changed since `base`.

    With `wanted` files of a lower score are improved, and written. Raises Refused where the extra
    is missing, the branch is unknown, or a file cannot be read.
    """
    tools = _code_review()
    sources = list(_sources(tools, path, base))
    texts = [each.text for each in sources]
    changed = []
    if wanted is not None:
        given = [(str(each.path), each.text) for each in sources]
        states = [each.state for each in anyio.run(tools.review_all, given, wanted)]
        texts = [each["text"] for each in states]
        for each, state in zip(sources, states, strict=True):
            if state["text"] != each.text:
                each.write(state["text"])
                before, *_, after = state["scores"]
                changed.append(f"{each.path}: {before:.2f} -> {after:.2f}")
    pairs = zip(sources, texts, strict=True)
    reviews: list[Review] = [tools.review_source(text, str(each.path)) for each, text in pairs]
    score = tools.mean([each.score for each in reviews])
    return Reviewed(tools.FORMATS[as_](reviews), score, changed)


def _code_review() -> ModuleType:
    """The agent's parts, which need libraries of their own. Raises Refused."""
    try:
        from dagger_agents import code_review
    except ModuleNotFoundError as error:
        raise Refused(
            f"dagger review needs the extra `review` (there is no {error.name}); "
            "install it with: pip install 'dagger-runtime[review]'"
        ) from error
    return code_review


def _sources(tools: ModuleType, path: Path, base: str | None) -> Iterable[Source]:
    try:
        found = [tools.read(each) for each in _files(tools, path, base)]
    except (OSError, SyntaxError, ValueError) as error:
        raise Refused(str(error)) from error
    if not found and base is None:  # a branch may have changed none
        raise Refused(f"there is no file of Python in {path}")
    return found


def _files(tools: ModuleType, path: Path, base: str | None) -> Iterable[Path]:
    folder = path if path.is_dir() else path.parent
    found: Iterable[Path] = [path] if folder != path else tools.files_in(path)
    if base is None:
        return found
    return [each for each in tools.changed_files(folder, base) if folder == path or each == path]
