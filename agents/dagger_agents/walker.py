"""The file walker: a folder in, a message for each of its files out."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NotRequired, TypedDict

from dagger import Agent, Context, agent


class Folder(TypedDict):
    """What a walker takes."""

    root: str
    """A folder, as a path that this process can open."""
    pattern: NotRequired[str]
    """Names of the files that are wanted, such as "*.py"; else the walker's own."""


class File(TypedDict):
    """What a walker publishes."""

    path: str
    """The file: `root`, and the way from there."""
    root: str
    """The folder that was asked for, as it was written there."""
    bytes: int
    """Its size."""


def file_walker(
    name: str = "walker",
    *,
    subscribe: str | Sequence[str] = "folders",
    publish: str = "files",
    pattern: str = "*",
    exclude: Sequence[str] = (),
    limit: int | None = None,
) -> Agent:
    """An agent that takes folders (`Folder`) and publishes each regular file in them (`File`).

    Everything below the folder, in order of name, a folder's own files before the folders
    in it; all at once, when the walk is done. Folders whose name is like one of `exclude`
    are left out, and so are links to folders, so that no walk goes round in circles.

    A walk ends after `limit` files and says so. What cannot be read, or whose name is not
    Unicode, is skipped: logged as a warning, and counted in the run's cache as "skipped" in
    the namespace `name`. A `root` that cannot be read fails, and is not tried again.
    """

    @agent(name=name, subscribe=subscribe, publish=publish, max_attempts=1)
    def walk(payload: Folder, ctx: Context) -> Iterator[File]:
        """Publish a message for each file in a folder and the folders below it."""

        def skip(path: str, reason: str) -> None:
            ctx.log(f"skipped {path!r}: {reason}", level="WARNING")
            ctx.cache.increment("skipped", namespace=name)

        root, wanted = payload["root"], payload.get("pattern", pattern)
        for count, file in enumerate(_files(root, wanted, exclude, skip)):
            if count == limit:
                ctx.log(f"stopped in {root!r}: there are more than {limit} files", level="WARNING")
                return
            yield file

    return walk


_Skip = Callable[[str, str], None]
"""Told of a path that is left out, and why."""


def _files(root: str, pattern: str, exclude: Sequence[str], skip: _Skip) -> Iterator[File]:
    for folder, folders, names in os.walk(root, onerror=lambda error: _unread(error, root, skip)):
        folders[:] = sorted(each for each in folders if not _like_any(each, exclude))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if fnmatchcase(name, pattern) and (size := _size(path, skip)) is not None:
                yield File(path=path, root=root, bytes=size)


def _unread(error: OSError, root: str, skip: _Skip) -> None:
    """A folder that cannot be listed: the walk goes on without it, unless it is the first."""
    if error.filename == root:
        raise error
    skip(error.filename, error.strerror or repr(error))


def _size(path: str, skip: _Skip) -> int | None:
    """The size of a regular file, or of one that a link leads to; None if it is skipped."""
    try:
        path.encode()
        found = os.stat(path)
    except UnicodeEncodeError:
        skip(path, "its name is not Unicode, so no message can carry it")
    except OSError as error:
        skip(path, error.strerror or repr(error))
    else:
        if stat.S_ISREG(found.st_mode):
            return found.st_size
        skip(path, "it is no regular file")
    return None


def _like_any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, each) for each in patterns)
