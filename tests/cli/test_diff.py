"""`dagger diff`: where two runs part."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, Write

SPREAD = """
@agent(subscribe="starts", publish="numbers", publish_each=True)
async def spread(payload): return payload

channel = "starts"
"""


@pytest.fixture
def two(invoke: Invoke, write: Write, store: Path) -> Path:
    """A store with the run "all" of 1, 2, 3, and "one", its fork with a 5 for the 2."""
    path, options = write(SPREAD), ("--store", str(store), "--run-id")
    assert invoke("run", path, "--input", "[1, 2, 3]", *options, "all").exit_code == 0
    words = ("--at", "all.1.1", "--payload", "5", "--agents", path)
    assert invoke("fork", "all", *words, *options, "one").exit_code == 0
    return store


def test_two_runs_are_held_against_each_other(invoke: Invoke, two: Path) -> None:
    """A line for each invocation that differs, the first one marked; the exit code is 1."""
    ended = invoke("diff", "all", "one", "--store", str(two))
    assert (ended.exit_code, ended.stderr) == (1, "")
    head, *lines = ended.stdout.splitlines()
    assert head == "all | one · 4 invocations: 1 the same, 1 different, 2 only in all"
    assert len(lines) == 3
    assert [line for line in lines if line.startswith("▸ ")] == [
        "▸ numbers → square (3 | 3) · payload: 2 → 5 · message 0: squares 4 → squares 25"
    ]
    assert invoke("diff", "all", "one", "--all", "--store", str(two)).stdout == ended.stdout


def test_a_run_is_like_itself(invoke: Invoke, two: Path) -> None:
    """Where nothing differs the exit code is 0."""
    ended = invoke("diff", "all", "all", "--store", str(two))
    assert (ended.exit_code, ended.stdout) == (0, "all | all · 4 invocations: 4 the same\n")


def test_a_comparison_is_data_too(invoke: Invoke, two: Path) -> None:
    """--json has every invocation of both, with decoded payloads."""
    ended = invoke("diff", "all", "one", "--json", "--store", str(two))
    rows = json.loads(ended.stdout)
    assert (ended.exit_code, len(rows)) == (1, 4)
    (first,) = (each for each in rows if each["first"])
    assert (first["verdict"], first["differs"]) == ("differs", ["payload", "published"])
    assert (first["a"]["payload"], first["b"]["payload"]) == (2, 5)
    assert first["b"]["node_id"] == "square:one.3"
    assert first["b"]["published"] == [{"channel": "squares", "payload": 25}]
    (gone, *_) = (each for each in rows if each["verdict"] == "only in a")
    assert gone["b"] is None
    assert gone["a"]["message_id"] == "all.1.0"
