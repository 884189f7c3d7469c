"""Commands for the process that owns a store: sent, and waited for until they are carried out."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from dagger.cli.exits import Refused, StoreTrouble
from dagger.state.loading import load_world
from dagger.state.state import State
from dagger.store.inbox import Command, LmdbInbox
from dagger.words.records import WIRING, CommandTaken

if TYPE_CHECKING:
    from dagger.store.reader import StoreReader

PATIENCE = 5.0
"""Seconds in which the owner of a store is to do what it is asked for."""

EVERY = 0.05
"""Seconds between two looks at whether it has."""


async def send(reader: StoreReader, verb: str, run_id: str, fields: dict[str, Any]) -> None:
    """Ask the owner for something, and return once it has done it.

    Raises Refused where it will not, StoreTrouble where it does nothing, and DatabaseError.
    """
    since = reader.position
    number = _post(reader.path, Command(verb, run_id, fields, time.time(), sender()))
    if not await soon(lambda: _taken(reader, number, since)):
        raise StoreTrouble(
            f"the owner of {reader.path} has not carried it out within {PATIENCE:g} s; it stays "
            "in the inbox for whoever has the store open next"
        )
    if refusal := _refusal(reader, number, since):
        raise Refused(refusal)


async def soon(happened: Callable[[], bool]) -> bool:
    """Whether it happens as long as one is ready to wait."""
    with anyio.move_on_after(PATIENCE):
        while not happened():  # noqa: ASYNC110  in another process, which sets no event here
            await anyio.sleep(EVERY)
        return True
    return False


def sender() -> str:
    """How the owner of a store names this process when it tells who asked."""
    return f"{os.getpid()}@{socket.gethostname()}"


def _post(store: Path, command: Command) -> int:
    inbox = LmdbInbox(store / "inbox")
    try:
        return inbox.post(command)
    finally:
        inbox.close()


def _refusal(reader: StoreReader, number: int, since: int) -> str:
    """Why a command was not carried out; "" if it was, as far as can be read."""
    with reader.still():
        found = (each for each in reader.read(since) if type(each) is CommandTaken)
        return next((each.refusal for each in found if each.number == number), "")


def _taken(reader: StoreReader, number: int, since: int) -> bool:
    """Whether a command has been carried out, by what was recorded behind a position."""
    with reader.still():
        state = State()
        if reader.saved() > since:
            load_world(state, reader.part(WIRING) or b"")
        taken = [each.number for each in reader.read(since) if type(each) is CommandTaken]
    return max([state.commands, *taken]) >= number
