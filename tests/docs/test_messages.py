"""The errors that a page explains are those that the code raises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.docs.pages import PAGES, ROOT

OPERATING = PAGES["docs/operating.md"]


def test_messages_that_are_explained_are_said() -> None:
    """Whatever stands in the table of errors, between its gaps, is in the code."""
    said = "\n".join(texts())
    explained = list(rows(OPERATING.sections()["What the errors say"]))
    assert len(explained) > 20
    for message in explained:
        for part in re.split(r"…|[():;]", message):
            assert part.strip() in said, f"nobody says {part.strip()!r}"


def rows(text: str) -> Iterator[str]:
    """The first cell of each row of a table but its head."""
    for line in re.findall(r"^\| (.+)$", text, re.M)[1:]:
        yield line.split(" | ")[0]


def texts() -> Iterator[str]:
    """The strings in the package, what is put into them left out."""
    for path in (ROOT / "dagger").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
