"""The examples of graphs print what their `# Output` says, each as the program it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.programs import EXAMPLES, promised, run

GRAPHS = sorted((EXAMPLES / "graphs").glob("*.py"))


@pytest.mark.parametrize("example", GRAPHS, ids=[example.stem for example in GRAPHS])
def test_it_prints_its_output(example: Path) -> None:
    """It prints what is written at its end, and nothing else."""
    assert run(example) == (promised(example), "")
