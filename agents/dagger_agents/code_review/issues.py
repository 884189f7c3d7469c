"""An issue: one thing that is not as it should be, and how much that matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Priority(Enum):
    """How much it matters; the first matters most."""

    HIGH = "high"
    """It is wrong, or will be."""
    MEDIUM = "medium"
    """It is likely to lead to something wrong."""
    LOW = "low"
    """It is harder to read than it need be."""

    @property
    def rank(self) -> int:
        """0 for what matters most."""
        return [*Priority].index(self)


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding in one place."""

    code: str
    """Its rule: one of ruff's, such as "B006", or one of our own, such as "long-function"."""
    priority: Priority
    """How much it matters."""
    line: int
    """Where, from 1."""
    column: int
    """Where, from 1."""
    message: str
    """What is there."""
    function: str = ""
    """The qualified name of the function that it is in, or about; "" outside of all."""
    advice: str = ""
    """What to do, where that is more than the rule says."""
    is_fixable: bool = False
    """Whether `improve` can do it."""
