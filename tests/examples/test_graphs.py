"""The examples of graphs print what their `# Output` says."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.examples.programs import EXAMPLES, loaded, promised

GRAPHS = sorted((EXAMPLES / "graphs").glob("*.py"))


@pytest.mark.parametrize("example", GRAPHS, ids=[example.stem for example in GRAPHS])
def test_it_prints_its_output(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what is written at its end, and nothing else."""
    anyio.run(loaded(example).main)
    assert capsys.readouterr().out == promised(example)
