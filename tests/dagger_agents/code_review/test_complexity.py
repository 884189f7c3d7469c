"""Cyclomatic and cognitive complexity, as the libraries count them."""

from __future__ import annotations

from textwrap import dedent

from dagger_agents.code_review import Complexity, complexities, functions_of


def measured(text: str) -> dict[str, Complexity]:
    """By the qualified name of a function, its complexity."""
    text = dedent(text)
    functions = functions_of(text)
    names = [each.qualified_name for each in functions]
    return dict(zip(names, complexities(text, functions), strict=True))


def test_a_straight_function_is_as_simple_as_can_be() -> None:
    """One way through it, and nothing to keep in mind."""
    assert measured("def f(): return 1") == {"f": (1, 0)}


def test_the_examples_of_the_white_paper() -> None:
    """Two functions with four ways through them each, of which one is much harder to follow."""
    found = measured(
        """
        def sum_of_primes(most):
            total = 0
            for i in range(1, most):
                for j in range(2, i):
                    if i % j == 0:
                        break
                total += i
            return total

        def words(number):
            match number:
                case 1:
                    return "one"
                case 2:
                    return "a couple"
                case 3:
                    return "a few"
            return "lots"
        """
    )
    assert found["sum_of_primes"] == (4, 6)
    assert found["words"].cyclomatic == 4
    assert found["words"].cognitive == 1


def test_methods_and_functions_within_others_have_their_own() -> None:
    """Also where a comment asks a tool not to look."""
    found = measured(
        """
        def outer(a):  # noqa: C901  complexipy: ignore
            def inner(b):
                if b:
                    return 1
                return 2

            if a:
                return inner
            return None

        class Shelf:
            @property
            async def row(self):
                return 1 if self else 2
        """
    )
    assert found["outer"].cyclomatic == 4
    assert found["outer.inner"] == (2, 1)
    assert found["outer"].cognitive > found["outer.inner"].cognitive
    assert found["Shelf.row"].cognitive == 1
