"""What is said of rules: how much each matters, why, and what to do."""

from __future__ import annotations

from typing import NamedTuple

from dagger_agents.code_review.issues import Priority

SYNTAX_ERROR = "syntax-error"
UNREADABLE = "unreadable"
LONG_FUNCTION = "long-function"
DEEP_NESTING = "deep-nesting"
MANY_PARAMETERS = "many-parameters"
CYCLOMATIC = "cyclomatic-complexity"
COGNITIVE = "cognitive-complexity"
MAGIC_NUMBER = "magic-number"

BROKEN = frozenset({SYNTAX_ERROR, UNREADABLE})
"""What keeps a file from being looked at."""


class Rule(NamedTuple):
    """What is said of all issues with a code that begins so."""

    priority: Priority
    why: str
    what_to_do: str


_HIGH, _MEDIUM, _LOW = Priority

_RULES = {
    SYNTAX_ERROR: Rule(_HIGH, "nothing in the file can run", "make it Python"),
    UNREADABLE: Rule(_HIGH, "nothing is known of what is in it", "make it a text that tools read"),
    LONG_FUNCTION: Rule(
        _MEDIUM, "nobody sees it whole", "take out the parts that have a name of their own"
    ),
    DEEP_NESTING: Rule(
        _MEDIUM,
        "each block is one more condition to keep in mind",
        "leave early where a condition does not hold, or take out what is inside",
    ),
    MANY_PARAMETERS: Rule(
        _LOW, "calls are hard to read and easy to get wrong", "put what belongs together in one"
    ),
    CYCLOMATIC: Rule(
        _MEDIUM, "each way through it needs a test", "split it, or decide with a table"
    ),
    COGNITIVE: Rule(_MEDIUM, "it is hard to follow", "leave early, and take out what is nested"),
    MAGIC_NUMBER: Rule(_LOW, "a number does not say what it is", "give it a name"),
    "ASYNC": Rule(_MEDIUM, "everything else on the loop waits", "await it, or use a thread"),
    "B": Rule(_MEDIUM, "it is likely not to do what it seems to", "say what is meant"),
    "B006": Rule(_HIGH, "all calls share one default and what is put into it", "default to None"),
    "B904": Rule(_MEDIUM, "what went wrong first is told as if by accident", "raise ... from it"),
    "BLE": Rule(_MEDIUM, "it hides mistakes that it was not meant for", "name the exceptions"),
    "C4": Rule(_LOW, "there is a shorter way to say it", "use a comprehension or a literal"),
    "E": Rule(_LOW, "it reads like something else", "write it as others do"),
    "E722": Rule(_MEDIUM, "it catches interrupts and exits as well", "name the exceptions"),
    "F": Rule(_HIGH, "it cannot work as it stands", "mend the name or the call"),
    "F401": Rule(_LOW, "readers look for what needs it", "remove it"),
    "F541": Rule(_LOW, "readers look for what is put in", "remove the f"),
    "F811": Rule(_MEDIUM, "the first of the two is lost", "rename or remove one"),
    "F841": Rule(_LOW, "readers look for what needs it", "remove it"),
    "PERF": Rule(_LOW, "it takes longer than it need", "use what is made for it"),
    "PIE": Rule(_LOW, "it says nothing, or says it twice", "leave it out"),
    "RET": Rule(_LOW, "what it returns, and when, is harder to see", "return in one plain way"),
    "S": Rule(_HIGH, "what comes from outside can run as code", "use a call that takes data"),
    "SIM": Rule(_LOW, "there is a plainer way to say it", "say it plainly"),
    "UP": Rule(_LOW, "Python has a plainer way by now", "use that"),
}


def rule(code: str) -> Rule:
    """What is said of a code: what stands at the longest beginning of it."""
    known = [each for each in _RULES if code.startswith(each)]
    return _RULES[max(known, key=len)] if known else _RULES["SIM"]
