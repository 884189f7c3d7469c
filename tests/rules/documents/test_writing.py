"""Plain data as YAML."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given

from dagger.rules.documents.limits import text_of
from dagger.rules.documents.parsing import parse_tree
from dagger.rules.documents.tree import plain
from dagger.rules.documents.writing import written
from tests.rules.documents.values import mappings


@given(mappings())
@example({"a\u2028b": ["\u2029", "\x85", "<<", "no", "1e5"]})
def test_what_is_written_is_read_as_it_was(value: Any) -> None:
    """Whatever the data, its YAML means just that: texts stay texts, and nothing is shared."""
    text = text_of(written(value).encode())
    assert isinstance(text, str)
    tree, problems = parse_tree(text)
    assert tree is not None
    assert (plain(tree), problems) == (value, [])


def test_what_is_there_twice_is_written_twice() -> None:
    """A list that stands in two places has no anchor."""
    shared = [1, 2]
    assert written({"a": shared, "b": {"c": shared}}) == "a: [1, 2]\nb:\n  c: [1, 2]\n"
