"""Who may import whom: the floors, and the one public face."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = sorted(
    path.parent
    for path in (ROOT / "dagger").rglob("__init__.py")
    if path.parent.name not in ("dagger", "cli")  # which has a file for each command
)
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))


def imported(source: str) -> Iterator[str]:
    """The modules that a program imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_imports_go_down_the_floors() -> None:
    """Every import contract of pyproject.toml holds."""
    # In a process of its own: it sets up logging anew, and so silences every other test's.
    code = "import sys; from importlinter import cli; sys.exit(cli.lint_imports(no_cache=True))"
    path = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "agents")))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_a_room_tells_what_is_in_it(room: Path) -> None:
    """Whoever enters a room finds each of its files named, in the docstring of the room."""
    told = ast.get_docstring(ast.parse((room / "__init__.py").read_text("utf-8"))) or ""
    files = {path.stem for path in room.glob("*.py")} - {"__init__"}
    rooms = {path.parent.name for path in room.glob("*/__init__.py")}
    assert {name for name in files | rooms if f"`{name}`" not in told} == set()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_use_the_public_face_only(path: Path) -> None:
    """An example imports `dagger` and `dagger_agents`, and none of their rooms."""
    inside = [name for name in imported(path.read_text("utf-8")) if name.startswith("dagger.")]
    assert inside == []
