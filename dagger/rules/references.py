"""Whether the references of a JSON Schema stay inside it and come to an end.

A validator follows `$ref` natively and trusts it: one that leaves the document
would be fetched, one that comes back without looking at a smaller value never
ends, and a long enough chain runs out of stack and takes the process with it.
So references are walked here, once, when a schema is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

MAX_CHAIN = 64
"""Subschemas that may apply to one value, each by way of the one before."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE_NAMED = ("dependentSchemas", "dependencies")


def reference_problem(
    source: dict[str, Any], dialect: str, is_schema: Callable[[Any], bool]
) -> str | None:
    """What is wrong with the references of `source`, in a sentence; None if nothing is.

    `source` is plain JSON data that the meta-schema of `dialect`, the URI of a known
    draft, accepts; `is_schema` asks that meta-schema about the target of a reference,
    which may stand where it has not looked. Nothing is fetched: an embedded `$id`, an
    anchor or a JSON pointer leads somewhere inside the document or is refused.
    """
    try:
        return _endless(_applied(source, dialect, is_schema))
    except _Broken as error:
        return str(error)


class _Broken(Exception):
    """A reference that leads nowhere, or to no schema."""


def _applied(
    source: dict[str, Any], dialect: str, is_schema: Callable[[Any], bool]
) -> dict[int, list[int]]:
    """For every subschema, by identity, those it applies to the very same value."""
    from referencing import Registry
    from referencing.jsonschema import specification_with

    specification = specification_with(dialect)
    root = specification.create_resource(source)
    registry: Registry[Any] = Registry()
    registry = registry.with_resource(root.id() or "", root)
    applied: dict[int, list[int]] = {}
    waiting = [(root, registry.resolver_with_root(root))]
    while waiting:
        resource, resolver = waiting.pop()
        contents = resource.contents
        if id(contents) in applied or not isinstance(contents, dict):
            continue
        below = [*_in_place(contents)]
        for reference in _references(contents):
            target = _target(resolver, reference)
            below.append(target.contents)
            if id(target.contents) in applied:
                continue
            if not is_schema(target.contents):
                raise _Broken(f"the reference {reference!r} leads to something that is no schema")
            waiting.append((specification.create_resource(target.contents), target.resolver))
        applied[id(contents)] = [id(each) for each in below]
        parts = resource.subresources()
        waiting += [(part, resolver.in_subresource(part)) for part in parts]
    return applied


def _target(resolver: Any, reference: str) -> Any:
    from referencing.exceptions import Unresolvable

    try:
        return resolver.lookup(reference)
    except Unresolvable:
        raise _Broken(
            f"the reference {reference!r} leads to nothing inside the schema, and nothing "
            "outside it is ever fetched; put its target under $defs"
        ) from None


def _references(contents: dict[str, Any]) -> Iterator[str]:
    for keyword in _REFERENCES:
        if isinstance(reference := contents.get(keyword), str):
            yield reference


def _in_place(contents: dict[str, Any]) -> Iterator[Any]:
    for keyword in _IN_PLACE:
        if keyword in contents:
            yield contents[keyword]
    for keyword in _IN_PLACE_LISTS:
        if isinstance(parts := contents.get(keyword), list):
            yield from parts
    for keyword in _IN_PLACE_NAMED:
        if isinstance(named := contents.get(keyword), dict):
            yield from named.values()


def _endless(applied: dict[int, list[int]]) -> str | None:
    """A sentence if some value would be checked for ever, or by too long a chain."""
    try:
        order = [*TopologicalSorter(applied).static_order()]
    except CycleError:
        return (
            "it refers to itself without end; put the reference under properties or "
            "items, where it meets a smaller value"
        )
    height: dict[int, int] = {}
    for each in order:
        height[each] = 1 + max((height[below] for below in applied.get(each, ())), default=0)
    if max(height.values()) > MAX_CHAIN:
        return f"more than {MAX_CHAIN} references follow one another; shorten the chain"
    return None
