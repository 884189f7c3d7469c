"""Arguments of a step: expressions that are worked out in two places.

What a step is given goes through the journal, where no secret may be. So whoever coordinates
works out all but the texts with secrets in them. Those are worked out by whoever calls the
step, right before, from what they need besides (the rest of their scope goes along) and from
the secrets that are there.

    with:  page: ${{ steps.fetch.output }}             worked out before it is sent
           token: "Bearer ${{ secrets.API_TOKEN }}"    ... after it has come
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from dagger.flows.references import Reference, texts_of
from dagger.flows.scopes import is_secret
from dagger.rules.documents.tree import Path
from dagger.rules.expressions import Template, compiled
from dagger.words.secrets import MASK

Scope = Mapping[str, Any]
"""What expressions know: `inputs`, `steps`, `run`, and perhaps `item` and `index`."""


class Late(NamedTuple):
    """A text with secrets in it."""

    path: Path
    template: Template
    references: tuple[Reference, ...]


class Packed(NamedTuple):
    """What is sent for arguments of which some are late."""

    arguments: Mapping[str, Any]
    scope: Mapping[str, Any]

    def payload(self) -> dict[str, Any]:
        return {"with": self.arguments, "scope": self.scope}


class Arguments:
    """The `with` of a step, compiled; `secret` are the inputs of its flow that are secret."""

    __slots__ = ("_plain", "late")

    def __init__(self, given: Mapping[str, Any], secret: Collection[str]) -> None:
        by_path: dict[Path, list[Reference]] = {}
        for each in texts_of("with", given, ()).references:
            by_path.setdefault(each.path, []).extend(_spelt_out(each, secret))
        late = [
            path
            for path, found in by_path.items()
            if any(is_secret(x.parts, secret) for x in found)
        ]
        self.late = tuple(
            Late(path, compiled(_at(given, path)), tuple(by_path[path])) for path in late
        )
        self._plain = compiled(_masked(given, late) if late else given)

    def sent(self, scope: Scope) -> Any:
        """What goes to who calls the step. Raises ExpressionError."""
        worked_out = self._plain.render(scope)
        if not self.late:
            return worked_out
        needed = [each for late in self.late for each in late.references]
        return Packed(worked_out, _part(scope, needed)).payload()

    def come(self, payload: Any, secrets: Callable[[Reference], Any]) -> Mapping[str, Any]:
        """The arguments, of what has come. `secrets` gives what a reference to one stands for.

        Raises ExpressionError, and what `secrets` raises.
        """
        if not self.late:
            arguments: Mapping[str, Any] = payload
            return arguments
        arguments, scope = deepcopy(payload["with"]), payload["scope"]
        for each in self.late:
            known = _with_secrets(scope, each.references, secrets)
            _put(arguments, each.path, each.template.render(known))
        return arguments


def _spelt_out(found: Reference, secret: Collection[str]) -> list[Reference]:
    """A reference, and if it is to all inputs one to each of those that are secret."""
    if found.parts != ("inputs",):
        return [found]
    return [found, *(found._replace(parts=("inputs", name)) for name in sorted(secret))]


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _put(value: Any, path: Path, leaf: Any) -> None:
    *above, last = path
    _at(value, tuple(above))[last] = leaf


def _masked(given: Mapping[str, Any], paths: Collection[Path]) -> Any:
    found = deepcopy(given)
    for path in paths:
        _put(found, path, MASK)
    return found


def _part(scope: Scope, references: Collection[Reference]) -> dict[str, Any]:
    """As much of a scope as some references lead to, besides secrets: of a step all that is
    known of it.
    """
    part: dict[str, Any] = {}
    for each in references:
        root, *rest = each.parts
        if root == "secrets":
            continue
        if root == "inputs" and "outer" in scope:
            part["outer"] = scope["outer"]
        if not rest or root in ("item", "index"):
            part[str(root)] = scope[str(root)]
        elif str(rest[0]) in scope[str(root)]:
            part.setdefault(str(root), {})[str(rest[0])] = scope[str(root)][str(rest[0])]
    return part


def _with_secrets(
    scope: Scope, references: Collection[Reference], secrets: Callable[[Reference], Any]
) -> dict[str, Any]:
    known = {root: {**found} if isinstance(found, dict) else found for root, found in scope.items()}
    for each in references:
        root = str(each.parts[0])
        if root in ("secrets", "inputs") and len(each.parts) > 1:
            name = str(each.parts[1])
            below = known.setdefault(root, {})
            if name not in below:
                below[name] = secrets(each)
    return known
