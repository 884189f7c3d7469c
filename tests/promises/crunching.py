"""Handlers for worker processes, which import this file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from dagger import Message, Resources, agent
from dagger.rules.retry import Immediate


class Slice(pydantic.BaseModel):
    """Some numbers."""

    first: int
    count: int


@dataclass
class Sum:
    """What they come to, and where that was found out."""

    total: int
    process: int


@dataclass
class Rooted:
    """What does not travel."""

    number: int

    def __reduce__(self) -> str:
        raise TypeError("it stays where it is")


NUMBERS: dict[str, int] = {}


class Odd(Exception):
    """An exception that cannot be made of its `args`."""

    def __init__(self, number: int, why: str) -> None:
        self.number = number
        super().__init__(f"{number} is odd: {why}")


@agent(subscribe="slices", publish="sums", run_in="process")
def add(payload: Slice, message: Message, channel: str, node_id: str) -> Sum:
    """Add up, and write whatever comes to mind to the standard output."""
    assert isinstance(message.payload, dict)
    assert (channel, node_id.partition(":")[0]) == ("slices", "add")
    print("to sys.stdout")
    os.write(1, b"to its descriptor\n")
    subprocess.run([sys.executable, "-S", "-c", "print(input())"], stderr=subprocess.DEVNULL)
    return Sum(sum(range(payload.first, payload.first + payload.count)), os.getpid())


@agent(subscribe="deaths", publish="lives", run_in="process", max_attempts=2, concurrency=2)
def die(payload: str) -> str:
    """Die of what is said there: always, or the first time."""
    if payload == "exit":
        os._exit(3)
    if not Path(payload).exists():
        Path(payload).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "lives"


@agent(subscribe="stuck", run_in="process", max_attempts=1)
def hang(payload: str) -> None:
    """Start a process, note who is there, and never end."""
    child = subprocess.Popen(["sleep", "1000"])
    Path(payload, "new").write_text(f"{os.getpid()} {child.pid}")
    Path(payload, "new").rename(Path(payload, "pids"))
    threading.Event().wait()


@agent(subscribe="long", run_in="process", preemptible=True, resources=Resources(gpu=1))
def give_way(payload: str) -> None:
    """Note who is there, and never end the first time."""
    pids = Path(payload, "pids")
    again = pids.exists()
    Path(payload, "new").write_text(f"{os.getpid()}")
    Path(payload, "new").rename(pids)
    if not again:
        threading.Event().wait()


@agent(subscribe="hurry", run_in="process", max_attempts=1, timeout=0.5)
def overdue(payload: Any) -> None:
    """Take longer than it may."""
    threading.Event().wait()


@agent(
    subscribe="errors",
    publish="fine",
    run_in="process",
    retry=Immediate(max_attempts=2, give_up_on=Odd),
)
def fail(payload: str) -> Any:
    """Fail in the way that is asked for."""
    match payload:
        case "odd":
            raise Odd(7, "it cannot be halved")
        case "cause":
            try:
                NUMBERS["seven"]
            except KeyError as error:
                raise ValueError("no seven") from error
        case "exit":
            sys.exit("enough")
        case "local":

            class LocalError(Exception):
                pass

            raise LocalError("nobody else knows it")
        case "result":
            return threading.Lock()
        case "schema":
            return {1: 2}


@agent(subscribe="roots", run_in="process", max_attempts=1)
def take_root(payload: Rooted) -> None:
    """Never called."""


@agent(subscribe="turns", publish="times", run_in="process", concurrency=4)
def take_turn(payload: Any) -> list[float]:
    """When it began and ended."""
    began = time.monotonic()
    time.sleep(0.01)
    return [began, time.monotonic()]
