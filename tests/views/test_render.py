"""DOT source into files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger.views.render import render
from dagger.words.errors import ExecutionError
from tests.views import drawn

SOURCE = 'digraph { "é" -> b }\n'


@drawn.needs_graphviz
@pytest.mark.parametrize(
    ("suffix", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")]
)
def test_the_suffix_says_what_is_drawn(tmp_path: Path, suffix: str, start: bytes) -> None:
    """A file is what its name says, and its path comes back."""
    path = render(SOURCE, str(tmp_path / f"run{suffix}"))
    assert path.read_bytes().startswith(start)


@drawn.needs_graphviz
def test_a_format_goes_before_the_suffix(tmp_path: Path) -> None:
    """`format` decides where it is given."""
    assert b"<svg" in render(SOURCE, tmp_path / "picture.txt", "SVG").read_bytes()


@pytest.mark.parametrize("suffix", [".dot", ".gv"])
def test_source_needs_no_graphviz(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source itself is written as it is, in UTF-8, without any program."""
    monkeypatch.setenv("PATH", "")
    path = render(SOURCE, tmp_path / f"run{suffix}")
    assert path.read_text(encoding="utf-8") == SOURCE


def test_a_missing_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Graphviz the error says what to install and what to do without it."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExecutionError, match=r"install Graphviz.* to_dot\(\)"):
        render(SOURCE, tmp_path / "run.svg")
    assert not (tmp_path / "run.svg").exists()


@pytest.mark.parametrize(("name", "text"), [("run", "no suffix"), ("run.docx", "no format 'docx'")])
def test_a_format_that_is_none_is_refused(tmp_path: Path, name: str, text: str) -> None:
    """A name that tells no format is an error, and nothing is written."""
    with pytest.raises(ExecutionError, match=text):
        render(SOURCE, tmp_path / name)
    assert not list(tmp_path.iterdir())


@drawn.needs_graphviz
def test_what_graphviz_refuses_is_told(tmp_path: Path) -> None:
    """A source that is not DOT gives an error, not an empty picture."""
    with pytest.raises(ExecutionError, match="could not draw"):
        render("not dot", tmp_path / "run.svg")
