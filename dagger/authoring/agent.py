"""The `@agent` decorator, and the `Agent` it makes: a handler with all that is said of it."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, overload

from dagger.authoring.publishing import refusal
from dagger.authoring.registry import registry
from dagger.authoring.signature import CallPlan, make_plan, place_of
from dagger.rules.derive import Derived, derive, element
from dagger.rules.retry import strategy
from dagger.rules.schema import Schema, schema
from dagger.words.errors import ConfigError, DefinitionError
from dagger.words.outcomes import OnFailure, Overflow
from dagger.words.payload import encoded
from dagger.words.strategy import RetryStrategy

ANY = "*"
"""publish="*": the agent may publish on any channel."""

SchemaLike = Mapping[str, Any] | str | bool
Publishes = str | Sequence[str] | Mapping[str, SchemaLike | None] | None


class Processor(Protocol):
    """An object whose method is the handler."""

    @property
    def process_message(self) -> Callable[..., Any]: ...


Handler = Callable[..., Any] | Processor


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Agent:
    """A handler with a name, channels, schemas and policies. Data: it starts nothing.

    Calling it calls the handler, so that it can be tested as the function it is.
    """

    name: str
    description: str
    handler: Callable[..., Any]
    plan: CallPlan
    subscribe: tuple[str, ...]
    publish: Mapping[str, Schema | None]
    """The channels it publishes on, with the schema of each."""
    single: str | None
    """The channel that returned values go to; None unless it publishes on exactly one."""
    single_schema: Schema | None
    publish_any: bool
    publish_each: bool
    input: Schema | None
    build: Callable[[Any], Any] | None
    """Makes the annotated type of checked, decoded data; None where data is what it takes."""
    dump: Callable[[Any], Any] | None
    """Makes plain data of a returned value; None where it is plain already."""
    concurrency: int
    retry: RetryStrategy | None
    max_attempts: int | None
    timeout: float | None
    overflow: Overflow | None
    capacity: int | None
    key: Callable[[Any], Any] | str | None
    on_failure: OnFailure
    hears_itself: bool

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.handler(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<agent {self.name!r} {', '.join(self.subscribe)} -> {', '.join(self.publish)}>"

    @property
    def where(self) -> str:
        """Where the handler is: "function (file:line)"."""
        return self.plan.where

    def validate_input(self, payload: Any) -> None:
        """Raise ValidationError if the payload breaks the input schema, else return."""
        value, _ = encoded(payload, self.name)
        if self.input is not None and not self.input.is_valid(value):
            raise refusal(self.input.violation(value), value, self.name, None, "input")

    def validate_output(self, payload: Any, channel: str | None = None) -> None:
        """Raise ValidationError if the payload breaks the output schema of `channel`.

        Without `channel`, the agent's only one is meant, or else every one of them.
        """
        value, _ = encoded(payload, self.name)
        channels = list(self.publish) if channel is None else [channel]
        for each in channels:
            declared = self.publish.get(each)
            if declared is not None and not declared.is_valid(value):
                raise refusal(declared.violation(value), value, self.name, each, "output")


@overload
def agent(handler: Handler, /) -> Agent: ...


@overload
def agent(
    *,
    name: str | None = None,
    subscribe: str | Sequence[str] = (),
    publish: Publishes = None,
    input_schema: SchemaLike | None = None,
    output_schema: SchemaLike | None = None,
    description: str | None = None,
    concurrency: int = 1,
    retry: RetryStrategy | str | None = None,
    max_attempts: int | None = None,
    timeout: float | None = None,
    overflow: str | None = None,
    capacity: int | None = None,
    key: Callable[[Any], Any] | str | None = None,
    on_failure: str = "fail",
    hears_itself: bool = False,
    publish_each: bool = False,
) -> Callable[[Handler], Agent]: ...


def agent(handler: Handler | None = None, /, **options: Any) -> Any:
    """Make an agent of a handler: `async def`, `def`, a generator of either, or a class.

    - `subscribe`: channel, or channels, it hears. `publish`: channel, channels, a mapping
      from channel to schema, or "*" for any.
    - `input_schema`, `output_schema`: JSON Schema (2020-12 unless `$schema` says otherwise)
      as a dict or JSON text; taken from the annotations where they are not given.
    - `concurrency`: invocations at once; 1 keeps a run's messages in order.
    - `retry`, `max_attempts`: see dagger.Exponential, Linear, Immediate.
    - `timeout`: seconds of running time one attempt may take.
    - `overflow` ("drop_oldest", "block", "reject") and `capacity`: its queue in each run.
    - `key`: a field of the payload ("customer.id") or a function of it; messages of one key
      are handled in order and one at a time, whatever the concurrency.
    - `on_failure`: "fail" (the run goes on and ends failed), "stop" (it is cancelled),
      "continue" (its status stays untouched).
    - `hears_itself`: whether it receives what it published itself.
    - `publish_each`: a returned list is published item by item.

    A class with `process_message` is instantiated without arguments; an instance that
    is callable or has `process_message` will do as well.

    Raises DefinitionError, SchemaError or DuplicateAgent, naming function, file and line.
    """
    frame = sys._getframe(1)
    names = dict(frame.f_locals)

    def decorate(target: Handler) -> Agent:
        _check_options(options, target)
        made = _make(target, names, **options)
        registry.add(made)
        return made

    return decorate if handler is None else decorate(handler)


def _make(
    target: Handler,
    names: Mapping[str, Any],
    *,
    name: str | None = None,
    subscribe: str | Sequence[str] = (),
    publish: Publishes = None,
    input_schema: SchemaLike | None = None,
    output_schema: SchemaLike | None = None,
    description: str | None = None,
    concurrency: int = 1,
    retry: RetryStrategy | str | None = None,
    max_attempts: int | None = None,
    timeout: float | None = None,
    overflow: str | None = None,
    capacity: int | None = None,
    key: Callable[[Any], Any] | str | None = None,
    on_failure: str = "fail",
    hears_itself: bool = False,
    publish_each: bool = False,
) -> Agent:
    handler = _handler(target)
    plan = make_plan(handler, names)
    where = plan.where
    _at_least(1, where, concurrency=concurrency, max_attempts=max_attempts, capacity=capacity)
    if timeout is not None and not (type(timeout) in (int, float) and timeout > 0):
        raise DefinitionError(f"timeout must be more than 0 seconds, not {timeout!r}", where)
    if key is not None and not (callable(key) or isinstance(key, str)):
        raise DefinitionError(f"key must be the name of a field or a function, not {key!r}", where)
    schema_in, build = _input(plan, input_schema)
    returned = _returned(plan, publish_each)
    outputs = _outputs(plan, publish, output_schema, returned)
    single = next(iter(outputs)) if len(outputs) == 1 else None
    return Agent(
        name=_name(name or _default_name(target), where),
        description=description if description is not None else inspect.getdoc(target) or "",
        handler=handler,
        plan=plan,
        subscribe=_channels(subscribe, "subscribe", where),
        publish=MappingProxyType(outputs),
        single=single,
        single_schema=outputs[single] if single is not None else None,
        publish_any=publish == ANY or (isinstance(publish, (list, tuple)) and ANY in publish),
        publish_each=publish_each,
        input=schema_in,
        build=build,
        dump=returned.build if returned else None,
        concurrency=concurrency,
        retry=_strategy(retry, where),
        max_attempts=max_attempts,
        timeout=timeout,
        overflow=None if overflow is None else _one_of(Overflow, overflow, "overflow", where),
        capacity=capacity,
        key=key,
        on_failure=_one_of(OnFailure, on_failure, "on_failure", where),
        hears_itself=hears_itself,
    )


def _check_options(options: Mapping[str, Any], target: Any) -> None:
    _, _, *known = inspect.signature(_make).parameters  # all but the target and the names
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise DefinitionError(f"@agent has no option {name!r}; {hint}", place_of(target))


def _strategy(retry: RetryStrategy | str | None, where: str) -> RetryStrategy | None:
    try:
        return None if retry is None else strategy(retry)
    except ConfigError as error:
        raise DefinitionError(str(error), where) from error


def _handler(target: Any) -> Callable[..., Any]:
    """The function of a handler given as function, class or instance."""
    if inspect.isclass(target):
        try:
            target = target()
        except TypeError as error:
            raise DefinitionError(
                f"the class cannot be made without arguments ({error}); "
                "pass an instance instead: agent(...)(MyAgent(...))",
                place_of(target.__init__),
            ) from error
    method = getattr(target, "process_message", None)
    if callable(method):
        return method  # type: ignore[no-any-return]
    if callable(target):
        return target  # type: ignore[no-any-return]
    raise DefinitionError(f"{target!r} is neither callable nor has a process_message method", None)


def _default_name(target: Any) -> str:
    return str(getattr(target, "__name__", type(target).__name__))


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str) or not name or name != name.strip():
        raise DefinitionError(f"an agent's name must be a non-empty text, not {name!r}", where)
    return name


def _channels(declared: Any, option: str, where: str) -> tuple[str, ...]:
    names = _listed(declared, option, where)
    for each in names:
        if each in ("", ANY) or type(each) is not str:
            raise DefinitionError(f"{option}= names channels, and {each!r} is not a name", where)
    return tuple(dict.fromkeys(names))


def _listed(declared: Any, option: str, where: str) -> tuple[Any, ...]:
    """One name or several, as a tuple."""
    if isinstance(declared, str):
        return (declared,)
    if isinstance(declared, Iterable):
        return tuple(declared)
    raise DefinitionError(f"{option}= takes a channel or a list of them, not {declared!r}", where)


def _at_least(least: int, where: str, **options: object) -> None:
    for option, value in options.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise DefinitionError(
                f"{option} must be a whole number of at least {least}, not {value!r}", where
            )


def _one_of(kind: Any, value: Any, option: str, where: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(repr(each.value) for each in kind)
        raise DefinitionError(f"{option} must be one of {names}, not {value!r}", where) from None


def _input(
    plan: CallPlan, declared: SchemaLike | None
) -> tuple[Schema | None, Callable[[Any], Any] | None]:
    """The input schema (the declared one, or the annotation's) and the builder of its type."""
    derived = None
    if plan.payload is not inspect.Parameter.empty:
        derived = derive(plan.payload, plan.where)
    build = derived.build if derived else None
    if declared is not None:
        return schema(declared, plan.where), build
    if derived is None or derived.schema is True:
        return None, build
    return schema(derived.schema, plan.where), build


def _outputs(
    plan: CallPlan, publish: Publishes, declared: SchemaLike | None, returned: Derived | None
) -> dict[str, Schema | None]:
    """The channels an agent publishes on, with the schema of each."""
    if isinstance(publish, Mapping):
        if declared is not None:
            raise DefinitionError(
                "output_schema= and a mapping in publish= say the same thing twice; keep one",
                plan.where,
            )
        names = _channels(publish, "publish", plan.where)
        return {
            name: None if publish[name] is None else schema(publish[name], plan.where)  # type: ignore[arg-type]
            for name in names
        }
    listed = () if publish is None else _listed(publish, "publish", plan.where)
    names = _channels([each for each in listed if each != ANY], "publish", plan.where)
    if declared is not None:
        one = schema(declared, plan.where)
        return dict.fromkeys(names, one)
    if len(names) != 1:
        return dict.fromkeys(names)
    if returned is None or returned.schema is True:
        return {names[0]: None}
    return {names[0]: schema(returned.schema, plan.where)}


def _returned(plan: CallPlan, each: bool) -> Derived | None:
    """What the return annotation says of one published value; None if it says nothing."""
    annotation = plan.returns
    if annotation is inspect.Parameter.empty or annotation in (None, type(None), Any):
        return None
    if each or plan.kind.streams:
        annotation = element(annotation)
        if annotation is None:
            return None
    return derive(annotation, plan.where, mode="serialization")
