"""One agent handling one delivery: the value that goes through the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagger.authoring.cache import CacheView
from dagger.authoring.context import Context
from dagger.authoring.joining import whole
from dagger.authoring.view import ExecutorView
from dagger.words.ids import message_id, node_id
from dagger.words.message import Message
from dagger.words.payload import decode
from dagger.words.streams import item_of

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.host import Host, Parking
    from dagger.state.queues import Delivery
    from dagger.state.run import Run


class Invocation:
    """Everything about one attempt at one delivery, and the effects it holds back.

    The properties are what a handler may ask for (see `signature.PARAMETERS`); each
    is made when it is first asked for, so that a handler pays for what it names.
    """

    __slots__ = (
        "_context",
        "agent",
        "attempt",
        "closed",
        "data",
        "delivery",
        "effects",
        "emitted",
        "payload",
        "publication",
        "run",
        "seats",
        "started",
        "worker",
    )

    def __init__(
        self,
        agent: Agent,
        delivery: Delivery,
        run: Run,
        worker: Parking,
        started: float,
    ) -> None:
        self.agent = agent
        self.delivery = delivery
        self.run = run
        self.worker = worker
        self.publication = publication = delivery.envelope.publication
        # Plain, for this invocation alone.
        join = agent.join
        self.data = data = decode(publication.payload) if join is None else whole(delivery, join)
        self.payload: Any = data  # as the handler's annotation wants it
        self.started = started
        self.attempt = delivery.attempts + 1
        self.effects: list[Any] = []
        self.closed = False  # from here on nothing it does can take effect
        self.seats = 0  # messages it has published so far, for their places
        self.emitted = 0  # items of its stream that this attempt has said so far
        self._context: Context | None = None

    @property
    def host(self) -> Host:
        """What the executor does for it while it runs."""
        return self.worker.host

    @property
    def message(self) -> Message:
        """The message, with a payload of the handler's own."""
        envelope = self.delivery.envelope
        publication, run_id = envelope.publication, self.run.id
        publisher = node_id(envelope.agent, run_id, envelope.parent) if envelope.parent else ""
        return Message(
            payload=self.data,
            source=publication.source or publisher,
            channel=publication.channel,
            id=self.message_id,
            timestamp=envelope.at,
            run_id=run_id,
            parent_id=(
                message_id(run_id, *envelope.cause)
                if isinstance(envelope.cause, tuple)
                else envelope.cause
            ),
            task_id=publication.task_id,
            key=publication.key,
            headers=dict(publication.headers),
            stream=item_of(publication, publisher) if publication.headers else None,
        )

    @property
    def message_id(self) -> str:
        envelope = self.delivery.envelope
        return envelope.publication.id or message_id(self.run.id, envelope.parent, envelope.place)

    @property
    def context(self) -> Context:
        if self._context is None:
            origin = self.agent.origin
            own = None if origin is None else origin.context(self)
            self._context = Context(self) if own is None else own
        return self._context

    @property
    def channel(self) -> str:
        return self.delivery.envelope.publication.channel

    @property
    def node_id(self) -> str:
        return node_id(self.agent.name, self.run.id, self.delivery.number)

    @property
    def cache(self) -> CacheView:
        return self.context.cache

    @property
    def executor(self) -> ExecutorView:
        return ExecutorView(self)
