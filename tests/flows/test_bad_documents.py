"""Documents that are wrong, each with exactly what is said about it.

They are in the files of `bad/`, one for each kind of mistake: a title, a document, and below
"--- says" the lines of the error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from dagger.flows import parse
from dagger.rules.documents import parsing
from dagger.rules.documents.limits import MAX_BRACKETS, MAX_BYTES, MAX_DEPTH, MAX_PROBLEMS
from dagger.words.errors import DaggerError, FlowError

FOLDER = Path(__file__).parent / "bad"


class Bad(NamedTuple):
    """A document, and what is said about it."""

    kind: str
    title: str
    text: str
    says: str


def bad_documents() -> list[Bad]:
    """Those of all files."""
    return [
        Bad(path.stem, title, text, says.strip())
        for path in sorted(FOLDER.glob("*.txt"))
        for title, text, says in re.findall(
            r"^=== ([^\n]+)\n(.*?)^--- says\n(.*?)(?=^===|\Z)", path.read_text("utf-8"), re.M | re.S
        )
    ]


BAD = bad_documents()


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.kind}: {bad.title}")
def test_all_that_is_wrong_is_said_at_once(bad: Bad) -> None:
    """One error names everything that is wrong, by line and column, in their order."""
    if "this is not YAML" in bad.says and not yaml.__with_libyaml__:
        pytest.skip("these are the words of libyaml, which is not there")
    with pytest.raises(FlowError) as raised:
        parse(bad.text)
    assert str(raised.value) == bad.says
    places = [(each.line, each.column) for each in raised.value.problems]
    assert places == sorted(places)


def test_there_are_many() -> None:
    """At least sixty documents are tried, no two of them of one title."""
    titles = [(bad.kind, bad.title) for bad in BAD]
    assert len(titles) == len(set(titles)) >= 60


def test_a_problem_has_fields() -> None:
    """Path, line, column and problem can be asked for, and the error is one of the tree."""
    with pytest.raises(FlowError) as raised:
        parse("name: f\nsteps:\n  - {id: a, uses: b, needs: aa}\n", path="flows/x.yml")
    (problem,) = raised.value.problems
    assert problem[:4] == ("flows/x.yml", 3, 29, "unknown step 'aa' in needs; did you mean 'a'?")
    assert str(problem) == f"flows/x.yml:3:29: {problem.problem}"
    assert isinstance(raised.value, DaggerError)


def said(text: str) -> list[str]:
    """What is wrong with a text, without its path."""
    with pytest.raises(FlowError) as raised:
        parse(text)
    return [str(each).removeprefix("flow.yml:") for each in raised.value.problems]


def test_brackets_without_end_are_refused_unparsed() -> None:
    """Thirty thousand brackets, which kill libyaml, are refused where there are too many."""
    message = f"more than {MAX_BRACKETS} brackets are open here"
    assert said("[" * 30_000) == [f"1:{MAX_BRACKETS + 1}: {message}"]
    assert said("name: f\nsteps: " + "[{a: " * 30_000)[0].endswith(message)


@pytest.mark.parametrize("piece", ["[", "- ", "? "])
def test_nesting_has_a_limit(piece: str) -> None:
    """What nests deeper than a payload may is refused at its place, however it is written."""
    problem = f"this is nested deeper than {MAX_DEPTH}"
    assert said(piece * 400) == [f"1:{MAX_DEPTH * len(piece) + 1}: {problem}"]


def test_documents_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document has at most so many bytes, and so many values."""
    assert said("#" * (MAX_BYTES + 1)) == ["1:1: the document has more than 4,194,304 bytes"]
    monkeypatch.setattr(parsing, "MAX_NODES", 100)
    assert said("x:\n" + "- 1\n" * 100) == ["99:3: the document has more than 100 values"]


def test_characters_that_yaml_does_not_know_are_refused() -> None:
    """Control characters, other line ends and broken UTF-8 are refused where they stand."""
    assert said("name: f\n# \x07") == [
        '2:3: the character U+0007 may not stand here; write it as an escape, "\\u0007"'
    ]
    assert said("a: b\u2028c")[0].startswith("1:5: the character U+2028 may not stand here")
    assert said("a: \ud800")[0] == "1:4: the document is not UTF-8 here"


def test_problems_without_end_are_cut() -> None:
    """Of very many problems so many are told that looking for them takes no time to speak of."""
    steps = "".join(f"  - {{id: s{each}, uses: x, needs: t{each}}}\n" for each in range(3_000))
    assert len(said(f"name: f\nsteps:\n{steps}")) == MAX_PROBLEMS
    assert len(said(f"name: f\nsteps: [{'3, ' * 3_000}]")) == MAX_PROBLEMS


def test_without_libyaml_the_same_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML's own parser finds the same on the same lines, but for its words on syntax."""
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    for bad in BAD:
        with pytest.raises(FlowError) as raised:
            parse(bad.text)
        if "this is not YAML" in bad.says:
            assert "this is not YAML" in str(raised.value)
        else:
            # Where nothing is written, it takes the place behind the last character.
            columns = re.compile(r"(?<=:)\d+(?=: )")
            assert columns.sub("", str(raised.value)) == columns.sub("", bad.says)
