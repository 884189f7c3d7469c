"""Names that were probably meant."""

from __future__ import annotations

import pytest

from dagger.rules.nearest import meant, nearest


@pytest.mark.parametrize(
    ("name", "near"),
    [("serch", "search"), ("Search", "search"), ("weather", None), ("s", None), ("search", None)],
)
def test_the_nearest_name_is_one_that_is_nearly_the_same(name: str, near: str | None) -> None:
    """A slip is recognised; what is something else altogether, or that very name, is not."""
    assert nearest(name, ["search", "add"]) == near


def test_what_was_meant_is_asked() -> None:
    """As the end of a sentence, or as nothing."""
    assert meant("serch", ["search"]) == "; did you mean 'search'?"
    assert meant("weather", ["search"]) == ""


def test_of_many_names_few_are_compared() -> None:
    """A wrong name costs little, however many there are."""
    assert nearest("x" * 20, ("y" * 20 for _ in range(10**5))) is None
