"""Where source texts come from: a file, a folder, the files that a git branch has changed."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LEFT_OUT = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})
"""Folders that nobody has written; and those whose name begins with a dot."""


class Source(NamedTuple):
    """A file, and what is in it."""

    path: Path
    text: str
    """With its own line ends."""
    encoding: str
    """What it is encoded in, as it says itself."""

    def write(self, text: str) -> None:
        """Put another text into the file, whole or not at all.

        Raises OSError, and UnicodeError where its encoding lacks a letter.
        """
        raw, path = text.encode(self.encoding), self.path.resolve()
        # A new file of a name that nobody knows: there may be links that lead elsewhere.
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(raw)
            os.chmod(name, path.stat().st_mode)
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise


def read(path: Path) -> Source:
    """A file of Python.

    Raises OSError, and SyntaxError for one whose encoding is unknown or another one.
    """
    raw = path.read_bytes()
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(raw).readline)[0]
        text = raw.decode(encoding)
        text.encode()  # some encodings give halves of letters, which no tool takes
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise SyntaxError(f"{path}: {error}") from error
    return Source(path, text, encoding)


def files_in(folder: Path) -> Iterator[Path]:
    """The files of Python in a folder and all below it, in order, but for links: what they lead to
    is in its own place, or is somebody else's.
    """
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in LEFT_OUT and each[0] != ".")
        files = (Path(where, each) for each in sorted(names) if each.endswith(".py"))
        yield from (each for each in files if not each.is_symlink())


def changed_files(folder: Path, base: str) -> Iterator[Path]:
    """The files of Python below a folder that its branch has changed since it left `base`.

    Those that are gone are left out, and links. Raises ValueError where git does not know that
    branch, or the folder is in no repository.
    """
    if not base or base.startswith("-"):  # git would take it for HEAD, or for an option
        raise ValueError(f"git knows no branch {base!r}")
    said = _git(folder, "diff", "--name-only", "--relative", "-z", f"{base}...", "--")
    for name in sorted(filter(None, said.split("\0"))):
        path = folder / name
        if name.endswith(".py") and path.is_file() and not path.is_symlink():
            yield path


def _git(folder: Path, *words: str) -> str:
    ended = subprocess.run(
        ["git", "-C", folder, *words], capture_output=True, encoding="utf-8", check=False
    )
    if ended.returncode:
        why, *_usage = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise ValueError(f"git {words[0]} failed in {folder}: {why}")
    return ended.stdout
