"""Collecting: what a handler returns or yields, held back as effects of its invocation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dagger.authoring.publishing import addressed, publication
from dagger.words.effects import CLEANUP, Publication, Reply, is_cleanup, is_request
from dagger.words.errors import ExecutionError
from dagger.words.garbage import MANY, no_garbage
from dagger.words.message import Message
from dagger.words.replies import replied

if TYPE_CHECKING:
    from dagger.authoring.host import Host
    from dagger.authoring.invocation import Invocation


class Collecting:
    """What becomes of the values that handlers give, for all invocations of one host."""

    __slots__ = ("_channel_schemas", "_limit")

    def __init__(self, host: Host) -> None:
        self._limit = host.max_payload_bytes
        self._channel_schemas = host.channel_schemas

    def collect(self, invocation: Invocation, value: Any) -> None:
        """Hold back what the handler returned: a message, several, or the reply to a request
        that it has not replied to.
        """
        if _asked(invocation) and not _has_replied(invocation):
            invocation.effects.append(Reply(replied(value, invocation.node_id)))
        elif value is None:
            return
        elif not invocation.agent.publish_each:
            self.publish(invocation, value)
        elif type(value) is list and len(value) > MANY:
            with no_garbage():
                self._publish_each(invocation, value)
        else:
            self._publish_each(invocation, _items(invocation, value))

    def _publish_each(self, invocation: Invocation, items: Iterable[Any]) -> None:
        for item in items:
            self.publish(invocation, item)

    def publish(self, invocation: Invocation, value: Any) -> None:
        """Hold back one returned or yielded value, for the agent's only channel."""
        invocation.effects.append(self.made(invocation, value))
        invocation.seats += 1

    def made(self, invocation: Invocation, value: Any) -> Publication:
        """One returned or yielded value as a message on the agent's only channel."""
        agent = invocation.agent
        channel = agent.single
        if channel is None:
            where = "any channel" if agent.publish_any else f"{len(agent.publish) or 'no'} channels"
            raise ExecutionError(
                f"{invocation.node_id} returned a value, but publishes on {where}; "
                "use ctx.publish(channel, payload)"
            )
        if agent.dump is not None and type(value) is not dict:
            value = agent.dump(value)
        make = addressed if type(value) is Message else publication
        ready = make(
            channel,
            value,
            agent.single_schema,
            agent.name,
            self._limit,
            self._channel_schemas.get(channel),
        )
        request = invocation.publication
        if request.headers and is_cleanup(request):
            ready = ready._replace(headers=(*ready.headers, CLEANUP))
        return ready


def _asked(invocation: Invocation) -> bool:
    """Whether somebody waits for a reply to the message, or to another part of what it is with."""
    request, bond = invocation.publication, invocation.delivery.bond
    if request.headers and is_request(request):
        return True
    return bond is not None and any(is_request(x.envelope.publication) for x in bond.parts)


def _has_replied(invocation: Invocation) -> bool:
    return any(type(each) is Reply for each in invocation.effects)


def _items(invocation: Invocation, value: Any) -> Iterator[Any]:
    """What `publish_each` publishes of a returned value."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise ExecutionError(
            f"{invocation.node_id} returned a {type(value).__name__}, but publish_each=True "
            "publishes the items of a list"
        )
    return iter(value)
