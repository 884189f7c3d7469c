"""Commands and owners of stores as processes of their own, which are gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process: `-m dagger run ...`, or a program and its arguments."""
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Who runs the tests in the background has made its children deaf to SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """The next line that a process writes to stdout, or with --json to stderr."""
    assert process.stdout is not None
    return process.stdout.readline()


def tell(process: subprocess.Popen[str], line: str) -> None:
    """Write a line to the stdin of a process."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


OWNER = """
    import sys
    import anyio
    from dagger import Context, Executor, agent

    @agent(subscribe="numbers", publish="squares", max_attempts=2, retry="immediate")
    async def square(payload: int, ctx: Context) -> int:
        if payload == 7:
            raise ValueError("not seven")
        if payload == 8:
            ctx.log("eight!")
        if payload == 9:
            await anyio.sleep_forever()
        return payload * payload

    async def main(store):
        async with Executor([square], store=store) as executor:
            async with await executor.start("numbers", 1, run_id="mine") as run:
                print("ready", flush=True)
                while number := (await anyio.to_thread.run_sync(sys.stdin.readline)).strip():
                    await run.publish("numbers", int(number))
                    print("published", flush=True)

    anyio.run(main, sys.argv[1])
"""
"""Owns a store, and holds the run "mine" open; publishes each number it reads, until a blank."""


@contextmanager
def owning(store: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that owns a store, ready."""
    with running("-c", dedent(OWNER), str(store)) as process:
        assert said(process) == "ready\n"
        yield process
