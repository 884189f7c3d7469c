"""The functions of a graph, as they are called: with the state, the context, or both."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from dagger.authoring.signature import place_of, underlying
from dagger.graphs.shape import Shape, build, fields_of
from dagger.graphs.values import Seen
from dagger.rules.typed_dict import is_typed_dict
from dagger.words.errors import DefinitionError

NODE, RULE, UNDO = ("state", "ctx"), ("state",), ("state", "ctx", "update")
"""What nodes may ask for; routers, loops and conditions; and what undoes."""

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class NodeFunction:
    """A function, and what it asks for."""

    __slots__ = ("_fields", "_function", "_of", "_wanted", "is_async", "where")

    def __init__(
        self, function: Callable[..., Any], shape: Shape, what: str, asked: tuple[str, ...] = NODE
    ) -> None:
        self._function = function
        self.where = place_of(function)
        self.is_async = inspect.iscoroutinefunction(underlying(function))
        self._wanted = tuple(_named(function, self.where, what, asked))
        self._of: Any = _annotated(function) if "state" in self._wanted else None
        if self._of is None and shape.is_typed:
            self._of = shape.of
        self._fields = fields_of(self._of) if self._of not in (None, dict) else ()

    def call(self, state: Seen, ctx: Any, update: Any = None) -> Any:
        """What it returns, or the coroutine of it. Raises ArgumentsRefused."""
        given = {"state": state, "ctx": ctx, "update": update}
        if "state" in self._wanted and self._of is not None:
            given["state"] = self._built(state)
        return self._function(**{name: given[name] for name in self._wanted})

    def _built(self, state: Mapping[str, Any]) -> Any:
        """The state as the annotation wants it: of as many keys as it has."""
        if self._of is dict:
            return dict(state)
        known = {name: state[name] for name in self._fields if name in state}
        return known if is_typed_dict(self._of) else build(self._of, known)


def _named(
    function: Callable[..., Any], where: str, what: str, asked: tuple[str, ...]
) -> list[str]:
    """The parameters that a function is given, by name; others need a default."""
    names = []
    for each in inspect.signature(function).parameters.values():
        if each.name in asked and each.kind in _BY_NAME:
            names.append(each.name)
        elif each.default is each.empty and each.kind not in _ANY:
            problem = f"{what} may ask for {', '.join(asked)} by name, and not for {each.name!r}"
            raise DefinitionError(problem, where)
    return names


def _annotated(function: Callable[..., Any]) -> Any:
    """What the annotation of `state` is, if it is more than a mapping."""
    try:
        found = get_type_hints(underlying(function)).get("state")
    except Exception:  # names that nobody knows here: it gets the state as it is
        return None
    if found is dict or getattr(found, "__origin__", None) is dict:
        return dict
    if found is None or not isinstance(found, type) or found in (object, Mapping):
        return None
    known = is_typed_dict(found) or hasattr(found, "model_fields")
    return found if known or hasattr(found, "__dataclass_fields__") else None
