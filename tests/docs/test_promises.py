"""Each promise is written down, and names the tests that hold it."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT

PROMISES = PAGES["docs/promises.md"]
LINK = re.compile(r"\]\((\.\./tests/[^)#]+)\)")


def test_every_promise_names_its_tests() -> None:
    """Each section ends with links to files of tests that there are."""
    for title, text in PROMISES.sections().items():
        found = LINK.findall(text.rpartition("\n\nTests: ")[2] if "\n\nTests: " in text else "")
        assert found, f"{title!r} names no tests"
        for link in found:
            assert (DOCS / link).is_file(), f"{title!r} names {link}"


def test_every_promise_is_in_the_table() -> None:
    """Whoever looks for a promise finds it in the table above them all, once."""
    table = PROMISES.text.partition("\n## ")[0]
    assert sorted(re.findall(r"\[([^]]+)\]\(#", table)) == sorted(PROMISES.sections())


@pytest.mark.parametrize("folder", ["promises", "crash", "faults"])
def test_every_test_of_a_promise_is_named(folder: str) -> None:
    """No file of these tests is without the promise that it is about."""
    named = {(DOCS / link).resolve() for link in LINK.findall(PROMISES.text)}
    there = set((ROOT / "tests" / folder).glob("test_*.py"))
    assert there <= named, sorted(path.name for path in there - named)
