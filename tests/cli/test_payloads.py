"""--input: JSON, a file, or stdin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.cli.exits import Refused
from dagger.cli.payloads import read_payload
from tests.cli.conftest import Invoke, Write

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=JSON)
def test_json_is_read_as_it_is(value: Any) -> None:
    """Any JSON value is read back."""
    assert read_payload(json.dumps(value)) == value


def test_a_file_is_read(tmp_path: Path) -> None:
    """@FILE is the JSON in that file, with or without a byte order mark."""
    path = tmp_path / "payload.json"
    path.write_text('{"grüße": 1}', encoding="utf-8-sig")
    assert read_payload(f"@{path}") == {"grüße": 1}


def test_stdin_is_read(invoke: Invoke, write: Write) -> None:
    """A dash is the JSON that comes in on stdin."""
    ended = invoke("run", write(), "--input", "-", "--json", input="12\n")
    assert json.loads(ended.stdout)["outputs"] == {"squares": [144]}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("hello", "--input is not JSON: Expecting value: line 1 column 1 (char 0); a text needs"),
        ("{'a': 1}", "--input is not JSON: Expecting property name enclosed in double quotes"),
        ("", "--input is not JSON: Expecting value"),
        ("@nowhere.json", "--input cannot be read: [Errno 2] No such file or directory"),
    ],
)
def test_what_is_not_json_is_refused(given: str, problem: str) -> None:
    """What cannot be read, or is not JSON, is a usage error that says where it goes wrong."""
    with pytest.raises(Refused) as refused:
        read_payload(given)
    assert str(refused.value).startswith(problem)
    assert refused.value.exit_code == 2


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    """What is wrong with a file's JSON names the file."""
    path = tmp_path / "payload.json"
    path.write_text("[1,")
    with pytest.raises(Refused, match=f"--input from {path} is not JSON"):
        read_payload(f"@{path}")


@pytest.mark.parametrize("given", ["NaN", "[1e999]", "1" * 25])
def test_json_that_is_no_payload_is_refused(invoke: Invoke, write: Write, given: str) -> None:
    """What Python's JSON allows and a message does not is a usage error with its path."""
    ended = invoke("run", write(), "--input", given)
    assert ended.exit_code == 2
    assert ended.stderr.startswith("Error: payload from --input at $")
