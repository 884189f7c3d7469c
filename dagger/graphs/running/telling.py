"""What a machine is told of the replies to what it wanted: while its run goes on, and again when it
is looked at later.
"""

from __future__ import annotations

from typing import Any

from dagger.graphs.commands import Command, Path
from dagger.graphs.machine import Machine
from dagger.graphs.outcome import Outcome
from dagger.words.errors import DaggerError, RequestDropped, RequestRefused, ResponderFailed

UNDO = "undo:"
"""What keys of undoing begin with."""


def tell(machine: Machine, key: str, value: Any, error: DaggerError | None) -> list[Command]:
    """What the machine wants after the reply to the request of a key: a value, or else an error."""
    path = path_of(key.removeprefix(UNDO))
    if key.startswith(UNDO):
        return machine.undone(path, "" if error is None else _sentence(error), machine.now)
    if isinstance(error, RequestDropped) and error.disposition == "cancelled":
        return machine.stopped(path, machine.now)
    if error is not None:
        return machine.failed(path, error_of(error), machine.now)
    at = max(machine.now, value["at"])
    if "woken" in value:
        return machine.woken(path, at)
    return machine.done(path, Outcome.of(value), at)


def key_of(path: Path) -> str:
    """What an execution is told by: "3", and "3.7" in a graph within."""
    return ".".join(map(str, path))


def path_of(key: str) -> Path:
    """The path that a key is of."""
    return tuple(int(each) for each in key.split("."))


def error_of(error: DaggerError) -> dict[str, str]:
    """Why a node has failed: of what was raised where it ran, if it was there."""
    if isinstance(error, ResponderFailed | RequestRefused):
        return {"type": error.failure.type, "message": error.failure.message}
    return {"type": type(error).__name__, "message": str(error)}


def _sentence(error: DaggerError) -> str:
    told = error_of(error)
    return f"{told['type']}: {told['message']}"
