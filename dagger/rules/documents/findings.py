"""What is found out of a document's data, told where it stands: so much of it as is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from dagger.rules.documents.limits import MAX_PROBLEMS
from dagger.rules.documents.tree import Found, Node, Problem, place_of


def placed(root: Node, findings: Iterable[Found], source: str) -> Iterator[Problem]:
    """Findings in the data that a tree is of, as problems of the text that it was read of."""
    for each in islice(findings, MAX_PROBLEMS):
        yield Problem(place_of(root, each, source), each.text, each.path, each.unknown)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems by line and column."""
    return sorted(problems, key=lambda each: each.place[:2])[:MAX_PROBLEMS]
