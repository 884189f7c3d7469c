"""Telling what a run has come to, for those who coordinate it: as much as fits in a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from dagger.authoring.context import Context
from dagger.words.errors import ContextClosed, DaggerError, RunCancelled, SerializationError

Form = tuple[Mapping[str, Any], str]
"""The data of a report, and what is left out of it."""

TOO_LARGE = "the report of this run is too large for a message"


async def put_out(ctx: Context, channel: str, forms: Iterable[Form]) -> None:
    """Put out the first of some forms of a report that is not too large; what is left out of it is
    logged.

    That there is no report, since none fits or nobody takes it, is logged too: it decides nothing.
    """
    left_out = None
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
        _log(ctx, left_out)
        return
    if left_out is not None:
        ctx.log(f"{TOO_LARGE}, however short")


def hold_back(ctx: Context, channel: str, forms: Iterable[Form]) -> None:
    """The same as the handler returns, together with all else that it has held back."""
    left_out = None
    for data, left_out in forms:
        with suppress(SerializationError):
            ctx.publish(channel, data)
            _log(ctx, left_out)
            return
    if left_out is not None:
        ctx.log(f"{TOO_LARGE}, however short")


def _log(ctx: Context, left_out: str) -> None:
    if left_out:
        ctx.log(f"{TOO_LARGE}; left out: {left_out}")
