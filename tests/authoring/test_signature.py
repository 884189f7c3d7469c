"""The call plan: decided when a handler is decorated, so that a call looks nothing up."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dagger.authoring.signature import PARAMETERS, CallPlan, Kind, make_plan, place_of
from dagger.words.errors import DefinitionError

INVOCATION = SimpleNamespace(**{attribute: attribute for attribute in PARAMETERS.values()})


def plan_of(function: Any, **names: Any) -> CallPlan:
    """The plan for a handler defined in a test."""
    return make_plan(function, names)


def function(parameters: str, head: str = "def") -> Any:
    """A function of these parameters that returns what it was given, by name."""
    scope: dict[str, Any] = {}
    exec(f"{head} handler({parameters}):\n    return dict(locals())", scope)
    return scope["handler"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_every_choice_of_parameters_is_filled_by_name(count: int) -> None:
    """Any of the parameters, in any order, each holds what its name stands for."""
    for names in itertools.islice(itertools.permutations(PARAMETERS, count), 300):
        plan = plan_of(function(", ".join(names)))
        assert plan.parameters == names
        assert plan.call(INVOCATION) == {name: PARAMETERS[name] for name in names}


@pytest.mark.parametrize(
    "parameters",
    [
        "*, payload",
        "*, ctx",
        "payload, *, ctx",
        "ctx, *, payload, message=None",
        "channel='x', payload=None",
        "executor, *, cache, node_id",
    ],
)
def test_keyword_only_parameters_and_defaults_are_filled(parameters: str) -> None:
    """A star or a default changes nothing: what is named is given."""
    given = plan_of(function(parameters)).call(INVOCATION)
    assert given == {name: PARAMETERS[name] for name in given}
    assert given


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("*args", "*args cannot be filled"),
        ("**kwargs", "**kwargs cannot be filled"),
        ("payload, *args", "*args"),
        ("payload, /", "'payload' is positional-only"),
        ("context", "unknown parameter 'context'"),
        ("payload, extra=1", "unknown parameter 'extra'"),
        ("self, payload", "unknown parameter 'self'"),
    ],
)
def test_what_cannot_be_filled_is_refused(parameters: str, words: str) -> None:
    """The sentence names the parameter, the function with its place, and what may be asked for."""
    with pytest.raises(DefinitionError) as caught:
        plan_of(function(parameters))
    text = str(caught.value)
    assert words in text
    assert "handler (<string>:1)" in text
    if "positional" not in words:
        assert "payload, message, ctx, channel, node_id, cache, executor" in text


async def coroutine() -> None:
    """An async def."""


async def async_generator() -> AsyncIterator[int]:
    """An async def with yield."""
    yield 1


def generator() -> Iterator[int]:
    """A def with yield."""
    yield 1


def plain() -> None:
    """A def."""


class Callable:
    """An instance to be called."""

    async def __call__(self, payload: Any) -> None:
        """An async def."""

    def method(self, payload: Any) -> Iterator[int]:
        """A def with yield."""
        yield 1

    @staticmethod
    async def static() -> None:
        """An async def."""


@functools.wraps(coroutine)
def wrapped() -> Any:
    """Wraps an async def."""
    return coroutine()


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (coroutine, Kind.COROUTINE),
        (async_generator, Kind.ASYNC_GENERATOR),
        (generator, Kind.GENERATOR),
        (plain, Kind.FUNCTION),
        (Callable(), Kind.COROUTINE),
        (Callable().method, Kind.GENERATOR),
        (Callable.static, Kind.COROUTINE),
        (functools.partial(async_generator), Kind.ASYNC_GENERATOR),
        (functools.partial(functools.partial(Callable())), Kind.COROUTINE),
        (wrapped, Kind.COROUTINE),
        (lambda: 1, Kind.FUNCTION),
    ],
)
def test_the_kind_is_seen_through_wrappings(handler: Any, kind: Kind) -> None:
    """Methods, partials, instances and wrappers run as what they wrap."""
    plan = plan_of(handler)
    assert plan.kind is kind
    assert kind.streams == ("yield" in kind.value)
    assert kind.threaded != ("async" in kind.value)
    assert "test_signature.py:" in plan.where


def test_places_have_no_addresses_in_them() -> None:
    """A place says function, file and line; the same definition has the same one each time."""

    def define() -> list[Any]:
        class Local:
            def __call__(self) -> None:
                """Called."""

        def inner() -> None:
            """Called."""

        return [Local(), functools.partial(inner), inner, Local().__call__]

    for one, other in zip(define(), define(), strict=True):
        assert place_of(one) == place_of(other)
        assert "0x" not in place_of(one)
        assert "<locals>" not in place_of(one)
        assert "test_signature.py:" in place_of(one)


def test_annotations_are_resolved_once() -> None:
    """Annotations written as text may use local and global names."""

    class Local:
        """Known here only."""

    async def handler(payload: Local) -> dict[str, Local]:
        return {}

    plan = plan_of(handler, Local=Local)
    assert plan.payload is Local
    assert plan.returns == dict[str, Local]
    bare = plan_of(function("payload"))
    assert bare.payload is inspect.Parameter.empty
    assert bare.returns is inspect.Parameter.empty


@pytest.mark.parametrize("where", ["payload", "return"])
def test_an_annotation_that_names_nothing_is_refused(where: str) -> None:
    """A name that does not exist is said at once, and not at the first message."""

    async def handler(payload: Any) -> Any:
        return payload

    handler.__annotations__[where] = "Missing[int]"
    with pytest.raises(DefinitionError, match=r"Missing\[int\].*cannot be resolved") as caught:
        plan_of(handler)
    assert "test_signature.py:" in str(caught.value)


def test_other_parameters_may_be_annotated_as_one_likes() -> None:
    """Only the annotations of payload and return are read."""

    async def handler(payload: int, ctx: NotImported) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Takes what is there."""

    assert plan_of(handler).payload is int
