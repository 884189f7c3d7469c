"""The functions that expressions can call: all there are, none of which knows an object.

Each is given the `Work` that is left and its values. Those with names as GitHub's do what
those do, but that upper and lower case count, as they do for `==`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

from dagger.rules.expressions import limits
from dagger.rules.expressions.data import a, as_json, as_text, kind, number
from dagger.rules.expressions.limits import MAX_LOOPS, Work
from dagger.rules.expressions.operators import less, within
from dagger.rules.expressions.refusal import Missing, Refused


class Function(NamedTuple):
    """One of them, and how many values it takes; `most` is None if there is no limit."""

    call: Callable[..., Any]
    least: int
    most: int | None
    lazy: bool = False
    """Whether it is given calls that work its values out, and not the values."""


def _len(work: Work, value: Any) -> int:
    _want("len", value, "text", "list", "mapping")
    return len(value)


def _int(work: Work, value: Any) -> int | float:
    _want("int", value, "number", "boolean", "text")
    try:
        return number(int(_digits(work, value)))
    except (ValueError, OverflowError):
        raise Refused("int() takes a text that is a whole number; this text is none") from None


def _float(work: Work, value: Any) -> int | float:
    _want("float", value, "number", "boolean", "text")
    try:
        return number(float(_digits(work, value)))
    except (ValueError, OverflowError):
        raise Refused("float() takes a text that is a number; this text is none") from None


def _digits(work: Work, value: Any) -> Any:
    """A value as Python's conversions may have it: they know underscores, which JSON does not."""
    if isinstance(value, str):
        work.spend(len(value) // 100)
        if "_" in value:
            raise ValueError
    return value


def _str(work: Work, value: Any) -> str:
    made = as_text(value)
    work.spend(len(made) // 100)
    return made


def _bool(work: Work, value: Any) -> bool:
    kind(value)
    return bool(value)


def _min(work: Work, *values: Any) -> Any:
    best, *others = _several("min", work, values)
    for each in others:
        if less(work, each, best):
            best = each
    return best


def _max(work: Work, *values: Any) -> Any:
    best, *others = _several("max", work, values)
    for each in others:
        if less(work, best, each):
            best = each
    return best


def _several(name: str, work: Work, values: Sequence[Any]) -> list[Any]:
    """The values of a list, or those given one by one: numbers or texts, and at least one."""
    if len(values) == 1:
        values = _list(name, work, values[0])
    if not values:
        raise Refused(f"{name}() of an empty list is nothing; take {name}(list + [0]) or the like")
    return _alike(name, values)


def _alike(name: str, values: Sequence[Any]) -> list[Any]:
    kinds = {kind(each) for each in values}
    if kinds <= {"number"} or kinds <= {"text"}:
        return list(values)
    raise Refused(f"{name}() compares numbers or texts, all of one kind; here are {_kinds(kinds)}")


def _sum(work: Work, values: Any) -> Any:
    given = _list("sum", work, values)
    for each in given:
        _want("sum", each, "number")
    return number(sum(given))


def _abs(work: Work, value: Any) -> Any:
    _want("abs", value, "number")
    return number(abs(value))


def _round(work: Work, value: Any, digits: Any = None) -> Any:
    _want("round", value, "number")
    if digits is None:
        return number(round(value))
    if type(digits) is not int or not -20 <= digits <= 20:
        raise Refused("round() takes digits from -20 to 20, as a whole number")
    return number(round(value, digits))


def _sorted(work: Work, values: Any) -> list[Any]:
    given = _alike("sorted", _list("sorted", work, values))
    work.spend(len(given) * len(given).bit_length())
    return sorted(given)


def _reversed(work: Work, values: Any) -> list[Any]:
    return list(reversed(_list("reversed", work, values)))


def _any(work: Work, values: Any) -> bool:
    return any(_bool(work, each) for each in _list("any", work, values))


def _all(work: Work, values: Any) -> bool:
    return all(_bool(work, each) for each in _list("all", work, values))


def _range(work: Work, first: Any, end: Any = None) -> list[int]:
    start, stop = (0, first) if end is None else (first, end)
    if type(start) is not int or type(stop) is not int:
        raise Refused("range() takes whole numbers: how many, or the first and the one after all")
    if stop - start > MAX_LOOPS:
        raise Refused(f"range() makes at most {MAX_LOOPS:,} numbers")
    made = list(range(start, stop))
    work.spend(len(made))
    return made


def _keys(work: Work, mapping: Any) -> list[Any]:
    _want("keys", mapping, "mapping")
    work.spend(len(mapping))
    return list(mapping)


def _values(work: Work, mapping: Any) -> list[Any]:
    _want("values", mapping, "mapping")
    work.spend(len(mapping))
    return list(mapping.values())


def _lower(work: Work, value: Any) -> str:
    return limits.text(_text("lower", work, value).lower())


def _upper(work: Work, value: Any) -> str:
    return limits.text(_text("upper", work, value).upper())


def _trim(work: Work, value: Any) -> str:
    return _text("trim", work, value).strip()


def _split(work: Work, value: Any, separator: Any = ",") -> list[str]:
    whole, between = _text("split", work, value), _text("split", work, separator)
    if not between:
        raise Refused("split() takes a separator of at least one character")
    work.spend(whole.count(between))
    return whole.split(between)


def _replace(work: Work, value: Any, old: Any, new: Any) -> str:
    whole, before, after = (_text("replace", work, each) for each in (value, old, new))
    if not before:
        raise Refused("replace() takes a text of at least one character to look for")
    limits.fits(len(whole) + whole.count(before) * (len(after) - len(before)))
    return whole.replace(before, after)


def _join(work: Work, values: Any, separator: Any = ",") -> str:
    between = _text("join", work, separator)
    return _joined(work, _list("join", work, values), between)


def _joined(work: Work, values: Iterable[Any], between: str = "") -> str:
    """Values as one text, of which not more is made than may be."""
    parts, length = [], 0
    for each in values:
        parts.append(as_text(each))
        length += len(parts[-1]) + len(between)
        limits.fits(length - len(between))
    work.spend(length // 100)
    return between.join(parts)


def _contains(work: Work, value: Any, item: Any) -> bool:
    _want("contains", value, "text", "list", "mapping")
    return within(work, as_text(item) if isinstance(value, str) else item, value)


def _starts_with(work: Work, value: Any, start: Any) -> bool:
    return _text("startsWith", work, value).startswith(_text("startsWith", work, start))


def _ends_with(work: Work, value: Any, end: Any) -> bool:
    return _text("endsWith", work, value).endswith(_text("endsWith", work, end))


_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(?P<place>\d{1,3})\}|[{}]", re.ASCII)


def _format(work: Work, pattern: Any, *values: Any) -> str:
    whole, parts, at = _text("format", work, pattern), [], 0
    for found in _PLACEHOLDER.finditer(whole):
        parts += [whole[at : found.start()], _filled(found, values)]
        at = found.end()
    work.spend(len(parts))
    return _joined(work, [*parts, whole[at:]])


def _filled(found: re.Match[str], values: Sequence[Any]) -> Any:
    if found["place"] is None:
        if len(found[0]) == 2:
            return found[0][0]
        raise Refused("format() knows {0}, {1} and so on, and {{ and }} for single braces")
    place = int(found["place"])
    if place >= len(values):
        raise Refused(f"format() has {len(values)} values here, and none for {{{place}}}")
    return values[place]


def _to_json(work: Work, value: Any) -> str:
    made = as_json(value)
    work.spend(len(made) // 10)
    return made


def _from_json(work: Work, value: Any) -> Any:
    whole = limits.text(_text("fromJSON", work, value))
    work.spend(len(whole) // 10)
    limits.flat_text(whole)
    try:
        return json.loads(
            whole,
            parse_constant=_no_constant,
            parse_int=lambda digits: number(int(digits)),
            parse_float=lambda digits: number(float(digits)),
        )
    except ValueError:
        raise Refused("fromJSON() takes a text that is JSON; this text is none") from None


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _default(work: Work, value: Callable[[], Any], instead: Callable[[], Any]) -> Any:
    """A value, or what stands in for it where it is null or missing."""
    try:
        found = value()
    except Missing:
        found = None
    return instead() if found is None else found


def _list(name: str, work: Work, value: Any) -> Sequence[Any]:
    _want(name, value, "list")
    work.spend(len(value))
    given: Sequence[Any] = value
    return given


def _text(name: str, work: Work, value: Any) -> str:
    _want(name, value, "text")
    work.spend(len(value) // 100)
    given: str = value
    return given


def _want(name: str, value: Any, *kinds: str) -> None:
    if kind(value) not in kinds:
        wanted = " or ".join(f"a {each}" for each in kinds)
        raise Refused(f"{name}() takes {wanted}; this is {a(value)}")


def _kinds(kinds: set[str]) -> str:
    return " and ".join(sorted(kinds))


FUNCTIONS: dict[str, Function] = {
    "abs": Function(_abs, 1, 1),
    "all": Function(_all, 1, 1),
    "any": Function(_any, 1, 1),
    "bool": Function(_bool, 1, 1),
    "contains": Function(_contains, 2, 2),
    "default": Function(_default, 2, 2, lazy=True),
    "endsWith": Function(_ends_with, 2, 2),
    "float": Function(_float, 1, 1),
    "format": Function(_format, 1, None),
    "fromJSON": Function(_from_json, 1, 1),
    "int": Function(_int, 1, 1),
    "join": Function(_join, 1, 2),
    "keys": Function(_keys, 1, 1),
    "len": Function(_len, 1, 1),
    "lower": Function(_lower, 1, 1),
    "max": Function(_max, 1, None),
    "min": Function(_min, 1, None),
    "range": Function(_range, 1, 2),
    "replace": Function(_replace, 3, 3),
    "reversed": Function(_reversed, 1, 1),
    "round": Function(_round, 1, 2),
    "sorted": Function(_sorted, 1, 1),
    "split": Function(_split, 1, 2),
    "startsWith": Function(_starts_with, 2, 2),
    "str": Function(_str, 1, 1),
    "sum": Function(_sum, 1, 1),
    "toJSON": Function(_to_json, 1, 1),
    "trim": Function(_trim, 1, 1),
    "upper": Function(_upper, 1, 1),
    "values": Function(_values, 1, 1),
}


def arity(name: str) -> str:
    """How many values a function takes, in words."""
    least, most = FUNCTIONS[name].least, FUNCTIONS[name].most
    if most is None:
        return f"{name}() takes at least {_counted(least)}"
    if least == most:
        return f"{name}() takes {_counted(least)}"
    return f"{name}() takes {least} or {_counted(most)}"


def _counted(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"
