"""What a document may not exceed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dagger.rules.documents.limits import MAX_BYTES, content_of, text_of
from dagger.rules.documents.tree import Place, Problem


def test_no_more_is_read_than_is_wanted(tmp_path: Path) -> None:
    """Of a file that is too large only as much is read as shows it."""
    file = tmp_path / "large.yml"
    with file.open("wb") as hole:
        hole.truncate(10 * MAX_BYTES)
    content = content_of(file)
    assert len(content) == MAX_BYTES + 1
    assert text_of(content) == Problem(Place(1, 1), "the document has more than 4,194,304 bytes")


def test_only_files_are_read(tmp_path: Path) -> None:
    """A folder, or a pipe that nobody writes into, is an OSError."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nothing"):
        with pytest.raises(OSError, match=r"it is no regular file|No such file"):
            content_of(path)


def test_a_byte_order_mark_is_none_of_the_text() -> None:
    """Windows editors put one in front of what is UTF-8; anything else is told by its place."""
    assert text_of("\ufeffname: x".encode()) == "name: x"
    for other in ("utf-16", "latin-1"):
        assert isinstance(text_of("ü: ä".encode(other)), Problem)
    assert text_of(b"a: b\nc: \xff") == Problem(Place(2, 4), "the document is not UTF-8 here")
