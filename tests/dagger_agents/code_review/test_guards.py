"""Early returns: what they change, and that it means the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from textwrap import indent
from types import CodeType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger_agents.code_review import Issue, Options, Priority, Review
from dagger_agents.code_review.rules import DEEP_NESTING
from dagger_agents.code_review.transformations.guards import with_guards


def guarded(text: str, *functions: str) -> str:
    """A text with guards in some functions, as if they were too deep."""
    issues = [
        Issue(DEEP_NESTING, Priority.MEDIUM, 1, 1, "deep", each) for each in functions or ("f",)
    ]
    return with_guards(text, Review("f.py", (), (), tuple(issues), 5.0, Options()))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("if a:\n    for b in a: pass", "if not a:\n    return\nfor b in a: pass"),
        (
            "if a is None:\n    with b: c()",
            "if a is not None:\n    return\nwith b: c()",
        ),
        ("if not a:\n    with b: c()", "if a:\n    return\nwith b: c()"),
        ("if a or b:\n    with b: c()", "if not (a or b):\n    return\nwith b: c()"),
        ("if a == b:\n    with b: c()", "if not (a == b):\n    return\nwith b: c()"),
        ("if (b := a()):\n    with b: c()", "if not (b := a()):\n    return\nwith b: c()"),
        (
            "if a:\n    with b: return 1\nelse:\n    raise E\nc()",
            "if not a:\n    raise E\nwith b: return 1\nc()",
        ),
        (
            "for a in b:\n    if a not in c:\n        if b: d()",
            "for a in b:\n    if a in c:\n        continue\n    if b: d()",
        ),
        (
            "if a:  # why\n    # what\n    if b: return 2",
            "if not a:  # why\n    return None\n# what\nif b: return 2",
        ),
    ],
)
def test_what_is_changed(before: str, after: str) -> None:
    """The condition turned round, what leads away below it, and the rest less deep."""
    head = "def f(a, b, c):\n"
    expected = head + indent(after, "    ") + "\n"
    assert guarded(head + indent(before, "    ") + "\n") == expected


@pytest.mark.parametrize(
    "body",
    [
        "if a:\n    with b: c()\nd()",  # d() comes after it
        "if a:\n    b()",  # nothing deep
        "if a:\n    with b: c()\nelse:\n    d()",  # no way out
        "if a:\n    with b: c()\nelif d:\n    return",
        "if a:\n    with b: c()\n    # a comment below it",
        "if a:\n    with b: c()\nelse:  # a comment that would be lost\n    return",
        "try:\n    if a:\n        with b: c()\nfinally:\n    d()",
    ],
)
def test_what_is_left_alone(body: str) -> None:
    """Where something would come after it, get lost, or be no plainer."""
    text = "def f(a, b, c, d):\n" + indent(body, "    ") + "\n"
    assert guarded(text) == text


def test_only_functions_that_are_too_deep_are_changed() -> None:
    """By their qualified names; all else stays as it is, and so does a module's own code."""
    one = "def f(a):\n    if a:\n        with a: pass\n"
    text = f"{one}class A:\n{indent(one, '    ')}for b in c:\n    if b:\n        with b: pass\n"
    changed = guarded(text, "A.f")
    assert changed.startswith(one)
    assert changed.endswith("for b in c:\n    if b:\n        with b: pass\n")
    assert changed.count("if not a:") == 1


# -- that it means the same ---------------------------------------------------------------

Body = list[str]
"""Lines of a block."""


def under(head: str, body: Body) -> Body:
    """A block with a head."""
    return [head, *(f"    {line}" for line in body)]


@st.composite
def bodies(draw: st.DrawFn, depth: int = 3, in_loop: bool = False) -> Body:
    """Blocks in blocks: of conditions most, some with a way out, some in loops."""
    ways = ["return 7", "return", "raise KeyError", *(["continue", "break"] if in_loop else [])]
    lines: Body = []
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["if", "if", "if else", "for", "with", "log"]))
        if kind == "log" or depth == 0:
            lines.append(draw(st.sampled_from(["log(1)", "log(2)", "yield_(4)", *ways[:1]])))
            continue
        inner = draw(bodies(depth - 1, in_loop or kind == "for"))
        head = {"for": "for i in range(2):", "with": "with box():"}.get(kind, "if ask():")
        lines += under(head, inner)
        if kind == "if else":
            lines += under("else:", [draw(st.sampled_from([*ways, "log(8)"]))])
    return lines


@settings(max_examples=60)
@given(bodies(), st.booleans())
def test_it_does_the_same_whatever_the_answers(body: Body, yields: bool) -> None:
    """Asked the same questions in the same order, with the same effects and the same end."""
    lines = "\n".join(f"    {line}" for line in body).replace(
        "yield_(4)", "yield 4" if yields else "log(4)"
    )
    text = f"def f():\n{lines}\n"
    before, after = (compile(each, "f.py", "exec") for each in (text, guarded(text)))
    for answers in product([True, False], repeat=4):
        assert told(after, answers) == told(before, answers)


def told(code: CodeType, answers: tuple[bool, ...]) -> list[Any]:
    """What a function does: questions, effects, and how it ends."""
    log: list[Any] = []
    left = list(answers)

    def ask() -> bool:
        log.append("?")
        return left.pop(0) if left else len(log) % 3 == 0

    @contextmanager
    def box() -> Iterator[None]:
        log.append("in")
        try:
            yield
        finally:
            log.append("out")

    known: dict[str, Any] = {"ask": ask, "log": log.append, "box": box}
    exec(code, known)
    try:
        result = known["f"]()
        log.append([*result] if hasattr(result, "__next__") else result)
    except KeyError as error:
        log.append(repr(error))
    return log
