"""TypedDicts: their fields, and a form of them that pydantic accepts."""

from __future__ import annotations

import sys
import types
import typing
from collections import abc
from typing import Annotated, Any, NamedTuple, NotRequired, Required, Union, get_args, get_origin


class Field(NamedTuple):
    """What a TypedDict says about one key."""

    annotation: Any
    required: bool


def is_typed_dict(annotation: Any) -> bool:
    """Whether it is a TypedDict of typing or of typing_extensions."""
    is_dict = isinstance(annotation, type) and issubclass(annotation, dict)
    return is_dict and hasattr(annotation, "__required_keys__")


def fields(kind: Any) -> dict[str, Field]:
    """The keys of a TypedDict. Raises NameError for an annotation that names nothing."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {key: _field(hint, key in kind.__required_keys__) for key, hint in hints.items()}


def _field(hint: Any, required: bool) -> Field:
    """Required[] and NotRequired[] win: `__required_keys__` misses postponed ones."""
    if get_origin(hint) in (Required, NotRequired):
        return Field(get_args(hint)[0], get_origin(hint) is Required)
    if get_origin(hint) is Annotated:  # which may stand outside of them
        inner = _field(get_args(hint)[0], required)
        return Field(Annotated[(inner.annotation, *hint.__metadata__)], inner.required)
    return Field(hint, required)


def portable(annotation: Any) -> Any:
    """`annotation` with every typing.TypedDict that it names replaced by an equal one.

    Before Python 3.12 pydantic takes those of typing_extensions only. Looks into type
    arguments and TypedDicts, not into the fields of models and dataclasses. Raises
    TypeError where one holds itself.
    """
    if sys.version_info >= (3, 12):
        return annotation
    try:
        return _replaced(annotation)
    except RecursionError:
        raise TypeError(
            "before Python 3.12 a TypedDict that holds itself must be one of typing_extensions"
        ) from None


def _replaced(annotation: Any) -> Any:
    if is_typed_dict(annotation) and type(annotation).__module__ == "typing":
        return _copy(annotation)
    origin: Any = get_origin(annotation)
    args = get_args(annotation)
    if origin is Annotated:
        return Annotated[(_replaced(args[0]), *annotation.__metadata__)]
    if origin is types.UnionType:
        origin = Union
    elif origin is not Union and (not isinstance(origin, type) or origin is abc.Callable):
        return annotation
    return origin[tuple(map(_replaced, args))]


def _copy(kind: Any) -> Any:
    import typing_extensions

    make: Any = typing_extensions.TypedDict
    copy = make(
        kind.__name__,
        {
            key: (Required if field.required else NotRequired)[_replaced(field.annotation)]
            for key, field in fields(kind).items()
        },
    )
    copy.__doc__ = kind.__doc__
    if hasattr(kind, "__pydantic_config__"):
        copy.__pydantic_config__ = kind.__pydantic_config__
    return copy
