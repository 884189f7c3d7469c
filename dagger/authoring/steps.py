"""A step as a handler asks for it: what it is known by, and what is to be called."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from dagger.words.errors import SerializationError
from dagger.words.payload import canonical, encode
from dagger.words.strategy import RetryStrategy

_DIGITS = 16
_KEY = "idempotency_key"


class Step(NamedTuple):
    """One piece of work, named within its invocation."""

    name: str
    key: str
    digest: str
    """Of the arguments."""
    call: Callable[[], Any]
    retry: RetryStrategy | None
    """Which tries that failed are followed by another; None: none."""
    cause: int
    """The journal position that has to be on disk before it is called."""

    @property
    def kept_as(self) -> str:
        return f"step:{self.name}"


def bound(call: Callable[..., Any], args: Sequence[Any], idempotency_key: str) -> Callable[[], Any]:
    """The call with its arguments, and with the key if it takes one."""
    if _takes_key(call):
        call = partial(call, idempotency_key=idempotency_key)
    return partial(call, *args)


def digest(args: Sequence[Any]) -> str:
    """Hexadecimal digits that are the same for the same arguments, in every process.

    What is not JSON counts by its type alone: a client, say, or an open file.
    """
    said = "".join([f"{_said(each)}\0" for each in args])
    return hashlib.sha256(said.encode()).hexdigest()[:_DIGITS]


def _said(value: Any) -> str:
    try:
        return canonical(encode(value))
    except SerializationError:
        return f"{type(value).__module__}.{type(value).__qualname__}"


def _takes_key(call: Callable[..., Any]) -> bool:
    code = getattr(call, "__code__", None)
    if code is not None and not hasattr(call, "__wrapped__"):  # a function: no need to look closer
        return _KEY in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    try:
        return _KEY in inspect.signature(call).parameters
    except ValueError:  # some builtins have no signature
        return False
