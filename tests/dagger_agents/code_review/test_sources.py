"""Where texts come from: files, folders, branches."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dagger_agents.code_review import changed_files, files_in, read


def fill(folder: Path, **files: str) -> None:
    """Write files of Python."""
    for name, text in files.items():
        folder.joinpath(f"{name}.py").write_text(text, "utf-8")


def git(folder: Path, *words: str) -> None:
    """Do something with git, as somebody."""
    who = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


def test_a_folder_has_the_files_that_somebody_wrote(tmp_path: Path) -> None:
    """In order, below it too; what tools have put there is left out."""
    for name in ("b", "a/c", "a/.hidden/d", ".venv/e", "build/f", "a/__pycache__/g"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "notes.txt").touch()
    assert [each.relative_to(tmp_path).as_posix() for each in files_in(tmp_path)] == [
        "b.py",
        "a/c.py",
    ]


def test_a_file_is_written_as_it_was_read(tmp_path: Path) -> None:
    """In its own encoding, with its own line ends and its own mode."""
    path = tmp_path / "latin.py"
    path.write_bytes("# coding: latin-1\r\nx = 'é'\r\n".encode("latin-1"))
    path.chmod(0o755)
    source = read(path)
    assert source.text.endswith("x = 'é'\r\n")
    source.write(source.text.replace("é", "ü"))
    assert path.read_bytes().endswith("x = 'ü'\r\n".encode("latin-1"))
    assert path.stat().st_mode & 0o777 == 0o755
    assert [*tmp_path.iterdir()] == [path]


def test_nothing_is_written_through_links(tmp_path: Path) -> None:
    """Links in a folder are left out; a file that is a link stays one, and what it leads to is
    written; a link that lies in wait under a name beside it is not followed.
    """
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere.py"
    folder.mkdir()
    elsewhere.write_text("x = 1\n")
    (folder / "a.py").write_text("y = 1\n")
    (folder / "link.py").symlink_to(elsewhere)
    (folder / ".a.py.reviewed").symlink_to(elsewhere)
    assert list(files_in(folder)) == [folder / "a.py"]
    read(folder / "a.py").write("y = 2\n")
    assert elsewhere.read_text() == "x = 1\n"
    read(folder / "link.py").write("x = 3\n")
    assert (folder / "link.py").is_symlink()
    assert elsewhere.read_text() == "x = 3\n"


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """It says which it is not."""
    path = tmp_path / "latin.py"
    path.write_bytes("x = 'é'".encode("latin-1"))
    with pytest.raises(SyntaxError, match=r"latin\.py"):
        read(path)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_branch_has_the_files_that_it_changed(tmp_path: Path) -> None:
    """Since it left its base: not what the base has changed meanwhile, and not what is gone."""
    git(tmp_path, "init", "-q", "-b", "trunk")
    fill(tmp_path, kept="1", changed="1", gone="1", theirs="1")
    inner = tmp_path / "inner"
    inner.mkdir()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "switch", "-qc", "work")
    fill(tmp_path, changed="2")
    fill(inner, new="1")
    (tmp_path / "gone.py").unlink()
    (tmp_path / "notes.txt").touch()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "second")
    git(tmp_path, "switch", "-q", "trunk")
    fill(tmp_path, theirs="2")
    git(tmp_path, "commit", "-qam", "third")
    git(tmp_path, "switch", "-q", "work")
    assert [*changed_files(tmp_path, "trunk")] == [tmp_path / "changed.py", inner / "new.py"]
    assert [*changed_files(inner, "trunk")] == [inner / "new.py"]
    for base in ("nowhere", "--output=x", ""):
        with pytest.raises(ValueError, match="git"):
            [*changed_files(tmp_path, base)]
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_folder_without_a_repository_has_no_branches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused in one line, whatever else git has to say."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ValueError, match=r"(?i)^git diff failed in .*not a git repository.*$"):
        [*changed_files(tmp_path, "trunk")]
