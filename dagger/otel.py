"""Tracing with OpenTelemetry: a hook that makes spans of attempts and of messages.

    from dagger.otel import tracing

    Executor(agents, around_attempt=tracing())

It wants the extra `otel`, which is OpenTelemetry's API alone. Where the spans go is for the
program to say, as ever: it sets up a tracer provider of the SDK. Nothing else in Dagger
imports this.

Spans follow the semantic conventions for messaging. Each message has one of kind
PRODUCER, "send <channel>", and each attempt one of kind CONSUMER, "process <channel>". The
context of the first is in the headers of the message, and so on disk with it: the second is
its child and links to it, in each attempt, after a crash or a year.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import anyio

try:
    from opentelemetry import context as contexts
    from opentelemetry import propagate, trace
except ImportError as missing:
    raise ImportError(
        "dagger.otel wants OpenTelemetry's API: install dagger-runtime[otel]"
    ) from missing

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from dagger.authoring.hooks import Attempt

SYSTEM = "dagger"
"""The value of `messaging.system`, and the name of the tracer."""

_RUN = contexts.create_key("dagger-run")


def tracing(
    tracer_provider: trace.TracerProvider | None = None, *, error_messages: bool = False
) -> Tracing:
    """A hook for `Executor(..., around_attempt=)` that traces all that goes on in it.

    Without a `tracer_provider` it is the global one. Nothing of a payload is put into a span.
    Texts of errors may quote one, so that a failed span has the type of the error and the
    lines where it was raised; with `error_messages` it has the texts as well.
    """
    return Tracing(trace.get_tracer(SYSTEM, tracer_provider=tracer_provider), error_messages)


class Tracing:
    """What `tracing()` returns: an AroundAttempt, and Outgoing."""

    def __init__(self, tracer: trace.Tracer, error_messages: bool) -> None:
        self._tracer = tracer
        self._error_messages = error_messages

    async def __call__(self, attempt: Attempt, handler: Callable[[], Awaitable[Any]]) -> None:
        """Have the handler called within a span that goes on with the trace of its message."""
        senders = list(_senders(attempt.headers))
        parent = contexts.set_value(_RUN, attempt.run_id, _parent(senders))
        span = self._tracer.start_span(
            f"process {attempt.channel}",
            context=parent,
            kind=trace.SpanKind.CONSUMER,
            attributes=_described(attempt),
            links=[trace.Link(trace.get_current_span(each).get_span_context()) for each in senders],
        )
        token = contexts.attach(trace.set_span_in_context(span, parent))
        try:
            await handler()
        except BaseException as error:
            self._tell(span, error)
            raise
        finally:
            contexts.detach(token)
            span.end()

    def outgoing(self, channel: str) -> Mapping[str, str]:
        """The context of a new span of the message, a child of the current one."""
        attributes = _operation("send", channel)
        run_id = contexts.get_value(_RUN)
        if run_id is not None:
            attributes["messaging.message.conversation_id"] = run_id
        span = self._tracer.start_span(
            f"send {channel}", kind=trace.SpanKind.PRODUCER, attributes=attributes
        )
        headers: dict[str, str] = {}
        propagate.inject(headers, trace.set_span_in_context(span))
        span.end()
        return headers

    def _tell(self, span: trace.Span, error: BaseException) -> None:
        """A span has failed."""
        if isinstance(error, anyio.get_cancelled_exc_class()):
            span.set_attribute("error.type", "cancelled")
            span.set_status(trace.StatusCode.ERROR)
        if not isinstance(error, Exception):
            return  # nothing has failed: the handler was unloaded, say
        kind = _name(type(error))
        span.set_attribute("error.type", kind)
        if self._error_messages:
            span.record_exception(error)
            span.set_status(trace.StatusCode.ERROR, f"{kind}: {error}")
        else:
            lines = "".join(traceback.format_tb(error.__traceback__))
            span.add_event("exception", {"exception.type": kind, "exception.stacktrace": lines})
            span.set_status(trace.StatusCode.ERROR, kind)


def _senders(headers: Iterable[Mapping[str, str]]) -> Iterable[Context]:
    """What the messages say of who sent them; those that say nothing are left out.

    The current context is none of it: it is that of whoever happened to wake the worker.
    """
    for each in headers:
        found = propagate.extract(each, contexts.Context())
        if trace.get_current_span(found).get_span_context().is_valid:
            yield found


def _parent(senders: list[Context]) -> Context:
    """The context that an attempt goes on with.

    Of a join it is that of the last part, which made it whole, if all are of one trace. The
    conventions have a parent for single messages alone; but the parts of a run are of one
    trace, which should not end where they meet.
    """
    traces = {trace.get_current_span(each).get_span_context().trace_id for each in senders}
    return senders[-1] if len(traces) == 1 else contexts.Context()


def _operation(name: str, channel: str) -> dict[str, Any]:
    """What the conventions want of every span."""
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.type": name,
        "messaging.operation.name": name,
        "messaging.destination.name": channel,
    }


def _described(attempt: Attempt) -> dict[str, Any]:
    """The attributes of an attempt. The workers of an agent are what others call a group."""
    attributes = _operation("process", attempt.channel) | {
        "messaging.consumer.group.name": attempt.agent,
        "messaging.message.id": attempt.message_id,
        "messaging.message.conversation_id": attempt.run_id,
        "messaging.dagger.node.id": attempt.node_id,
        "messaging.dagger.attempt": attempt.number,
        "messaging.dagger.reexecution": attempt.reexecution,
    }
    parts = len(attempt.headers)
    if parts > 1:
        attributes["messaging.batch.message_count"] = parts
    return attributes


def _name(kind: type[BaseException]) -> str:
    """A class by its full name, as the conventions have it."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
