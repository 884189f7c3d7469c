"""What coordinators know beside what every handler knows: of a flow, and of a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dagger.authoring.calls import Calls, CancelAsked
from dagger.authoring.context import Context
from dagger.state.run import Output
from dagger.words.effects import request_key
from dagger.words.errors import DaggerError
from dagger.words.payload import decode

UNFIT = "unfit"
"""The name of the step that keeps why what a run has come to could not be given."""


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

    def asked(self, calls: Calls) -> CancelAsked | None:
        """That it is to come to an end, unless it was `unfit` before that was said."""
        return None if self._is_unfit() else calls.asked()

    async def unfit(self, give: Callable[[], None]) -> str:
        """Why what it has come to cannot be given; "" where it can, and is held back then.

        That it cannot is kept: what is undone because of that stays undone, whatever the limits
        are after a restart.
        """
        problem = ""
        if not self._is_unfit():
            try:
                give()
            except DaggerError as error:
                problem = str(error)
            else:
                return ""

        async def said() -> str:
            return problem

        return str(await self.step(UNFIT, said, key=str(self.attempt)))

    def _is_unfit(self) -> bool:
        return (f"step:{UNFIT}", str(self.attempt)) in (self._invocation.delivery.kept or ())
