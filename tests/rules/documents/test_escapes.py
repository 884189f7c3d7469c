"""JSON is read as JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.documents.escapes import one_escape_each
from dagger.rules.documents.limits import text_of
from dagger.rules.documents.parsing import parse_tree
from dagger.rules.documents.tree import plain
from tests.rules.documents.values import mappings


def read(text: str) -> Any:
    """The value of a document without errors."""
    found = text_of(text.encode())
    assert isinstance(found, str)
    tree, problems = parse_tree(found)
    assert tree is not None
    assert problems == []
    return plain(tree)


@given(mappings(), st.sampled_from([None, 2, "\t"]))
def test_json_is_read_as_json(value: Any, indent: int | str | None) -> None:
    """Whatever a program writes as JSON means the same here, however it is indented."""
    assert read(json.dumps(value, indent=indent)) == value
    assert read(json.dumps(value, separators=(",", ":"))) == value


def test_characters_of_two_escapes() -> None:
    """A pair of escapes is one character; a backslash and what looks like a pair is neither."""
    assert read(r'{"a": "\ud83d\ude00 \uD83D\uDE00", "b": "\\ud83d\\ude00"}') == {
        "a": "\U0001f600 \U0001f600",
        "b": r"\ud83d\ude00",
    }


def test_what_is_no_json_is_left_as_it_is() -> None:
    """In YAML, text that is not quoted has no escapes."""
    for text in (r"{a: \ud83d\ude00}", r"a: \ud83d\ude00", r"{'a': '\ud83d\ude00'}"):
        assert one_escape_each(text) == text
    assert read(r"{a: \ud83d\ude00}") == {"a": r"\ud83d\ude00"}
