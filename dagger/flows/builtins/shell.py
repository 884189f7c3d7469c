"""`shell`: a program, and what it wrote."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from dagger.flows.builtins.texts import Malformed, encoded, entries, in_words, named
from dagger.words.errors import ShellFailed

MAX_OUTPUT = 1024 * 1024
"""Bytes that a program may write to stdout, and to stderr."""

PATIENCE = 5.0
"""Seconds for the system to take a process away that has been killed."""

_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError)


async def shell(
    *,
    command: Sequence[Any] | str,
    cwd: str | None = None,
    env: Mapping[str, Any] | None = None,
    input: str | None = None,
) -> dict[str, Any]:
    """Run a program to its end, and give `code`, which is 0, `stdout` and `stderr`.

    A list of words is a program and its arguments, and no shell sees them; a text is a line for
    the shell of the system. It runs in `cwd` with the environment of this process and `env`, and
    reads `input`, or nothing. It has ended when it has exited and nobody holds its output open.

    What is cancelled is killed together with all that it has started, but for what has left its
    process group (`setsid`); on Windows it is killed alone.

    Raises ShellFailed for another exit code than 0, for output of more than 1 MiB, and for what
    cannot be started.
    """
    program = _program(command, cwd, env, input)
    process = await _started(program)
    stdout, stderr = Output(), Output()
    try:
        code = await _talked(process, program.reads or b"", stdout, stderr)
    except BaseException:
        await _kill(process)
        raise
    if code is None:
        await _kill(process)
        problem = f"it wrote more than {MAX_OUTPUT} bytes; let it write to a file"
        raise ShellFailed(program.name, None, stderr.text(), problem)
    await process.aclose()
    if code != 0:
        raise ShellFailed(program.name, code, stderr.text())
    return {"code": code, "stdout": stdout.text(), "stderr": stderr.text()}


@dataclass(frozen=True, slots=True)
class Program:
    """What is run, in the words of the system."""

    name: str
    """As errors tell it."""
    words: list[str] | str
    cwd: str | None
    variables: Mapping[str, str]
    reads: bytes | None


class Output:
    """What a program writes to one of its streams, so far as there is room for it."""

    def __init__(self) -> None:
        self._taken = bytearray()

    async def take(self, stream: ByteReceiveStream) -> bool:
        """Take all of a stream. False, and it is not at its end, if that is too much."""
        with suppress(*_GONE):
            async for piece in stream:
                self._taken += piece
                if len(self._taken) > MAX_OUTPUT:
                    return False
        return True

    def text(self) -> str:
        """As UTF-8; what is none is replaced."""
        return self._taken.decode(errors="replace")


def _program(command: Any, cwd: Any, env: Any, data: Any) -> Program:
    """Raises ShellFailed for what cannot be said to a program."""
    name = _first_word(command)
    try:
        return Program(
            name=name,
            words=_words(command),
            cwd=_folder(cwd),
            variables=os.environ | _variables(env),
            reads=None if data is None else encoded("input", in_words("input", data)),
        )
    except Malformed as wrong:
        raise ShellFailed(name, None, "", f"not started: {wrong}") from None


def _words(command: Any) -> list[str] | str:
    if command is None or command in ("", []):
        raise Malformed("there is no command")
    if isinstance(command, str):
        return command
    if not isinstance(command, Sequence):
        kind = type(command).__name__
        raise Malformed(f"the command must be a list of words, or a text, not {kind}")
    return [in_words("an argument", each) for each in command]


def _folder(cwd: Any) -> str | None:
    if cwd is not None and not isinstance(cwd, str):
        raise Malformed(f"cwd must be a text, not {type(cwd).__name__}")
    return cwd


def _variables(env: Any) -> dict[str, str]:
    return {
        name: in_words(f"the variable {named(name)}", value)
        for name, value in entries("env", env)
        if value is not None
    }


async def _started(program: Program) -> Process:
    try:
        # Shielded, for a process that is being made could not be killed.
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                program.words,
                stdin=subprocess.DEVNULL if program.reads is None else subprocess.PIPE,
                cwd=program.cwd,
                env=program.variables,
                start_new_session=True,
            )
    except OSError as error:
        nowhere = program.cwd is not None and error.filename == program.cwd
        where = f", the folder {program.cwd!r}" if nowhere else ""
        problem = f"not started: {os.strerror(error.errno or 0)}{where}"
        raise ShellFailed(program.name, None, "", problem) from None
    except ValueError:
        problem = "not started: an argument or a variable has a character that none can have"
        raise ShellFailed(program.name, None, "", problem) from None
    return process


async def _talked(process: Process, data: bytes, stdout: Output, stderr: Output) -> int | None:
    """Its exit code, once it has read and written all; None as soon as that is too much."""
    assert process.stdout is not None
    assert process.stderr is not None
    whole = True

    async def take(output: Output, stream: ByteReceiveStream) -> None:
        nonlocal whole
        if not await output.take(stream):
            whole = False
            pipes.cancel_scope.cancel()

    # Three pipes at once, or who writes one and who reads another would wait for each other. No
    # task is left: the block ends with the pipes.
    async with anyio.create_task_group() as pipes:
        pipes.start_soon(take, stdout, process.stdout)
        pipes.start_soon(take, stderr, process.stderr)
        if process.stdin is not None:
            pipes.start_soon(_feed, process.stdin, data)
    return await process.wait() if whole else None


async def _feed(stream: ByteSendStream, data: bytes) -> None:
    """Say all, to whoever may have stopped listening."""
    with suppress(*_GONE):
        await stream.send(data)
    with suppress(*_GONE):
        await stream.aclose()


async def _kill(process: Process) -> None:
    """End it at once, with all that it has started; returns once it is gone."""
    with anyio.move_on_after(PATIENCE, shield=True):
        with suppress(ProcessLookupError, PermissionError):  # all have just ended
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()


def _first_word(command: Any) -> str:
    """The program. Of a line what comes behind the variables that it sets, which may be secret, if
    that is plainly the name of one.
    """
    if not isinstance(command, str):
        first = command[0] if isinstance(command, Sequence) and command else None
        return first if isinstance(first, str) else "?"
    try:
        words = shlex.split(command)
    except ValueError:
        return "sh"
    first = next((word for word in words if "=" not in word), "")
    return first if re.fullmatch(r"[\w./~+-]+", first) else "sh"
