"""What the pages show is what happens: their code runs, and prints what they say."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL
from types import CodeType, ModuleType

import click
import pytest

from dagger import registry, tools
from dagger.cli.commands import main
from dagger.flows.functions import step_functions
from tests.docs.pages import PAGES, ROOT, Block, Page
from tests.patience import PATIENCE

with_python = [
    name for name, page in PAGES.items() if any(each.language == "python" for each in page.blocks)
]
with_files = [name for name, page in PAGES.items() if any(each.file for each in page.blocks)]
with_console = [
    name for name, page in PAGES.items() if any(each.language == "console" for each in page.blocks)
]

VARYING = (
    (re.compile(r"\b\d[\d,.]* (?:µs|ms|s|min|h)\b"), "TIME"),
    (re.compile(r"\b[\d,]+ deliveries/s"), "RATE"),
    (re.compile(r"\bat \S+:\d+ in "), "at PLACE in "),
    (re.compile(r"\b[0-9a-f]{12}\b"), "FINGERPRINT"),
)
"""What differs from run to run: it only has to be of the right kind."""


@pytest.mark.parametrize("name", with_python)
def test_code_runs_and_prints_what_the_page_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block runs after those before it, and prints the text block right below it."""
    page = PAGES[name]
    if "from opentelemetry" in page.text:
        pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK is not installed")
    module = ModuleType(f"page_{page.path.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_agents", {})  # agents of other modules
    step_functions.clear()  # those of other pages
    tools.clear()
    for block, promised in examples(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compiled(page, block), vars(module))
        assert settled(printed.getvalue()) == settled(promised), f"{name}, line {block.line}"


@pytest.mark.parametrize("name", with_files)
def test_programs_print_what_the_page_says(name: str, tmp_path: Path) -> None:
    """A block that begins with the name of a file is saved as it; typed at a shell as on the
    page, the program prints what stands there.
    """
    files = {block.file: block.text for block in PAGES[name].blocks if block.file}
    for file, text in files.items():
        (tmp_path / file).write_text(text, "utf-8")
    for line, promised in typed(PAGES[name]):
        if any(file in line for file in files):
            assert settled(said(line, tmp_path)) == settled(promised), f"{name}: {line}"


@pytest.mark.parametrize("name", with_console)
def test_commands_exist(name: str) -> None:
    """What is typed at a shell on a page are targets, commands, options and files there are."""
    for line in commands(PAGES[name]):
        program, *words = line.split("#")[0].split()
        if program == "make":
            assert {each for each in words if "=" not in each} <= targets(), line
        elif program == "dagger":
            assert set(words) & set(main.commands) or options(words) <= known(main), line
            named = [word for word in words if word in main.commands]
            for word in named:
                command = main.commands[word]
                if isinstance(command, click.Group):
                    command = command.commands[words[words.index(word) + 1]]
                    named.clear()  # what follows is a command of the group
                assert options(words) <= known(command), line
        for word in words:
            if re.fullmatch(r"(?:examples|docs|tests)/\S+\.py(?::\w+)?", word):
                assert (ROOT / word.partition(":")[0]).is_file(), line
            elif word.startswith("docs."):
                assert (ROOT / f"{word.replace('.', '/')}.py").is_file(), line


def examples(page: Page) -> list[tuple[Block, str]]:
    """Each Python block that is no file, and what the text block right below it says that it
    prints.
    """
    found = []
    for block, below in zip(page.blocks, [*page.blocks[1:], None], strict=True):
        if block.language == "python" and not block.file:
            shown = below is not None and below.language == "text"
            near = below is not None and below.line - block.end <= 3
            found.append((block, below.text if below and shown and near else ""))
    return found


def compiled(page: Page, block: Block) -> CodeType:
    """The code of a block, whose errors name the page and the line there."""
    lines = "\n" * (block.line - 1)
    return compile(lines + block.text, page.path, "exec", dont_inherit=True)


def settled(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def typed(page: Page) -> Iterator[tuple[str, str]]:
    """What is typed at a shell on a page, and what the page says that it prints."""
    for block in page.blocks:
        if block.language == "console":
            for entry in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
                line, _, printed = entry.partition("\n")
                yield line, printed


def commands(page: Page) -> list[str]:
    """What is typed at a shell on a page."""
    return [line for line, _ in typed(page)]


def said(line: str, folder: Path) -> str:
    """What a line prints that is typed at a shell in a folder where `python` and `dagger` are
    these here.
    """
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, words in {"python": "", "dagger": " -m dagger"}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n', "utf-8")
        program.chmod(0o755)
    search = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    paths = [str(ROOT), str(ROOT / "agents"), os.environ.get("PYTHONPATH", "")]
    search["PYTHONPATH"] = os.pathsep.join(paths)
    ended = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=os.environ | search,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=PATIENCE,
    )
    killed = ended.returncode in (-SIGKILL, 128 + SIGKILL)
    return ended.stdout + "Killed\n" * killed  # which a shell says where somebody types


def targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


def options(words: list[str]) -> set[str]:
    """The options among the words of a command."""
    return {word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][\w=-]*", word)}


def known(command: click.Command) -> set[str]:
    """The options that a command has."""
    found = {name for each in command.params for name in each.opts}
    return found | {"-h", "--help", "--version"}
