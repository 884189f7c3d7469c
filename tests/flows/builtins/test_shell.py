"""`shell`: programs that end, fail, write too much, and are cancelled."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger.flows.builtins import shell as module
from dagger.flows.builtins.shell import shell
from dagger.words.errors import ShellFailed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its programs are those of POSIX")


async def failure(**arguments: Any) -> ShellFailed:
    """The error of a program."""
    with pytest.raises(ShellFailed) as raised:
        await shell(**arguments)
    return raised.value


async def line(path: Path) -> str:
    """The first line of a file, once it is there."""
    while not (path.exists() and path.read_text().endswith("\n")):  # noqa: ASYNC110, ASYNC240
        await anyio.sleep(0.002)
    return path.read_text().strip()  # noqa: ASYNC240


async def gone(pid: int) -> None:
    """Until a process has ended; it may be that nobody has asked how."""
    while alive(pid):  # noqa: ASYNC110
        await anyio.sleep(0.002)


def alive(pid: int) -> bool:
    """Whether a process has not ended yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


async def test_a_list_needs_no_shell() -> None:
    """The words of a list are arguments as they are; numbers are words, too."""
    told = await shell(command=["printf", "%s|", "$HOME; *", 3])
    assert told == {"code": 0, "stdout": "$HOME; *|3|", "stderr": ""}


async def test_a_line_is_for_the_shell() -> None:
    """A text is read by a shell."""
    told = await shell(command="printf out; printf err >&2")
    assert told == {"code": 0, "stdout": "out", "stderr": "err"}


async def test_it_runs_where_and_with_what_is_said(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folder, environment and input are those of the step; what it does not say stays."""
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("CHANGED", "old")
    told = await shell(
        command='pwd; echo "$KEPT $CHANGED $COUNT"; cat',
        cwd=str(memory_path),
        env={"CHANGED": "new", "COUNT": 3, "NONE": None},
        input="é",
    )
    assert told["stdout"] == f"{memory_path}\nkept new 3\né"


async def test_without_input_there_is_none() -> None:
    """Who reads is at the end at once."""
    assert (await shell(command=["cat"]))["stdout"] == ""


async def test_input_need_not_be_read() -> None:
    """A program that does not listen is not an error, however much it is told."""
    assert (await shell(command=["true"], input="x" * 300_000))["code"] == 0


async def test_much_may_go_in_and_out_at_once() -> None:
    """Nobody waits for anybody who writes while he is written to."""
    told = await shell(command="tee /dev/stderr", input="x" * 500_000)
    assert (len(told["stdout"]), len(told["stderr"])) == (500_000, 500_000)


async def test_what_is_no_text_is_replaced() -> None:
    """Output is text, whatever was written."""
    assert (await shell(command=r"printf '\377a'"))["stdout"] == "\ufffda"


async def test_another_exit_code_is_an_error() -> None:
    """The error has the code, the program, and the last that it wrote to stderr."""
    error = await failure(command="PASSWORD='a b' printf %0600d 7 >&2; echo hush; exit 3")
    assert (error.command, error.code) == ("printf", 3)
    assert error.stderr == "0" * 499 + "7"
    assert str(error).startswith("the program 'printf' failed: it ended with exit code 3; the last")
    assert not any(secret in str(error) for secret in ("hush", "a b", "PASSWORD"))


async def test_a_program_that_was_killed_says_by_what() -> None:
    """A signal is an exit code less than 0, and has its name."""
    error = await failure(command="kill -TERM $$")
    assert (error.code, "killed by SIGTERM" in str(error)) == (-15, True)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"command": ["no-such-program", "hush"]}, "No such file or directory"),
        ({"command": ["true"], "cwd": "/no/such"}, "directory, the folder '/no/such'"),
        ({"command": ["/etc/passwd"]}, "Permission denied"),
        ({"command": []}, "there is no command"),
        ({"command": ""}, "there is no command"),
        ({"command": None}, "there is no command"),
        ({"command": 5}, "the command must be a list of words, or a text, not int"),
        ({"command": {"hush": 1}}, "the command must be a list of words, or a text, not dict"),
        ({"command": [["hush"]]}, "an argument must be a text or a number, not list"),
        ({"command": ["true"], "cwd": 5}, "cwd must be a text, not int"),
        ({"command": ["true"], "cwd": ["hush"]}, "cwd must be a text, not list"),
        ({"command": ["true"], "env": "hush"}, "env must be a mapping, not str"),
        ({"command": ["true"], "env": ["A=hush"]}, "env must be a mapping, not list"),
        ({"command": ["true"], "input": ["hush"]}, "input must be a text or a number, not list"),
        ({"command": ["true", "hush\0"]}, "a character that none can have"),
        ({"command": ["true"], "env": {"A=B": "hush"}}, "a character that none can have"),
        ({"command": ["true"], "env": {"A": {}}}, "the variable 'A' must be a text"),
        ({"command": ["true"], "input": "hush\ud800"}, "input holds half of a surrogate"),
    ],
    ids=str,
)
async def test_what_cannot_be_started_says_why(arguments: dict[str, Any], problem: str) -> None:
    """No program, no folder, no words: each is named, and no argument is told."""
    error = await failure(**arguments)
    assert error.code is None
    assert problem in str(error)
    assert "hush" not in str(error)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("git push https://me:hush@host", "git"),
        ("A=hush B='hush hush' ./run.sh hush", "./run.sh"),
        ("A=$(say hush) run", "sh"),
        ("'hush", "sh"),
        ("A=hush", "sh"),
        (["a b", "hush"], "a b"),
    ],
)
def test_an_error_tells_the_first_word_alone(command: Any, name: str) -> None:
    """Arguments and variables may be secret, so that only the program is told."""
    assert module._first_word(command) == name


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_output_is_bounded(stream: str, tmp_path: Path) -> None:
    """A program that writes too much is killed, with all that it has started."""
    redirect = ">&2" if stream == "stderr" else ""
    command = f"sleep 100 & echo $! > {tmp_path}/pid; yes {redirect}"
    error = await failure(command=command)
    assert "more than 1048576 bytes" in str(error)
    await gone(int(await line(tmp_path / "pid")))


async def test_all_of_the_limit_is_taken() -> None:
    """1 MiB is not too much."""
    told = await shell(command=f"head -c {module.MAX_OUTPUT} /dev/zero")
    assert len(told["stdout"]) == module.MAX_OUTPUT


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'sleep 100 & echo $! > pid; wait' & wait",
        "trap '' TERM INT HUP; sleep 100 & echo $! > pid; wait; sleep 100",
        "sleep 100 & echo $! > pid",  # and is gone, while its output is still open
    ],
)
async def test_what_is_cancelled_leaves_nothing_behind(tmp_path: Path, command: str) -> None:
    """A program is killed together with what it has started, whatever that ignores."""
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            await shell(command=command, cwd=str(tmp_path))

        tasks.start_soon(run)
        pid = int(await line(tmp_path / "pid"))
        assert alive(pid)
        tasks.cancel_scope.cancel()
    await gone(pid)


async def test_it_can_be_cancelled_before_it_begins() -> None:
    """A step that is cancelled already starts nothing that stays."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await shell(command=["sleep", "100"])
    assert scope.cancelled_caught
