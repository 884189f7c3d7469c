"""Kill the process that checks the catalog, again and again, and have the next one go on.

The process is a clerk: it reads months from stdin, checks each, and says on stdout what it is at.
It is killed with SIGKILL after any of these lines; then the next clerk gets the same month.
"""

import subprocess
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import NamedTuple

KILLS_A_MONTH = 2
"""A message under which the process died three times is given up, for it may be the reason."""

LINES = 40
"""About as many as a clerk says of one month."""


class Month(NamedTuple):
    """A month that was checked."""

    name: str
    status: str
    """How its run has ended."""
    kills: int


class Clerk:
    """A process that checks months."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def check(self, month: str, last: int | None = None) -> str:
        """How the run of a month has ended; "" if the clerk was killed, after `last` lines."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{month}\n")
        self._process.stdin.flush()
        for number, line in enumerate(self._process.stdout, start=1):
            if number == last:
                break
            if line.startswith("ended "):
                return line.removeprefix("ended ").strip()
        self.kill()
        return ""

    def kill(self) -> None:
        """SIGKILL: it gets no chance to put anything in order."""
        with self._process:
            self._process.kill()


def checked(command: list[str], kills: int, random: Random) -> Iterator[Month]:
    """Have months checked until clerks were killed so many times; `command` starts a clerk."""
    clerk, next_one = Clerk(command), Clerk(command)
    try:
        for month in months():
            killed = 0
            while not (status := clerk.check(month, _last(random, kills, killed))):
                clerk, next_one = next_one, Clerk(command)
                kills, killed = kills - 1, killed + 1
            yield Month(month, status, killed)
            if kills == 0:
                break
    finally:
        clerk.kill()
        next_one.kill()


def months() -> Iterator[str]:
    """From October 2025 on; what is before 2026 is in the archive of the service."""
    for number in count(2025 * 12 + 9):
        yield f"{number // 12}-{number % 12 + 1:02}"


def _last(random: Random, kills: int, killed: int) -> int | None:
    """The number of the line at which to kill; None where that is not to be."""
    return random.randint(1, LINES) if kills and killed < KILLS_A_MONTH else None
