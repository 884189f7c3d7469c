"""Streams: each item is published at once, and by no attempt twice.

said before?  ── yes ──>  its id
│ no
v
published, as soon as there is room  ──>  its id, and the others have their turn
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import anyio.lowlevel

from dagger.authoring.reserving import inside
from dagger.executor.hosting.keeping import fence
from dagger.state.streams import Meaning, Stream
from dagger.words.errors import StreamDiffers
from dagger.words.ids import message_id
from dagger.words.payload import canonical
from dagger.words.records import Streamed
from dagger.words.streams import as_item

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.admission import Plan
    from dagger.executor.engine import Engine
    from dagger.words.effects import Publication

_EMPTY = Stream()


class Streaming:
    """The streams of all invocations of one executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def emit(self, invocation: Invocation, ready: Publication) -> str:
        """The next item of an invocation's stream, published unless it was; its id."""
        digest = digest_of(ready)
        stream = invocation.delivery.stream
        if stream is None:
            stream = _EMPTY
        index = invocation.emitted
        match stream.look(invocation.attempt, index, digest):
            case Meaning.SAID:
                place = stream.place(index)
                invocation.emitted += 1
            case Meaning.DIFFERS:
                kept = stream.digest(index).hex()
                raise StreamDiffers(
                    invocation.node_id, invocation.attempt, index, kept, digest.hex()
                )
            case found:
                place = stream.next
                if self._engine.stamp is not None:
                    ready = self._engine.stamp(ready, invocation.publication.headers)
                item = as_item(ready, invocation.attempt, index, found is Meaning.ANEW)
                await self._publish(invocation, item, digest, place, found is Meaning.ANEW)
        await anyio.lowlevel.checkpoint()
        return message_id(invocation.run.id, invocation.delivery.number, place)

    async def _publish(
        self, invocation: Invocation, item: Publication, digest: bytes, place: int, anew: bool
    ) -> None:
        """Publish it now, or as soon as there is room."""
        engine, run = self._engine, invocation.run

        block = inside(invocation)

        def look() -> Plan:
            fence(invocation)
            if not invocation.agent.cleans_up:  # it says what it has come to, in any case
                engine.budgets.may_publish(run, invocation, block)
            return engine.admit(run, (item,), invocation.worker.crew.subscriber)

        def enter(plan: Plan) -> None:
            number, attempt = invocation.delivery.number, invocation.attempt
            fields = (run.number, number, attempt, invocation.emitted, digest, item, place, anew)
            engine.commit(Streamed(*fields, plan.dropped, plan.blame, engine.now()))
            invocation.emitted += 1  # with it, whoever cancels meanwhile
            engine.cleanup.turn_away(run)
            if block is not None:
                block.publish()

        await engine.admissions.enter(look, enter, invocation)


def digest_of(ready: Publication) -> bytes:
    """8 bytes that are the same for the same message, in every process."""
    found = blake2b(canonical(ready.payload).encode(), digest_size=8)
    found.update(repr((ready.channel, ready.key, ready.headers)).encode())
    return found.digest()
