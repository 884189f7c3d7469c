"""Handlers of `run_in="process"` run in worker processes, which are real ones here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from dagger import (
    Config,
    DefinitionError,
    Executor,
    Immediate,
    ResourcePool,
    Resources,
    agent,
)
from dagger.testing import simulate, simulated
from tests.cli.processes import running, said
from tests.promises import crunching
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate
from tests.waiting import until

PATIENCE = 20.0

ONE = Config(max_processes=1, retry_strategy=Immediate())


def there(pid: int) -> bool:
    """Whether a process is there, and not only what nobody has taken away of it."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # gone between the two, or a system without /proc
        return sys.platform != "linux"


async def gone(*pids: int) -> None:
    """Return once none of these processes is there."""
    with anyio.fail_after(PATIENCE):
        while any(map(there, pids)):  # noqa: ASYNC110  of other processes nothing is told
            await anyio.sleep(0.01)


async def written(path: Path) -> list[int]:
    """The numbers in a file, once it is there."""
    with anyio.fail_after(PATIENCE):
        while not await anyio.Path(path).exists():  # noqa: ASYNC110  nor of files
            await anyio.sleep(0.01)
    return [int(each) for each in (await anyio.Path(path).read_text()).split()]


async def test_a_process_of_its_own_which_is_used_again(make_executor: MakeExecutor) -> None:
    """The handler runs in another process, the next one in the same; types travel both ways,
    and what it writes to its standard output disturbs nothing.
    """
    async with make_executor([crunching.add], config={"max_processes": 1}) as executor:
        one = await executor.run("slices", {"first": 1, "count": 10})
        two = await executor.run("slices", {"first": 11, "count": 2})
        ((first,), (second,)) = (each.outputs["sums"] for each in (one, two))
        os.kill(first["process"], signal.SIGKILL)  # as a system does that is short of memory
        await gone(first["process"])
        three = await executor.run("slices", {"first": 0, "count": 0})
    assert (first["total"], second["total"]) == (55, 23)
    assert first["process"] == second["process"] != os.getpid()
    (third,) = three.outputs["sums"]
    assert third["process"] not in (first["process"], os.getpid())
    await gone(third["process"])


async def test_a_process_that_dies_is_a_failed_attempt(tmp_path: Path) -> None:
    """Killed or exited, the attempt has failed with WorkerCrashed, which tells how; another one
    follows, in another process.
    """
    config = Config(retry_strategy=Immediate())
    async with Executor([crunching.die], config=config) as executor:
        killed = await executor.run("deaths", str(tmp_path / "been here"))
        exits = await executor.run("deaths", "exit")
    assert killed.outputs == {"lives": ["lives"]}
    assert [each.attempts for each in killed.tree.nodes()] == [2]
    (letter,) = exits.dead_letters
    assert letter.attempts == 2
    assert letter.failure.type == "WorkerCrashed"
    assert letter.failure.message.endswith("died: it ended with exit code 3")


@pytest.mark.parametrize("way", ["run", "invocation", "stop"])
async def test_whoever_is_cancelled_is_killed(way: str, tmp_path: Path) -> None:
    """Cancelling the run or the invocation, and stopping the executor, end the worker process
    with all that the handler has started in it.
    """
    async with Executor([crunching.hang], config=ONE) as executor:
        run = await executor.start("stuck", str(tmp_path))
        pids = await written(tmp_path / "pids")
        assert all(map(there, pids))
        if way == "run":
            await run.cancel()
        elif way == "invocation":
            await run.cancel_invocation(next(iter(run.tree.nodes())).id)
        else:
            await executor.stop()
        await gone(*pids)
    assert run.report().abandoned == ()
    assert run.report().dispositions == {"cancelled": 1}


async def test_a_timeout_kills() -> None:
    """An attempt that takes longer than its agent's timeout fails, and its process is gone."""
    async with Executor([crunching.overdue]) as executor:
        report = await executor.run("hurry", None)
    assert report.dead_letters[0].failure.type == "TimeoutExceeded"


async def test_a_failure_is_told_as_it_was_raised() -> None:
    """Type, text, causes and place of an exception are those of the worker process, and what
    a retry strategy says of its type holds.
    """
    async with Executor([crunching.fail], config=ONE) as executor:
        reports = {
            way: await executor.run("errors", way)
            for way in ("odd", "cause", "exit", "local", "result", "schema")
        }
    letters = {way: report.dead_letters[0] for way, report in reports.items()}
    failures = {way: letter.failure for way, letter in letters.items()}
    assert (letters["odd"].attempts, letters["cause"].attempts) == (1, 2)
    assert (failures["odd"].type, failures["odd"].message) == (
        "Odd",
        "7 is odd: it cannot be halved",
    )
    assert failures["odd"].trace.startswith(f"{crunching.__file__}:")
    assert failures["odd"].trace.endswith(" in fail")
    assert failures["cause"].causes == ("KeyError: 'seven'",)
    assert (failures["exit"].type, failures["exit"].message) == ("SystemExit", "enough")
    assert failures["local"].type == "ExecutionError"
    assert failures["local"].message.endswith("LocalError: nobody else knows it")
    assert failures["result"].type == "SerializationError"
    assert "a lock cannot come out of a worker process" in failures["result"].message
    assert failures["schema"].type == "SerializationError"


async def test_what_cannot_travel_is_told() -> None:
    """A payload that cannot go into another process fails its attempt, which says so."""
    async with Executor([crunching.take_root], config=ONE) as executor:
        report = await executor.run("roots", {"number": 1})
    failure = report.dead_letters[0].failure
    assert failure.type == "SerializationError"
    assert failure.message.endswith("cannot go into a worker process: it stays where it is")


async def test_there_are_no_more_processes_than_may_be() -> None:
    """`max_processes` bounds them, whatever `concurrency` says: others wait for their turn."""
    async with Executor([crunching.take_turn], config=ONE) as executor:
        async with await executor.start("turns", 0) as run:
            for number in range(1, 6):
                await run.publish("turns", number)
        report = await run.result()
    times = sorted(report.outputs["times"])
    assert len(times) == 6
    assert all(one[1] <= other[0] for one, other in pairwise(times))


def test_waiting_for_a_process_is_not_running_time() -> None:
    """The timeout of an attempt begins when its process does."""
    from tests.promises.gated import Gated, slow

    async def main() -> dict[str, int]:
        async with simulated(slow, processes=Gated) as executor:
            async with await executor.start("in", 0) as run:
                for number in range(1, 4):
                    await run.publish("in", number)
            return dict((await run.result()).dispositions)

    assert simulate(main) == {"ok": 4}


def test_a_simulation_runs_them_inline() -> None:
    """On virtual time a handler of `run_in="process"` runs in this process, and what it returns
    has to travel all the same.
    """

    async def main() -> tuple[int, str]:
        async with simulated(crunching.add, crunching.fail) as executor:
            fine = await executor.run("slices", {"first": 0, "count": 3})
            bad = await executor.run("errors", "result")
        return fine.outputs["sums"][0]["process"], bad.dead_letters[0].failure.type

    assert simulate(main) == (os.getpid(), "SerializationError")


# -- programs ------------------------------------------------------------------------

AGENTS = """\
import sys
from dataclasses import dataclass

from dagger import agent, run


@dataclass
class Text:
    words: list


@dataclass
class Count:
    words: int
    there: bool


@agent(subscribe="texts", publish="counts", run_in="process")
def count(payload: Text) -> Count:
    return Count(len(payload.words), "processes.child" in sys.orig_argv[2])


"""

START = 'print(run([count], "texts", {"words": ["a"]}).outputs)\n'

GUARDED = f'if __name__ == "__main__":\n    {START}'


@pytest.mark.parametrize(
    ("file", "begins", "command"),
    [
        ("program.py", GUARDED, ["program.py"]),
        ("program.py", START, ["program.py"]),
        ("house/room.py", "from . import wall\n" + GUARDED, ["-m", "house.room"]),
        ("house/json.py", "payload = {'words': ['a']}\n", ["-m", "dagger", "run", "house/json.py"]),
    ],
    ids=["script", "script-without-guard", "module", "command-with-a-taken-name"],
)
def test_programs_of_all_kinds_find_their_handlers(
    file: str, begins: str, command: list[str], tmp_path: Path
) -> None:
    """A handler is found in a script, a module of a package and what `dagger run` is given, and
    so are the types next to it. A script does not begin anew in a worker process, even where
    nothing in it prevents that.
    """
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "wall.py").touch()
    (tmp_path / file).write_text(AGENTS + begins)
    path = os.pathsep.join(each for each in sys.path if each)
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert "{'words': 1, 'there': true}" in ended.stdout.lower().replace('"', "'")


STUCK = """
import sys
import anyio
from dagger import Executor
from tests.promises.crunching import hang

async def main():
    async with Executor([hang]) as executor:
        await executor.start("stuck", sys.argv[1])
        print("ready", flush=True)
        await anyio.sleep_forever()

anyio.run(main, backend=sys.argv[2])
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_worker_processes_end_with_their_program(
    number: signal.Signals, tmp_path: Path, anyio_backend_name: str
) -> None:
    """However a program ends, its worker processes end with it, and what these have started."""
    with running("-c", STUCK, str(tmp_path), anyio_backend_name) as process:
        assert said(process) == "ready\n"
        pids = await written(tmp_path / "pids")
        process.send_signal(number)
        await gone(*pids)


# -- before anything runs ------------------------------------------------------------


def test_a_name_that_means_something_else_by_now_is_refused() -> None:
    """A worker process must not call another function than the one that was decorated."""
    from tests.promises.gated import namesakes

    assert len(namesakes) == 2
    with pytest.raises(DefinitionError, match="give each function of run_in='process' a name"):
        Executor(namesakes)


def test_nothing_is_loaded_for_agents_without() -> None:
    """An executor whose agents run in threads and on the loop loads nothing of processes."""
    program = (
        "import sys, dagger\n"
        "one = dagger.agent(subscribe='in', run_in='thread')(lambda: None)\n"
        "dagger.run([one], 'in', 1)\n"
        "print('dagger.executor.processes.pool' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "False\n", ran.stderr


def test_the_option_is_the_usual_case_of_a_plain_def() -> None:
    """`run_in="thread"` says what a plain `def` does anyway."""

    @agent(subscribe="in", run_in="thread")
    def plain(payload: int) -> None: ...

    assert plain.process is None


async def test_a_process_gives_way_by_being_killed(
    make_executor: MakeExecutor, tmp_path: Path
) -> None:
    """A handler that may be interrupted is, and is called again in another process."""
    urgent = Gate("urgent", "urgent", priority=1, resources=Resources(gpu=1))
    pool = ResourcePool(gpu=1)
    async with make_executor([crunching.give_way, urgent.agent], resources=pool) as executor:
        async with await executor.start("long", str(tmp_path)) as run:
            [pid] = await written(tmp_path / "pids")
            await run.publish("urgent", 1)
            with anyio.fail_after(PATIENCE):
                await until(lambda: urgent.handled == [1])
            await gone(pid)
            urgent.open.set()
        report = await run.result()
    assert report.status == "completed"
    assert report.retries == 0
    assert await written(tmp_path / "pids") != [pid]
