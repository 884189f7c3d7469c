"""Dead letters of stored runs are redriven: by whoever owns the store, or else here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from dagger.cli.payloads import read_payload
from dagger.cli.sending import send
from dagger.cli.stored import stored_run, stored_runs, told
from dagger.cli.stores import opened
from dagger.cli.visiting import visiting
from dagger.executor.letters import UNCHANGED
from dagger.views.letters import dead_letter
from dagger.words.errors import LetterNotFound, LockError
from dagger.words.ids import new_id

if TYPE_CHECKING:
    from dagger.state.run import Run
    from dagger.store.reader import StoreReader


def redrive(store: Path, node: str, given: str | None) -> str:
    """Have it done; which run handles it, and how that stands.

    Raises LetterNotFound, Refused and ExecutionError for what cannot be redriven,
    StoreTrouble where the owner does not do it, DatabaseError.
    """
    payload = UNCHANGED if given is None else read_payload(given, "--payload")
    with opened(store) as reader, reader.still():
        run = _found(reader, node)
        owned = reader.owner() is not None
    fork = new_id()
    if owned or not _done_here(store, node, payload, fork):
        with opened(store) as reader:
            anyio.run(_ask, reader, node, payload, fork)
    with opened(store) as reader:
        return told(stored_run(reader, run.id if run.ended_at is None else fork), store)


def _found(reader: StoreReader, node: str) -> Run:
    """The run of that dead letter."""
    known = []
    for run in stored_runs(reader):
        for each in run.dead_letters or ():
            letter = dead_letter(run.id, each)
            if node in (letter.node_id, letter.id):
                return run
            known.append(letter.node_id)
    raise LetterNotFound(node, tuple(known))


def _done_here(store: Path, node: str, payload: Any, fork: str) -> bool:
    """Open the store and do it; False if somebody else has come to own it, who may do it."""

    async def main() -> None:
        async with visiting(store) as executor:
            await executor.dead_letters.redrive(node, payload=payload, run_id=fork)

    try:
        anyio.run(main)
    except LockError:
        return False
    return True


async def _ask(reader: StoreReader, node: str, payload: Any, fork: str) -> None:
    fields: dict[str, Any] = {"node": node, "id": fork}
    if payload is not UNCHANGED:
        fields["payload"] = payload
    await send(reader, "redrive", "", fields)
