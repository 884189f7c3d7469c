"""Forks of stored runs: made by whoever owns the store, or else here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from dagger.cli.exits import Refused
from dagger.cli.payloads import read_payload
from dagger.cli.sending import send
from dagger.cli.stored import ALL, stored_run
from dagger.cli.stores import number_of, opened
from dagger.cli.visiting import visiting
from dagger.executor.forking import Fork, part_of
from dagger.executor.letters import UNCHANGED
from dagger.state.tree import Names
from dagger.words.errors import LockError
from dagger.words.ids import new_id
from dagger.words.payload import decode, encode

if TYPE_CHECKING:
    from dagger.state.run import Run
    from dagger.store.reader import StoreReader


def read(run_id: str, at: str, given: str | None, frontier: bool, name: str | None) -> Fork:
    """The fork that is asked for on a command line. Raises Refused, SerializationError."""
    payload = None if given is None else encode(read_payload(given, "--payload"))
    return Fork(run_id, at, name or new_id(), payload, frontier)


def fork(store: Path, wanted: Fork, *, here: bool = False) -> Run:
    """Make a fork and tell how it stands: without an owner of the store it is left open.

    Raises Refused and ExecutionError for what cannot be forked so, StoreTrouble where the
    owner does not do it, DatabaseError; and LockError if there is one and it is to be made
    `here`.
    """
    with opened(store) as reader:
        _check(reader, wanted)
        owned = reader.owner() is not None
    if here or not owned:
        owned = not _made_here(store, wanted, here)
    with opened(store) as reader:
        if owned:
            anyio.run(_ask, reader, wanted)
        return stored_run(reader, wanted.id)


def _check(reader: StoreReader, wanted: Fork) -> None:
    """Find out here what the owner would have against it, as far as the store says so."""
    with reader.still():
        if reader.find(wanted.id) is not None:
            raise Refused(f"run id {wanted.id!r} is taken; a fork is a new run")
        part_of(reader, number_of(reader, wanted.parent), ALL, Names(), wanted, time.time())


def _made_here(store: Path, wanted: Fork, here: bool) -> bool:
    """Open the store and do it; False if somebody else has come to own it, who may do it."""

    async def main() -> None:
        payload = UNCHANGED if wanted.payload is None else decode(wanted.payload)
        async with visiting(store) as executor:
            await executor.fork(
                wanted.parent,
                wanted.at,
                payload=payload,
                frontier=wanted.frontier,
                run_id=wanted.id,
            )

    try:
        anyio.run(main)
    except LockError:
        if here:
            raise
        return False
    return True


async def _ask(reader: StoreReader, wanted: Fork) -> None:
    fields: dict[str, Any] = {"at": wanted.at, "id": wanted.id, "frontier": wanted.frontier}
    if wanted.payload is not None:
        fields["payload"] = decode(wanted.payload)
    await send(reader, "fork", wanted.parent, fields)
