"""Telling what a run has come to, for those who coordinate it: as much as fits in a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dagger.authoring.context import Context
from dagger.words.errors import ContextClosed, DaggerError, RunCancelled, SerializationError


async def put_out(
    ctx: Context, channel: str, forms: Iterable[tuple[Mapping[str, Any], str]]
) -> None:
    """Put out the first of some forms of a report that is not too large; each comes with what is
    left out of it, which is logged.

    That there is no report, since none fits or nobody takes it, is logged too: it decides nothing.
    """
    for data, left_out in forms:
        try:
            await ctx.emit(channel, data)
        except SerializationError:
            continue
        except (RunCancelled, ContextClosed):
            raise
        except DaggerError as error:
            ctx.log(f"the report of this run could not be put out: {error}")
            return
        if left_out:
            ctx.log(f"the report of this run is too large for a message; left out: {left_out}")
        return
    ctx.log("the report of this run is too large for a message, however short")
