"""Where source texts come from: a file, a folder, the files that a git branch has changed."""

from __future__ import annotations

import io
import os
import subprocess
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
        raw = text.encode(self.encoding)
        new = self.path.with_name(f".{self.path.name}.reviewed")
        try:
            new.write_bytes(raw)
            new.chmod(self.path.stat().st_mode)
            os.replace(new, self.path)
        except OSError:
            new.unlink(missing_ok=True)
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
    """The files of Python in a folder and all below it, in order; links are not followed."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each not in LEFT_OUT and each[0] != ".")
        yield from (Path(where, each) for each in sorted(names) if each.endswith(".py"))


def changed_files(folder: Path, base: str) -> Iterator[Path]:
    """The files of Python below a folder that its branch has changed since it left `base`.

    Those that are gone are left out. Raises ValueError where git does not know that branch, or
    the folder is in no repository.
    """
    if not base or base.startswith("-"):  # git would take it for HEAD, or for an option
        raise ValueError(f"git knows no branch {base!r}")
    said = _git(folder, "diff", "--name-only", "--relative", "-z", f"{base}...", "--")
    for name in sorted(filter(None, said.split("\0"))):
        path = folder / name
        if name.endswith(".py") and path.is_file():
            yield path


def _git(folder: Path, *words: str) -> str:
    ended = subprocess.run(
        ["git", "-C", folder, *words], capture_output=True, encoding="utf-8", check=False
    )
    if ended.returncode:
        why, *_usage = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise ValueError(f"git {words[0]} failed in {folder}: {why}")
    return ended.stdout
