"""Making an agent: from a handler and its options to all that an executor needs to know."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from dagger.authoring.agent import Agent
from dagger.authoring.joining import completed, part_schemas
from dagger.authoring.options import AgentOptions, Publishes, SchemaLike, check_options, policies
from dagger.authoring.placing import placed
from dagger.authoring.signature import CallPlan, make_plan, place_of
from dagger.authoring.upcasting import check_steps
from dagger.rules.derive import Derived, derive, element
from dagger.rules.schema import Schema, schema
from dagger.words.errors import DefinitionError
from dagger.words.joins import Join

ANY = "*"
"""publish="*": the agent may publish on any channel."""


class Processor(Protocol):
    """An object whose method is the handler."""

    @property
    def process_message(self) -> Callable[..., Any]: ...


Handler = Callable[..., Any] | Processor


def make(target: Handler, names: Mapping[str, Any], options: AgentOptions) -> Agent:
    """The agent of a handler; `names` are the local names its annotations may use.

    Raises DefinitionError or SchemaError, naming function, file and line.
    """
    check_options(options, AgentOptions.__annotations__, "@agent", place_of(target))
    handler = _handler(target)
    plan = make_plan(handler, names)
    each, publish = options.get("publish_each", False), options.get("publish")
    schema_in, build = _input(plan, options.get("input_schema"))
    returned = _returned(plan, each)
    outputs = _outputs(plan, publish, options.get("output_schema"), returned)
    single = next(iter(outputs)) if len(outputs) == 1 else None
    if each and single is None:
        raise DefinitionError(
            "publish_each=True needs publish= with exactly one channel", plan.where
        )
    if options.get("stream") is True:
        _check_stream(plan, single, each)
    if options.get("preemptible") is True and plan.kind.threaded:
        _check_preemptible(plan, options.get("run_in"))
    if options.get("output_schema") is not None and not outputs:
        raise DefinitionError(
            "output_schema= needs publish= with the channel it is for", plan.where
        )
    name, description = options.get("name"), options.get("description")
    join = _join(options, plan.where)
    return Agent(
        name=_name(_default_name(target) if name is None else name, plan.where),
        description=description if description is not None else inspect.getdoc(target) or "",
        handler=handler,
        plan=plan,
        subscribe=join.channels
        if join is not None
        else _channels(options.get("subscribe", ()), "subscribe", plan.where),
        join=join,
        parts=part_schemas(join, schema_in, plan.where) if join is not None else {},
        publish=MappingProxyType(outputs),
        single=single,
        single_schema=outputs[single] if single is not None else None,
        publish_any=publish == ANY or (isinstance(publish, (list, tuple)) and ANY in publish),
        publish_each=each,
        stream=options.get("stream", False),
        input=schema_in,
        upcast=check_steps(options.get("upcast"), schema_in, plan.where),
        build=build,
        dump=returned.build if returned else None,
        origin=None,
        process=placed(handler, plan, options.get("run_in")),
        **policies(options, plan.where),
    )


def _check_preemptible(plan: CallPlan, run_in: str | None) -> None:
    """Raise DefinitionError for a thread, which nobody can interrupt; a process can be killed."""
    if run_in != "process":
        problem = "a plain def runs in a thread, which nobody can interrupt"
        hint = 'preemptible=True needs an async def handler, or run_in="process"'
        raise DefinitionError(f"{hint}: {problem}", plan.where)


def _check_stream(plan: CallPlan, single: str | None, each: bool) -> None:
    """Raise DefinitionError unless there is something to stream, and one place for it."""
    if not plan.kind.streams:
        problem = "stream=True is for generators: yield the items, or await ctx.emit(channel, item)"
        raise DefinitionError(problem, plan.where)
    if single is None:
        problem = "stream=True needs publish= with exactly one channel, where the items go"
        raise DefinitionError(problem, plan.where)
    if each:
        problem = "stream=True and publish_each=True say two things of what comes out; keep one"
        raise DefinitionError(problem, plan.where)


def _join(options: AgentOptions, where: str) -> Join | None:
    """What the agent handles together, if it does."""
    subscribe, scope, by = (options.get(name) for name in ("subscribe", "scope", "by"))
    if not isinstance(subscribe, Join):
        if scope is not None or by is not None:
            raise DefinitionError("scope= and by= are for all_of, first_of, gather, batch", where)
        return None
    if options.get("upcast") is not None:
        raise DefinitionError("a join takes no upcast=; let an agent before it do that", where)
    _channels(subscribe.channels, "subscribe", where)
    return completed(subscribe, scope, by, where)


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
    hint = f"; did you mean @agent(subscribe={target!r})?" if isinstance(target, str) else ""
    problem = f"{target!r} is neither callable nor has a process_message method{hint}"
    raise DefinitionError(problem, None)


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
