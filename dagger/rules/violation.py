"""What breaks a schema, and where: one violation, told in full."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from dagger.words.errors import VALUE_SHOWN, shortened
from dagger.words.secrets import hidden

_ENCODER = json.JSONEncoder(ensure_ascii=False, default=lambda value: hidden(repr(value)))
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")


class Violation(NamedTuple):
    """One value breaks one rule; the fields are those of words.errors.ValidationError."""

    path: str
    """JSON path of the offending value, `$.a.b[0]`; for `required` that of the object."""
    rule: str
    """The schema keyword, such as "type", "required" or "enum"."""
    problem: str
    """The validator's own sentence, which calls the value "value"."""
    value: str
    """The offending value as JSON text, without secrets, cut at 200 characters."""


class Fault(NamedTuple):
    """One error as a validator reports it."""

    path: tuple[str | int, ...]
    rule: str
    problem: str
    branches: Callable[[], list[list[Fault]]]
    """For anyOf and oneOf: why each alternative failed; an empty list where one did not."""


def explained(fault: Fault, value: Any) -> Violation:
    """The violation behind a fault of `value`.

    A failed anyOf or oneOf gives way to the alternative that came closest, if one did; else it
    says what each of them wants.
    """
    fault = _closest(fault)
    return violation_at(fault.path, fault.rule, fault.problem, value)


def violation_at(path: Sequence[str | int], rule: str, problem: str, value: Any) -> Violation:
    """A violation at `path` within `value`, which is shown as it is found there."""
    for part in path:
        value = value[part]
    return Violation(json_path(path), rule, shortened(problem), shown(value))


def _closest(fault: Fault) -> Fault:
    branches = fault.branches()
    if not branches or not all(branches):  # no combination, or too many alternatives fit
        return fault
    *others, best = sorted((max(map(_closest, each), key=_rank) for each in branches), key=_rank)
    if others and _rank(others[-1]) == _rank(best):
        told = dict.fromkeys(each.problem for each in (*others, best) if each.path == fault.path)
        return fault._replace(problem=", and ".join(told)) if told else fault
    return max(best, fault, key=_rank)


def _rank(fault: Fault) -> tuple[int, bool]:
    """How close a value came: deeper is closer, and one of a wrong kind is far off."""
    return len(fault.path), fault.rule not in ("type", "const", "enum")


def json_path(parts: Iterable[str | int]) -> str:
    """`$.a.b[0]`; a key that is not a plain word is quoted: `$["a b"]`."""
    return "$" + "".join(
        f".{part}"
        if isinstance(part, str) and _PLAIN_KEY.fullmatch(part)
        else f"[{json.dumps(part, ensure_ascii=False)}]"
        for part in parts
    )


def shown(value: Any) -> str:
    """The JSON text of `value`, or Python's where it has none; without secrets, and then cut at
    200 characters.
    """
    text = ""
    try:
        for piece in _ENCODER.iterencode(hidden(value)):
            text += piece[: VALUE_SHOWN + 1]
            if len(text) > VALUE_SHOWN:
                break
    except (TypeError, ValueError, RecursionError):  # keys that are no strings, cycles
        text = repr(value)
    return shortened(text)
