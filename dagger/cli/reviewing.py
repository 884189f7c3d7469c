"""The files that a review is asked of, looked at by the ready-made code review."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from dagger.cli.exits import Refused

if TYPE_CHECKING:
    from dagger_agents.code_review import Review, Source
    from dagger_agents.code_review.taking import Pair


class Reviewed(NamedTuple):
    """What is told of some files."""

    told: str
    score: float
    changed: list[str]
    """The files that were written, each with its score before and after."""


def reviewed(path: Path, as_: str, base: str | None, wanted: float | None) -> Reviewed:
    """Review a file or folder, or what of it has changed since `base`.

    With `wanted` files of a lower score are improved, and written. A file that cannot be read or
    written is told of, and keeps nobody from the others. Raises Refused where the extra is
    missing, the branch is unknown, or there is no file.
    """
    tools = _code_review()
    files = _files(tools, path, base)
    sources, reviews = _read(tools, files)
    taken = tools.taken_among(_read(tools, _around(tools, path))[0])
    changed: list[str] = []
    if wanted is None:
        reviews |= {each.path: _reviewed(tools, each, each.text, taken) for each in sources}
    else:
        given = [(str(each.path), each.text) for each in sources]
        reports = anyio.run(tools.review_all, given, wanted, taken)
        for each, report in zip(sources, reports, strict=True):
            text, problems, told = _written(each, report.state)
            review = _reviewed(tools, each, text, taken)
            reviews[each.path] = replace(review, problems=problems)
            changed += told
    found = [reviews[each] for each in files]
    score = tools.mean([each.score for each in found])
    return Reviewed(tools.FORMATS[as_](found), score, changed)


def _reviewed(tools: ModuleType, source: Source, text: str, taken: Collection[Pair]) -> Review:
    options = tools.Options(taken=tools.taken_from(source.path, taken))
    found: Review = tools.review_source(text, str(source.path), options)
    return found


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


def _files(tools: ModuleType, path: Path, base: str | None) -> list[Path]:
    try:
        found = [*_found(tools, path, base)]
    except (OSError, ValueError) as error:
        raise Refused(str(error)) from error
    if not found and base is None:  # a branch may have changed none
        raise Refused(f"there is no file of Python in {path}")
    return found


def _found(tools: ModuleType, path: Path, base: str | None) -> Iterable[Path]:
    folder = path if path.is_dir() else path.parent
    found: Iterable[Path] = [path] if folder != path else tools.files_in(path)
    if base is None:
        return found
    return [each for each in tools.changed_files(folder, base) if folder == path or each == path]


def _around(tools: ModuleType, path: Path) -> Iterable[Path]:
    """The files that may take something from those that are asked for: in the folder, or beside."""
    found: Iterable[Path] = tools.files_in(path) if path.is_dir() else path.parent.glob("*.py")
    return found


def _read(tools: ModuleType, files: Iterable[Path]) -> tuple[list[Source], dict[Path, Review]]:
    """The files that can be read, and reviews of those that cannot."""
    sources, reviews = [], {}
    for each in files:
        try:
            sources.append(tools.read(each))
        except (OSError, SyntaxError) as error:
            reviews[each] = tools.unreadable(str(each), str(error))
    return sources, reviews


def _written(source: Source, state: Mapping[str, Any]) -> tuple[str, tuple[str, ...], list[str]]:
    """What is in a file now, what could not be done, and what is told of its change."""
    text, problems = state["text"], tuple(state.get("problems", ()))
    if text == source.text:
        return text, problems, []
    try:
        source.write(text)
    except (OSError, UnicodeError) as error:
        return source.text, (*problems, f"it could not be written: {error}"), []
    before, *_, after = state["scores"]
    return text, problems, [f"{source.path}: {before:.2f} -> {after:.2f}"]
