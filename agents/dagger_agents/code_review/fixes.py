"""Fixes of ruff's that are admitted: those after which every program does what it did.

Ruff calls a fix safe if it is hardly ever wrong, which is less: `"{}".format(a, b())` loses its
call, `a is "b"` becomes `==`, `super(A, self)` becomes `super()` whatever has become of A. So what
is done is written down here, rule by rule, each with why it means the same in every case. All
others are told as issues, and left to people: among ruff's "safe" ones

- B010, SIM300, UP032: things are worked out in another order, or by another method;
- B013, F841, F901: another error is raised, or none;
- C420, PERF101, PERF102, PIE804, PIE807, SIM118, SIM401, SIM910, SIM911: true of plain lists,
  dicts, and names, and not of all that may stand there;
- F504, F522, F523, F811: something is not done any more, which may have had an effect;
- F632, UP008: another question is asked;
- PIE808: `range(0, *rest)` becomes `range(*rest)`;
- UP018: a text may become a docstring.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dagger_agents.code_review.imports import staying
from dagger_agents.code_review.options import Options
from dagger_agents.code_review.ruff import Diagnostic

UNUSED_IMPORT = "F401"
OBJECT = "UP004"

ADMITTED: Mapping[str, str] = {
    "B009": "`getattr` with a constant is what the dot does; mangled names are left alone",
    "B014": "an exception that is caught twice is caught once",
    "B033": "a set keeps the first of what is equal, and so does the fix",
    "C413": "`sorted` gives a list of its own",
    "E401": "imports run one after the other in either way",
    "E703": "nothing follows the semicolon",
    "E713": "`in` gives a bool, which `not` turns round in either way",
    "E714": "so does `is`",
    "F541": "the text is the same constant",
    "PIE790": "`pass` and `...` do nothing, and something else stands there",
    "PIE800": "the items come in the same order",
    "RET501": "`return` is `return None`",
    "RET502": "so is this, the other way",
    "RET505": "what came under `else` came only if the branch was not left",
    "RET506": "so with `raise`",
    "RET507": "so with `continue`",
    "RET508": "so with `break`",
    "SIM114": "`or` asks the second condition only if the first does not hold, and each once",
    "SIM117": "`with a, b:` is `with a: with b:`, as the language says",
    "UP034": "parentheses in parentheses are no part of the syntax tree",
    UNUSED_IMPORT: "where the module does nothing and its name is looked up nowhere: `imports`",
    OBJECT: "`object` is the only base anyway, where it is the only one that is given",
}
"""By rule, why its fix means the same."""


class Fixes(NamedTuple):
    """The fixes that are admitted for one text."""

    rules: tuple[str, ...]
    """Those of the rules that have found something."""
    staying: frozenset[str]
    """Imports that are to stay, as ruff calls them."""

    def admit(self, found: Diagnostic) -> bool:
        """Whether one finding is mended."""
        if not found.is_safe or found.code not in self.rules:
            return False
        return found.code != UNUSED_IMPORT or not self._stays(imported(found))

    def _stays(self, name: str) -> bool:
        """Ruff leaves all that a name is the beginning of."""
        parts = name.split(".")
        return any(".".join(parts[: n + 1]) in self.staying for n in range(len(parts)))


def fixes_for(tree: ast.Module, found: Sequence[Diagnostic], options: Options) -> Fixes:
    """What may be done about what ruff has found in a text."""
    admitted = {each.code for each in found} & {*ADMITTED}
    unused = {imported(each) for each in found if each.code == UNUSED_IMPORT}
    if any(each.startswith(".") for each in unused):  # ruff cannot be told to leave these
        admitted.discard(UNUSED_IMPORT)
    if OBJECT in admitted and any(map(_has_object_among_others, ast.walk(tree))):
        admitted.discard(OBJECT)
    kept = staying(tree, options.taken) if UNUSED_IMPORT in admitted else frozenset[str]()
    return Fixes(tuple(sorted(admitted)), kept)


def imported(found: Diagnostic) -> str:
    """What an unused import is of, as its message says: "os.path"."""
    return found.message.split("`")[1].split(" as ")[0]


def _has_object_among_others(node: ast.AST) -> bool:
    """Whether a class gives `object` and more: a metaclass or `__bases__` would tell the other."""
    if not isinstance(node, ast.ClassDef):
        return False
    names = [each.id for each in node.bases if isinstance(each, ast.Name)]
    return "object" in names and len(node.bases) + len(node.keywords) > 1
