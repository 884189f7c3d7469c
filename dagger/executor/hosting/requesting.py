"""Requests: a message is published at once, and the reply of who hears it waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dagger.executor.hosting.keeping import Keeping
from dagger.executor.settle import may_publish
from dagger.words.errors import RequestFailed
from dagger.words.ids import REQUESTS
from dagger.words.payload import decode
from dagger.words.records import Requested

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.admission import Plan
    from dagger.executor.engine import Engine
    from dagger.words.effects import Publication


class Requesting:
    """The requests of all invocations of one executor."""

    def __init__(self, engine: Engine, keeping: Keeping) -> None:
        self._engine = engine
        self._keeping = keeping

    async def request(self, invocation: Invocation, key: str, publication: Publication) -> Any:
        if self._keeping.get(invocation, "requested", key) is None:
            if not self._engine.state.lane(invocation.run, publication.channel).routes:
                raise RequestFailed(publication.channel, "no agent subscribes to it")
            await self._ask_agents(invocation, key, publication)
        good, value = decode((await self._keeping.wait(invocation, "request", key)).value)
        if not good:
            raise RequestFailed(publication.channel, value)
        return value

    async def _ask_agents(self, invocation: Invocation, key: str, publication: Publication) -> None:
        """Publish a request at once, or as soon as there is room."""
        engine, run, delivery = self._engine, invocation.run, invocation.delivery

        def look() -> Plan:
            may_publish(run, 1)
            return engine.admit(run, (publication,), None)

        def enter(plan: Plan) -> None:
            asked = sum(1 for name, _ in delivery.kept or () if name in ("requested", "refused"))
            engine.commit(
                Requested(
                    run.number,
                    delivery.number,
                    key,
                    publication,
                    REQUESTS + asked,
                    plan.dropped,
                    plan.blame,
                    engine.now(),
                )
            )

        plan = look()
        if plan.full:
            with invocation.worker.blameless():
                await engine.admissions.wait(look, enter, invocation)
        else:
            enter(plan)
