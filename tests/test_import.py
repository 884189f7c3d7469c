"""The public face: what `import dagger` loads, and what it offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagger
import dagger_agents

ROOT = Path(__file__).parent.parent
HEAVY = (
    "cronsim",
    "graphviz",
    "httpcore",
    "httpx",
    "jsonschema",
    "jsonschema_rs",
    "lmdb",
    "networkx",
    "pydantic",
    "rich",
    "simpleeval",
    "yaml",
    "simpleeval",
    "zoneinfo",
)


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after one statement."""
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    path = [str(ROOT), str(ROOT / "agents")]
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {path}\n{program}"],
        capture_output=True,
        check=True,
        text=True,
    )
    return set(ran.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    """`import dagger` leaves the heavy libraries for their first use."""
    assert loaded_by("import dagger").isdisjoint(HEAVY)


def test_the_names_every_program_needs_load_nothing_heavy() -> None:
    """Taking the usual names from the face loads none of the heavy libraries either."""
    assert loaded_by("from dagger import Context, Executor, agent").isdisjoint(HEAVY)


def test_flows_load_their_parser_when_they_parse() -> None:
    """Flows that are made in Python need no YAML, and nothing else that is heavy."""
    heavy = {*HEAVY} - {"simpleeval"}  # expressions are theirs
    assert loaded_by("from dagger import Flow, step; from dagger.flows import *").isdisjoint(heavy)


def test_the_test_kit_is_apart() -> None:
    """Dagger loads nothing of its test kit, and the kit nothing of pytest but in its suites."""
    assert not any(name.startswith("dagger.testing") for name in loaded_by("from dagger import *"))
    kit = loaded_by("import dagger.testing")
    assert kit.isdisjoint({"pytest", "_pytest", "trio", "lmdb"})
    assert "pytest" in loaded_by("import dagger.testing.store_suite")
    assert "pytest" in loaded_by("import dagger.testing.channel_suite")


def test_the_face_is_sorted_and_whole() -> None:
    """`dagger.__all__` is sorted, constants first, has no name twice, and every name resolves."""
    assert dagger.__all__ == sorted(
        set(dagger.__all__), key=lambda name: (not name.isupper(), name)
    )
    for name in dagger.__all__:
        assert getattr(dagger, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that the face does not offer is missing in the usual way."""
    assert not hasattr(dagger, "no_such_name")


def test_ready_made_agents_are_a_package_of_their_own() -> None:
    """`dagger_agents` imports, and every name it offers resolves."""
    for name in dagger_agents.__all__:
        assert getattr(dagger_agents, name) is not None
