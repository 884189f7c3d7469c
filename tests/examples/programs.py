"""The examples as the programs they are, and what each says that it prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from dagger import Report, Store
from dagger.testing import Crash, assert_conserved
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def ended(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A Python program that has ended, however it did."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "agents"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
    )


def run(*command: str | Path, cwd: Path = ROOT) -> tuple[str, str]:
    """What a Python program says on stdout and stderr; it must end well."""
    program = ended(*command, cwd=cwd)
    assert program.returncode == 0, program.stderr
    return program.stdout, program.stderr


@cache
def loaded(example: Path) -> ModuleType:
    """An example as a module; what lies next to it can be imported, as by the program it is."""
    if str(example.parent) not in sys.path:
        sys.path.append(str(example.parent))
    spec = spec_from_file_location(f"example_{example.stem}", example)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def survives(
    main: Callable[[Store], Awaitable[Report]], outputs: Mapping[str, Any]
) -> Callable[[Crash], None]:
    """What a program has to come to, at whichever write its process dies."""

    def check(crash: Crash) -> None:
        report = crash.simulate(main)
        assert report.outputs == outputs
        assert_conserved(report)

    return check


def promised(example: Path) -> str:
    """What an example says that it prints."""
    _, output = re.split(r"^# Output.*:\n", example.read_text("utf-8"), flags=re.MULTILINE)
    return "".join(f"{line.removeprefix('#').removeprefix(' ')}\n" for line in output.splitlines())
