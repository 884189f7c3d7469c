"""Questions of a run, asked on the terminal that `dagger run` was started in."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import anyio
import click

from dagger.cli.people import described, meant
from dagger.words.errors import AnswerRefused, QuestionNotFound, RunClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from dagger.executor.live import LiveRun
    from dagger.views.questions import OpenQuestion

TICK = 1 / 8
"""Seconds between two looks at whether something was typed, or nothing need be any more."""


class Asker:
    """Puts questions, one after the other; the run goes on meanwhile.

    Lines are read in a thread of their own, which ends with the process: nobody can take a
    read back that waits for a person.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._reader: Thread | None = None

    @classmethod
    def here(cls) -> Asker | None:
        """One, if there is a person to ask: input and messages are those of a terminal."""
        return cls() if sys.stdin.isatty() and sys.stderr.isatty() else None

    async def ask(self, run: LiveRun, stopped: Callable[[], bool]) -> None:
        """Ask the oldest question of a run until it is answered, here or elsewhere."""
        question = run.questions[0]
        click.echo("\n".join(("", *described(question))), err=True)
        while question in run.questions:
            click.echo("> ", nl=False, err=True)
            line = await self._line(lambda: stopped() or question not in run.questions)
            if line is None:
                click.echo("" if stopped() else "(answered elsewhere)", err=True)
                return
            await _answer(run, question, line)

    async def _line(self, over: Callable[[], bool]) -> str | None:
        """What is typed next; None if it is of no use any more."""
        if self._reader is None or not self._reader.is_alive():
            self._reader = Thread(target=self._read, name="dagger terminal", daemon=True)
            self._reader.start()
        while not self._lines:
            if over():
                return None
            await anyio.sleep(TICK)
        return self._lines.popleft()

    def _read(self) -> None:
        line = sys.stdin.readline()
        if line:
            self._lines.append(line.rstrip("\r\n"))


async def _answer(run: LiveRun, question: OpenQuestion, line: str) -> None:
    """Take a line for an answer; an empty one for the default, if there is one."""
    value = question.default[0] if not line and question.default else meant(question, line)
    with suppress(QuestionNotFound, RunClosed):  # too late: it needs none any more
        try:
            await run.answer(question.id, value)
        except AnswerRefused as refused:
            click.echo(f"no: {refused.reason}", err=True)
