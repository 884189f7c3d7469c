"""The executor as a handler sees it: `publish` and lists, bound to its invocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

from dagger.authoring.publishing import Sending
from dagger.words.errors import ExecutionError

if TYPE_CHECKING:
    from dagger.authoring.cache import CacheView
    from dagger.authoring.invocation import Invocation


class ExecutorView:
    """What a handler is given as `executor`: the same executor, bound to its invocation."""

    __slots__ = ("_invocation",)

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation

    async def publish(
        self,
        channel: str,
        payload: Any,
        *,
        key: str | None = None,
        task: str | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **sending: Unpack[Sending],
    ) -> str:
        """The same as `ctx.publish`: held back until the handler returns."""
        return self._invocation.context.publish(
            channel, payload, key=key, task=task, headers=headers, **sending
        )

    @property
    def shared(self) -> CacheView:
        """The cache across runs: `ctx.shared`."""
        return self._invocation.context.shared

    def list_agents(self) -> Sequence[Any]:
        """The same as outside: the agents as they are now."""
        return self._invocation.host.agents()

    def list_channels(self) -> Sequence[Any]:
        """The same as outside: the channels as they are now."""
        return self._invocation.host.channels()

    async def run(self, *_: Any, **__: Any) -> NoReturn:
        """Not from inside a handler."""
        self._refuse("run")

    async def drain(self, *_: Any, **__: Any) -> NoReturn:
        """Not from inside a handler."""
        self._refuse("drain")

    async def stop(self, *_: Any, **__: Any) -> NoReturn:
        """Not from inside a handler."""
        self._refuse("stop")

    def _refuse(self, call: str) -> NoReturn:
        raise ExecutionError(
            f"{self._invocation.node_id} called executor.{call}() from inside a handler, which "
            "would wait for itself; publish instead, or call it from outside"
        )
