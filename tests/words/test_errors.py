"""Errors: one tree, typed fields, messages that name them."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from dagger.words import errors
from dagger.words.errors import DaggerError
from dagger.words.records import Failure

CLASSES = {
    name: each
    for name, each in vars(errors).items()
    if inspect.isclass(each) and issubclass(each, DaggerError) and not name.startswith("_")
}


def example(kind: type[DaggerError]) -> DaggerError:
    """An error of a kind, each argument filled with a value that is easy to find."""
    made: dict[str, Any] = {}
    for number, (name, each) in enumerate(inspect.signature(kind).parameters.items(), start=1):
        word = f"{name}-word"
        by_type = {
            "int": 700 + number,
            "float": 0.5 + number,
            "tuple[str, ...]": (word,),
            "tuple[str | int, ...]": (word,),
            "Sequence[FlowProblem]": [errors.FlowProblem("path", 1, 2, word)],
            "Sequence[str | GraphProblem]": [errors.GraphProblem("path", 1, 2, word)],
            "Failure": Failure(f"{name}-type", word),
            "list[Any]": [None] * 700,
            "Sequence[str]": [word],
            "Mapping[str, str]": {word: word},
            "Mapping[int, RequestFailed]": {0: errors.RequestFailed("", word)},
        }
        made[name] = by_type.get(each.annotation.removesuffix(" | None"), word)
    return kind(**made)


def drawn() -> dict[str, str]:
    """Parent by name, read off the tree in the module's docstring."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│├└─ ]*)([A-Z]\w+)(  |$)", line):
            depth = len(found[1]) // 4
            parents[found[2]] = above[depth - 1] if depth else ""
            above[depth:] = [found[2]]
    return parents


def test_the_drawn_tree_is_the_real_one() -> None:
    """The tree in the module's docstring shows every error under its real parent."""
    parents = drawn()
    assert set(parents) == set(CLASSES)
    for name, parent in parents.items():
        public = [each.__name__ for each in CLASSES[name].__mro__[1:] if each in CLASSES.values()]
        assert (public or [""])[0] == parent, name


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_every_error_says_what_it_is_for(kind: type[DaggerError]) -> None:
    """Every error has a docstring of its own."""
    assert "__doc__" in vars(kind)
    assert inspect.getdoc(kind)


@pytest.mark.parametrize(
    "kind",
    [each for each in CLASSES.values() if each.__init__ is not Exception.__init__],
    ids=lambda kind: kind.__name__,
)
def test_a_message_names_its_fields(kind: type[DaggerError]) -> None:
    """The message shows every field, and the fields can be read back from the error."""
    error = example(kind)
    text = str(error)
    for name, value in vars(error).items():
        values = list(value.values()) if isinstance(value, dict) else value
        shown = values[0] if isinstance(value, tuple | dict) else value  # of a Failure its type
        shown = len(shown) if isinstance(shown, list) else getattr(shown, "problem", shown)
        shown = f"{shown:g}" if isinstance(shown, float) else str(shown)
        assert shown in text, (name, text)


def test_a_long_value_is_cut() -> None:
    """An offending value is shown by its first 200 characters."""
    error = errors.ValidationError("$.a", "maxLength", "too long", "x" * 5_000)
    assert error.value == "x" * 200 + "..."
    assert len(str(error)) < 300


def test_known_names_are_listed_up_to_eight() -> None:
    """A name that is not known is answered with some that are, never with thousands."""
    known = tuple(f"agent{number}" for number in range(5_000))
    text = str(errors.AgentNotFound("agnet", known))
    assert "'agnet'" in text
    assert "'agent7', ..." in text
    assert "'agent8'" not in text
