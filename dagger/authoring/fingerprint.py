"""Fingerprints: whether an agent is still the same code, also in another process.

One covers the source of the handler (of its whole class, where it is a method), and all
that is declared of the agent but name and description. Comments, docstrings and layout do
not count. Nor does what the handler calls or remembers: who wants to know what that comes
to lets the agent handle the messages of a run again.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import inspect
import json
import textwrap
from collections.abc import Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from dagger.authoring.decorator import agent as decorator
from dagger.authoring.signature import underlying

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.words.strategy import RetryStrategy

DIGITS = 12
"""Hexadecimal digits of a fingerprint."""

_AS_IT_IS = (
    *("subscribe", "publish_any", "publish_each", "concurrency", "max_attempts", "timeout"),
    *("overflow", "capacity", "on_failure", "hears_itself"),
)

_TURN_POLICIES = (
    *("resources", "priority", "preemptible", "concurrency_key", "rate_limit"),
    *("debounce", "throttle"),
)
_UNSAID: tuple[Any, ...] = (None, 0, False, ())

_known: WeakKeyDictionary[Agent, str] = WeakKeyDictionary()
_sources: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""Of functions and classes: agents that are made again and again share them."""


def fingerprint(agent: Agent) -> str:
    """The fingerprint of an agent: 12 hexadecimal digits, worked out when first asked for."""
    found = _known.get(agent)
    if found is None:
        text = json.dumps(_told(agent), sort_keys=True)
        found = _known[agent] = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    return found


def _told(agent: Agent) -> dict[str, Any]:
    """All that counts, as plain data that is the same in every process."""
    steps, rule = agent.upcast or {}, agent.idempotency_key
    # Told where it is said: what was written down of agents before there was any still holds.
    known: dict[str, Any] = {"stream": True} if agent.stream else {}
    for name in _TURN_POLICIES:
        value = getattr(agent, name)
        if value not in _UNSAID:
            known[name] = _policy(value)
    if agent.process is not None:
        known["run_in"] = "process"
    if agent.cleans_up:
        known["cleans_up"] = True
    if agent.origin is not None:
        known["definition"] = agent.origin.definition
    if rule is not None:
        known["idempotency_key"] = _code(rule) if callable(rule) else rule
    return (
        known
        | {name: getattr(agent, name) for name in _AS_IT_IS}
        | {
            "handler": _code(agent.handler),
            "publish": {name: each and each.source for name, each in agent.publish.items()},
            "input": agent.input and agent.input.source,
            "key": _code(agent.key) if callable(agent.key) else agent.key,
            "retry": agent.retry and _strategy(agent.retry),
            "upcast": {str(version): _code(step) for version, step in steps.items()},
        }
    )


def _policy(value: Any) -> Any:
    """A policy, or several: what it is set to."""
    if isinstance(value, tuple):
        return [_policy(each) for each in value]
    if dataclasses.is_dataclass(value):
        return {each.name: _policy(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _policy(each) for key, each in value.items()}
    return _code(value) if callable(value) else value


def _strategy(retry: RetryStrategy) -> Any:
    """A strategy: what it is set to, or else what it does."""
    kind = type(retry)
    if not dataclasses.is_dataclass(retry):
        return _code(kind)
    values = {each.name: _value(getattr(retry, each.name)) for each in dataclasses.fields(retry)}
    return [kind.__qualname__, values]


def _value(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_value(each) for each in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return value.__qualname__ if isinstance(value, type) else type(value).__qualname__


# -- code ----------------------------------------------------------------------------


def _code(target: Any) -> Any:
    """What a function or class says: its source without what does not count, or else its
    bytecode, or else its name.
    """
    function = target if inspect.isclass(target) else underlying(target)
    try:
        return _source(_owner(target) or function)
    except (OSError, TypeError, SyntaxError, RecursionError):
        code = getattr(function, "__code__", None)
        return _bytecode(code) if code else getattr(function, "__qualname__", "")


def _owner(target: Any) -> type[Any] | None:
    """The class that a handler is a method of, or an instance."""
    owner = getattr(target, "__self__", target)
    if inspect.isclass(target) or inspect.isroutine(owner) or inspect.ismodule(owner):
        return None
    return owner if inspect.isclass(owner) else type(owner)


def _source(target: Any) -> str:
    """Source in one layout. Raises OSError, TypeError or SyntaxError where there is none.

    That of a lambda is not its own: it is cut from whatever it stands in.
    """
    if target.__name__ == "<lambda>":
        raise OSError
    found = _sources.get(target)
    if found is None:
        found = _sources[target] = _laid_out(target)
    return found


def _laid_out(target: Any) -> str:
    tree = ast.parse(textwrap.dedent(inspect.getsource(target)))
    names = vars(inspect.getmodule(target))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.decorator_list = [x for x in node.decorator_list if not _is_ours(x, names)]
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
    return ast.unparse(tree)


def _is_ours(decorated: ast.expr, names: Mapping[str, Any]) -> bool:
    """Whether a decorator is `@agent`, whose options are told by themselves."""
    match decorated.func if isinstance(decorated, ast.Call) else decorated:
        case ast.Name(name):
            return names.get(name) is decorator
        case ast.Attribute(ast.Name(module), name):
            return getattr(names.get(module), name, None) is decorator
    return False


def _bytecode(code: CodeType) -> list[Any]:
    return [code.co_code.hex(), code.co_names, code.co_varnames, [*map(_constant, code.co_consts)]]


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _bytecode(value)
    if isinstance(value, frozenset):  # in no order
        return sorted(map(repr, value))
    return repr(value)
