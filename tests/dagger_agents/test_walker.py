"""The ready-made file walker, run on real folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from dagger import Agent, Executor, LiveRun, Report
from dagger_agents import file_walker


async def walk(walker: Agent, root: Path | str, **more: Any) -> tuple[Report, LiveRun]:
    """The report of one walk, and its run."""
    async with Executor([walker]) as executor:
        run = await executor.start("folders", {"root": str(root), **more})
        return await run.result(), run


def skipped(run: LiveRun, name: str = "walker") -> int:
    """How many paths a walker has counted as skipped."""
    count: int = run.cache.get("skipped", 0, namespace=name)
    return count


def names(report: Report, root: Path) -> list[str]:
    """What was published: the files' paths below the folder."""
    found = report.outputs.get("files", [])
    return [Path(file["path"]).relative_to(root).as_posix() for file in found]


def fill(root: Path, files: Iterable[str]) -> None:
    """Make files, each with its name in it."""
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


async def test_each_file_becomes_a_message(tmp_path: Path) -> None:
    """A message says where the file is, in which folder it was looked for, and its size."""
    fill(tmp_path, ["a.py"])
    report, run = await walk(file_walker(), tmp_path)
    path = str(tmp_path / "a.py")
    assert report.outputs == {"files": [{"path": path, "root": str(tmp_path), "bytes": 4}]}
    assert report.ok
    assert skipped(run) == 0


async def test_files_come_in_order(tmp_path: Path) -> None:
    """Files come in order of name, those of a folder before those of the folders in it."""
    fill(tmp_path, ["b/1.py", "b/a/2.py", "b/B.py", "a/9.py", "z.py", "c.py"])
    report, _ = await walk(file_walker(), tmp_path)
    assert names(report, tmp_path) == ["c.py", "z.py", "a/9.py", "b/1.py", "b/B.py", "b/a/2.py"]


async def test_a_pattern_chooses_names(tmp_path: Path) -> None:
    """Only names like the pattern are published; a message's own beats the walker's."""
    fill(tmp_path, ["a.py", "b.txt", "c/d.py", "c/E.PY"])
    walker = file_walker(pattern="*.py")
    report, _ = await walk(walker, tmp_path)
    assert names(report, tmp_path) == ["a.py", "c/d.py"]
    report, _ = await walk(walker, tmp_path, pattern="*.txt")
    assert names(report, tmp_path) == ["b.txt"]


async def test_excluded_folders_are_left_out(tmp_path: Path) -> None:
    """Nothing below a folder whose name is excluded is published."""
    fill(tmp_path, ["a.py", "build/b.py", "c/x.egg-info/d.py", "c/build.py"])
    report, _ = await walk(file_walker(exclude=("build", "*.egg-info")), tmp_path)
    assert names(report, tmp_path) == ["a.py", "c/build.py"]


async def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    """A link back to a folder on the way leads nowhere; a link to a file is one."""
    fill(tmp_path, ["a/b.py"])
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "c.py").symlink_to(tmp_path / "a" / "b.py")
    report, _ = await walk(file_walker(), tmp_path)
    assert names(report, tmp_path) == ["a/b.py", "a/c.py"]


async def test_what_is_no_readable_file_is_skipped_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken link and a pipe are logged and counted, and the rest is published."""
    fill(tmp_path, ["a.py", "c.py"])
    (tmp_path / "b.py").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "d.py")
    report, run = await walk(file_walker("finder"), tmp_path)
    assert names(report, tmp_path) == ["a.py", "c.py"]
    assert skipped(run, "finder") == 2
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("b.py" in text and "No such file" in text for text in told)
    assert any("d.py" in text and "no regular file" in text for text in told)


@pytest.mark.skipif(sys.platform != "linux", reason="needs names that are mere bytes")
async def test_a_name_that_is_not_unicode_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file whose name no message can carry costs that file, not the walk."""
    fill(tmp_path, ["a.py"])
    (tmp_path / os.fsdecode(b"\xff.py")).touch()
    report, run = await walk(file_walker(), tmp_path)
    assert report.ok
    assert names(report, tmp_path) == ["a.py"]
    assert skipped(run) == 1
    assert "is not Unicode" in caplog.text


async def test_a_folder_that_cannot_be_listed_is_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that cannot be opened (its path is too long) is logged and counted."""
    fill(tmp_path, ["a.py"])
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("x" * 200, dir_fd=here)
        below = os.open("x" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    report, run = await walk(file_walker(), tmp_path)
    assert names(report, tmp_path) == ["a.py"]
    assert skipped(run) == 1
    assert "too long" in caplog.text


async def test_a_walk_ends_at_its_limit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No more than `limit` files are published, and that there are more is told."""
    fill(tmp_path, ["a.py", "b.py", "c.py"])
    report, _ = await walk(file_walker(limit=2), tmp_path)
    assert names(report, tmp_path) == ["a.py", "b.py"]
    assert "more than 2 files" in caplog.text


async def test_a_limit_that_is_just_enough_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As many files as the limit are no reason to speak."""
    fill(tmp_path, ["a.py", "b.py"])
    report, _ = await walk(file_walker(limit=2), tmp_path)
    assert names(report, tmp_path) == ["a.py", "b.py"]
    assert not caplog.records


@pytest.mark.parametrize("root", ["missing", "file"])
async def test_a_root_that_is_no_folder_fails_at_once(tmp_path: Path, root: str) -> None:
    """A root that cannot be listed is a dead letter after one attempt."""
    fill(tmp_path, ["file"])
    report, _ = await walk(file_walker(), tmp_path / root)
    (letter,) = report.dead_letters
    assert not report.ok
    assert (letter.disposition, letter.attempts) == ("dead", 1)
    assert root in letter.failure.message


async def test_a_message_that_names_no_folder_is_rejected() -> None:
    """What is no `Folder` never reaches the disk."""
    async with Executor([file_walker()]) as executor:
        report = await executor.run("folders", {"folder": "/"})
    assert report.dispositions == {"rejected": 1}


async def test_channels_and_name_are_the_callers(tmp_path: Path) -> None:
    """Two walkers with names and channels of their own work side by side."""
    fill(tmp_path, ["a.py", "b.txt"])
    code = file_walker("code", subscribe="places", publish="sources", pattern="*.py")
    texts = file_walker("texts", subscribe="places", publish="texts", pattern="*.txt")
    async with Executor([code, texts]) as executor:
        report = await executor.run("places", {"root": str(tmp_path)})
    assert set(report.agents) == {"code", "texts"}
    assert [Path(file["path"]).name for file in report.outputs["sources"]] == ["a.py"]
    assert [Path(file["path"]).name for file in report.outputs["texts"]] == ["b.txt"]
