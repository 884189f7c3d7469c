"""Ruff, run on a text: always with the same rules, whatever the project around it says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import NamedTuple

from ruff.__main__ import find_ruff_bin

RULES = (
    "ASYNC",  # what blocks an event loop
    "B",  # likely bugs
    "BLE",  # what catches everything
    "C4",  # comprehensions
    "E4",
    "E7",
    "E9",
    "F",
    "PERF",
    "PIE",
    "RET",  # return statements
    "S102",  # exec, eval, shells, and SQL that is put together
    "S307",
    "S602",
    "S605",
    "S608",
    "SIM",
    "UP004",  # of UP what holds for every version of Python that is alive
    "UP008",
    "UP018",
    "UP032",
    "UP034",
)
"""What is looked for."""

LEFT_OUT = (
    "B905",  # zip(strict=) says something else where lengths differ
    "PERF203",  # costs nothing any more
    "SIM105",  # a matter of taste, as is the next
    "SIM108",
    "SIM201",  # `not a == b` and `a != b` are two things, and so are the next
    "SIM202",
    "SIM208",
)
"""What of that is not."""


class Diagnostic(NamedTuple):
    """One thing that ruff has found."""

    code: str
    """Its rule; "" for what is no Python."""
    message: str
    """Its sentence."""
    line: int
    """Where, from 1."""
    column: int
    """Where, from 1."""
    advice: str
    """What its fix would do; "" where it has none."""
    is_safe: bool
    """Whether ruff calls that fix safe; which of these are, `fixes` says."""


def diagnostics(
    text: str,
    name: str,
    rules: Sequence[str] = RULES,
    left_out: Sequence[str] = LEFT_OUT,
    *words: str,
) -> list[Diagnostic]:
    """What ruff finds in a text by some rules; `name` is what its file is called."""
    said = _run(text, name, rules, left_out, "--output-format=json", "--exit-zero", *words)
    return [_diagnostic(each) for each in json.loads(said)]


def fixed(text: str, name: str, rules: Sequence[str], imports: Iterable[str]) -> str:
    """The text with what ruff calls safe of the fixes of some rules, and with all of `imports`."""
    names = ", ".join(f'"{each}"' for each in sorted(imports))
    kept = f"--config=lint.pyflakes.allowed-unused-imports=[{names}]"
    return _run(text, name, rules, (), "--fix-only", "--exit-zero", "--quiet", kept)


def _diagnostic(row: dict[str, object]) -> Diagnostic:
    location, fix = row["location"], row["fix"]
    assert isinstance(location, dict)
    found = fix if isinstance(fix, dict) else {}
    code = row["code"]
    known = isinstance(code, str) and code[-1:].isdigit()
    return Diagnostic(
        code=str(code) if known else "",
        message=str(row["message"]),
        line=location["row"],
        column=location["column"],
        advice=found.get("message") or "",
        is_safe=found.get("applicability") == "safe",
    )


def _run(text: str, name: str, rules: Sequence[str], left_out: Sequence[str], *words: str) -> str:
    file = f"--stdin-filename={PurePath(name).name or 'source.py'}"
    chosen = [f"--select={','.join(rules)}", *(f"--ignore={each}" for each in left_out)]
    command = [find_ruff_bin(), "check", "--isolated", "--no-cache", file, *chosen, *words, "-"]
    ended = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"ruff failed: {ended.stderr.decode(errors='replace').strip()}")
    return ended.stdout.decode()
