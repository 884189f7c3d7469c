"""What each expert knows: how worrying a function is, and in which words.

A concern of 0 is none, 1 is as bad as it gets, and what is beyond is cut off. The numbers are
opinions, as those of experts are.
"""

import builtins
import re
from collections.abc import Callable
from dataclasses import dataclass

from facts import Function


@dataclass
class Worry:
    """What an expert says of a function."""

    place: str
    expert: str
    concern: float
    """From 0, none at all, to 1."""
    words: str
    raised: bool = False
    """Whether it said so by itself; else it was asked."""


def complexity(it: Function) -> tuple[float, str]:
    """Many ways through, and blocks in blocks."""
    return (it.ways - 8) / 20 + (it.depth - 3) / 10, f"{it.ways} ways through, {it.depth} deep"


def size(it: Function) -> tuple[float, str]:
    """Long, or with many parameters."""
    concern = (it.lines - 40) / 100 + (it.parameters - 5) / 10
    return concern, f"{it.lines} lines, {it.parameters} parameters"


def documentation(it: Function) -> tuple[float, str]:
    """Nothing is said about it; of what is public that is worse."""
    public = not it.name.startswith("_")
    if it.documented:
        return 0, "documented"
    return (0.3 if public else 0) + it.lines / 200, f"{it.lines} lines without a docstring"


def names(it: Function) -> tuple[float, str]:
    """Names that hide those of Python, or say nothing."""
    hidden = [each for each in it.bound if each in vars(builtins)]
    short = [each for each in it.bound if re.fullmatch(r"[a-hl-z]\w?", each)]
    found = ["hides " + ", ".join(hidden)] * bool(hidden)
    found += ["says little: " + ", ".join(short)] * bool(short)
    return len(hidden) * 0.15 + len(short) * 0.05, "; ".join(found)


def coupling(it: Function) -> tuple[float, str]:
    """Needs much of other modules."""
    return (len(it.leans_on) - 4) / 8, f"leans on {len(it.leans_on)} imports"


def use(it: Function) -> tuple[float, str]:
    """Private, and its name is nowhere in the package."""
    private = it.name.startswith("_") and not it.name.startswith("__")
    return (0.8 if private and not it.mentions else 0), "nobody in the package calls it"


PANEL: dict[str, Callable[[Function], tuple[float, str]]] = {
    judge.__name__: judge for judge in (complexity, size, documentation, names, coupling, use)
}


def judged(name: str, function: Function) -> Worry:
    """What an expert says of a function."""
    concern, words = PANEL[name](function)
    return Worry(function.place, name, round(min(max(concern, 0), 1), 2), words)
