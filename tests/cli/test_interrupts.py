"""Ctrl-C and SIGTERM: the first stops cleanly, the second kills."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from textwrap import dedent

import pytest

from dagger.cli.interrupts import SIGNALS, Interrupts
from dagger.store.hands import open_hands
from tests.cli.processes import running, said
from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")

SLEEPER = """
    import anyio
    from dagger import agent

    @agent(subscribe="start")
    async def sleep(payload):
        try:
            print("asleep", flush=True)
            await anyio.sleep_forever()
        finally:
            print("cleaned up", flush=True)
"""
HOG = """
    from dagger import agent

    @agent(subscribe="start")
    async def hog(payload):
        print("busy", flush=True)
        while True:
            pass
"""
IMPORTING = """
    import time
    print("importing", flush=True)
    time.sleep(600)
"""


def run(tmp_path: Path, source: str, *more: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """`dagger run` of a file."""
    path = tmp_path / "flow.py"
    path.write_text(dedent(source))
    return running("-m", "dagger", "run", str(path), *more)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_stops_cleanly(tmp_path: Path, name: str) -> None:
    """The run is cancelled and awaited, its report printed, and the exit code is 130."""
    with run(tmp_path, SLEEPER) as process:
        assert said(process) == "asleep\n"
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert out.startswith("cleaned up\nrun ")
    assert f"  interrupted by {name}\n" in out
    assert "1 delivery = 1 cancelled" in out
    assert err.startswith("stopping; a second Ctrl-C kills\n")
    assert "Traceback" not in err


def test_a_second_interrupt_kills(tmp_path: Path) -> None:
    """An agent that keeps the event loop to itself cannot keep the process alive."""
    with run(tmp_path, HOG) as process:
        assert said(process) == "busy\n"
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 130


def test_no_handler_is_blamed_for_a_second_interrupt(tmp_path: Path) -> None:
    """It is a person who ends the process: nothing is left behind as in hand."""
    store = tmp_path / "store"
    with run(tmp_path, HOG, "--store", str(store)) as process:
        assert said(process) == "busy\n"
        assert open_hands(store / "hands").left_behind()
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
    assert not open_hands(store / "hands").left_behind()


def test_an_interrupt_of_the_import_ends_it(tmp_path: Path) -> None:
    """Before there is a run, an interrupt ends the command at once, without a traceback."""
    with run(tmp_path, IMPORTING) as process:
        assert said(process) == "importing\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == ("", "")
    assert process.returncode == 130


def test_signals_are_given_back() -> None:
    """Outside of a run, and after it, signals do what they did before."""
    before = [signal.getsignal(each) for each in SIGNALS]
    with Interrupts() as interrupts:
        assert interrupts.signal == ""
        signal.raise_signal(signal.SIGTERM)
        assert interrupts.signal == "SIGTERM"
    assert [signal.getsignal(each) for each in SIGNALS] == before
