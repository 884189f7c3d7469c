"""What coordinators know beside what every handler knows: of a flow, and of a graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dagger.authoring.context import Context
from dagger.state.run import Output
from dagger.words.effects import request_key
from dagger.words.payload import decode


class CoordinatorContext(Context):
    """The context of a coordinator."""

    __slots__ = ()

    @property
    def step_key(self) -> str:
        """Of a flow within another: what its step, or the item of it, is told by."""
        return request_key(self._invocation.publication)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What has come out of the run so far."""
        return self._invocation.run.kept_outputs()

    def said_on(self, channel: str) -> Iterator[Any]:
        """What has come of this handler on a channel."""
        number = self._invocation.delivery.number
        for each in self.outputs:
            if each.channel == channel and each.parent == number:
                yield decode(each.payload)

    def has_kept(self, step: str, key: str) -> bool:
        """Whether the result of a step of this handler is kept."""
        return (f"step:{step}", key) in (self._invocation.delivery.kept or ())
