"""`dagger run` at a terminal, as somebody sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pty = pytest.importorskip("pty", reason="there are no such terminals here")

ROOT = Path(__file__).parents[2]

SOURCE = """
    import anyio
    from dagger import agent

    @agent(subscribe="numbers", publish="jobs", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="jobs", publish="done", concurrency=4)
    async def work(payload: int, ctx) -> int:
        if payload == 3:
            print("three is printed")
            ctx.log("three is logged", level="WARNING")
        await anyio.sleep(0.05)
        return payload

    payload = 20
"""


def screen(command: list[str]) -> str:
    """All that a command writes to its terminal."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 65536):
                written += piece
        except OSError:  # Linux's way of saying that there is nobody at the other end
            pass
        finally:
            os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()


def test_a_terminal_shows_a_table_and_then_the_report(tmp_path: Path) -> None:
    """The table is drawn again and again, leaves the screen, and the report takes its place."""
    path = tmp_path / "flow.py"
    path.write_text(dedent(SOURCE))
    text = screen([sys.executable, "-m", "dagger", "run", str(path)])
    table, _, report = text.rpartition("\x1b[2K")
    assert table.count("in hand") > 1
    assert "three is printed" in table
    assert "three is logged" in table
    assert "in hand" not in report
    assert report.startswith("run ")
    assert "21 deliveries = 21 ok" in report
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")
