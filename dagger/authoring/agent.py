"""An agent: a handler with all that is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dagger.authoring.origin import Origin
from dagger.authoring.placing import Importable
from dagger.authoring.publishing import refusal
from dagger.authoring.signature import CallPlan
from dagger.authoring.upcasting import Steps
from dagger.rules.schema import Schema
from dagger.words.errors import ValidationError
from dagger.words.joins import Join
from dagger.words.outcomes import OnFailure, Overflow
from dagger.words.payload import encoded
from dagger.words.policies import ConcurrencyKey, Debounce, RateLimit, Resources, Throttle
from dagger.words.strategy import RetryStrategy


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Agent:
    """A handler with a name, channels, schemas and policies. Data: it starts nothing.

    Calling it calls the handler, so that it can be tested as the function it is.
    """

    name: str
    """Its name, of which an executor has one."""
    description: str
    """What it is for, in words: its docstring, where nothing else is said."""
    handler: Callable[..., Any]
    """The function that is called, or the instance that is."""
    plan: CallPlan
    """What is known of the handler: its kind, what it asks for, and where it is."""
    subscribe: tuple[str, ...]
    """The channels it hears."""
    publish: Mapping[str, Schema | None]
    """The channels it publishes on, with the schema of each."""
    single: str | None
    """The channel that returned values go to; None unless it publishes on exactly one."""
    single_schema: Schema | None
    """The schema of that channel; None where there is none."""
    publish_any: bool
    """Whether it may publish on any channel (`publish="*"`)."""
    publish_each: bool
    """Whether a returned list is published item by item."""
    stream: bool
    """Whether what it yields is published at once, as items of a stream."""
    input: Schema | None
    """What payloads have to be; None where anything will do."""
    upcast: Steps | None
    """Makes messages of earlier versions into what the input schema says; None without."""
    build: Callable[[Any], Any] | None
    """Makes the annotated type of checked, decoded data; None where data is what it takes."""
    dump: Callable[[Any], Any] | None
    """Makes plain data of a returned value; None where it is plain already."""
    concurrency: int
    """How many of its invocations run at once."""
    retry: RetryStrategy | None
    """When a failed attempt is followed by another; None for what the settings say."""
    max_attempts: int | None
    """Attempts of one delivery at most; None for what the strategy says."""
    timeout: float | None
    """Seconds of running time that one attempt may take; None for no limit."""
    overflow: Overflow | None
    """What its queue does when it is full; None for what channel or settings say."""
    capacity: int | None
    """Pending deliveries of one run at most; None for what channel or settings say."""
    key: Callable[[Any], Any] | str | None
    """What is handled in order, one at a time: a field of the payload or a function of it."""
    idempotency_key: Callable[[Any], Any] | str | None
    """What is handled once: a field of the payload or a function of it."""
    on_failure: OnFailure
    """What a dead delivery does to its run."""
    hears_itself: bool
    """Whether it receives what it published itself."""
    cleans_up: bool
    """Whether its handler is told of being cancelled, and may clean up."""
    unload: bool
    """Whether its handler is let go of while it waits."""
    resources: Resources | None
    """What an invocation takes of the executor's pool; None for nothing."""
    priority: Callable[[Any], Any] | str | int
    """How urgent an invocation is: a number, a field of the payload or a function of it."""
    preemptible: bool
    """Whether its handler may be interrupted, and its delivery put back, for something urgent."""
    concurrency_key: tuple[ConcurrencyKey, ...]
    """How many run at once of what has the same key."""
    rate_limit: tuple[RateLimit, ...]
    """How many begin in a time."""
    debounce: Debounce | None
    """Has the last message of a burst handled; None where each is."""
    throttle: Throttle | None
    """Has one message in a time handled; None where each is."""
    process: Importable | None
    """Where a worker process finds its handler; None where it runs in this one."""
    join: Join | None
    """What it handles together; None for one message at a time."""
    parts: Mapping[str, Schema | None]
    """Of a join, what a payload of each channel has to be."""
    origin: Origin | None
    """What it was made from, where that is more than its handler; else None."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.handler(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<agent {self.name!r} {', '.join(self.subscribe)} -> {', '.join(self.publish)}>"

    @property
    def has_policies(self) -> bool:
        """Whether its invocations may have to wait for their turn."""
        limited = self.concurrency_key or self.rate_limit or self.resources is not None
        return bool(limited or self.preemptible or self.priority != 0)

    @property
    def where(self) -> str:
        """Where the handler is: "function (file:line)"."""
        return self.plan.where

    def refuses(self, channel: str, value: Any) -> ValidationError | None:
        """Why it does not take plain data that comes on a channel; None if it does, or may.

        Of a join that is the part of the channel; what `upcast` makes of older messages is
        not tried.
        """
        schema = self.input if self.join is None else self.parts.get(channel)
        if schema is None or self.upcast is not None or schema.is_valid(value):
            return None
        return refusal(schema.violation(value), value, self.name, channel, "input")

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
