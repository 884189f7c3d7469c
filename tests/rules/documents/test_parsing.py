"""YAML to a tree: what a document must not have is refused, and its path is told."""

from __future__ import annotations

from itertools import pairwise

import pytest
import yaml

from dagger.rules.documents.limits import text_of
from dagger.rules.documents.parsing import parse_tree
from dagger.rules.documents.tree import plain
from dagger.rules.violation import json_path


def told(text: str) -> list[str]:
    """What is wrong with the YAML of a text, by JSON path."""
    return [f"{json_path(each.path)} {each.text}" for each in parse_tree(text)[1]]


def test_a_problem_has_a_path() -> None:
    """It leads to the value that is refused, or to that under the key that is."""
    text = """\
        steps:
        - {id: a, with: &x {n: .nan}}
        - {id: b, id: c, with: *x}
        - [1, [2, !!str 3]]
        more: {"a b": {<<: {}, 1: x}}
        """
    assert told(text) == [
        "$.steps[0].with the anchor &x is not allowed, as there are no aliases",
        "$.steps[0].with.n the number .nan cannot be written in JSON; quote it to make it a text",
        "$.steps[1].id the key 'id' is here twice; it was on line 3",
        "$.steps[1].with the alias *x is not allowed; write the value again",
        "$.steps[2][1][1] the tag !!str is not allowed; quote a value to make it a text",
        '$.more["a b"] the merge key << is not allowed; write the keys themselves',
        '$.more["a b"] the key 1 is not a text; quote it: "1"',
    ]


def test_it_says_what_is_written() -> None:
    """Who reads a graph is not told of flows."""
    (problem,) = parse_tree("--- a\n--- b\n", "graph")[1]
    assert problem.text == "a second document begins here; a file holds one graph"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("1:30", "1:30"),
        ("0o17", 15),
        ("0777", 777),
        ("1e3", 1000.0),
        ("True", True),
        ("~", None),
        ("'1'", "1"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, meant: object) -> None:
    """A plain scalar means what YAML 1.2 says, and not what YAML 1.1 made of it."""
    text = text_of(f"k: {written}".encode())
    assert isinstance(text, str)
    tree, problems = parse_tree(text)
    assert tree is not None
    assert (plain(tree), problems) == ({"k": meant}, [])


def test_half_of_a_character_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can say by escapes what UTF-8 cannot carry, with libyaml or without."""
    for _ in range(2):
        (problem,) = parse_tree(r'{"a": "\ud800"}')[1]
        assert problem.text.startswith("this is not YAML: ")
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


def test_aliases_do_not_multiply() -> None:
    """Nine lines that would be a billion values are nine lines."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in pairwise("abcdefghi")]
    tree, problems = parse_tree("\n".join(lines))
    assert tree is not None
    assert str(plain(tree)).count("x") == 10
    assert len(problems) == 9 + 8 * 10
