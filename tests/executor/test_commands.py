"""Commands: what other processes ask for is done exactly once, or told why it is not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger import Executor, LmdbStore, RunNotFound, agent
from dagger.executor.live import LiveRun
from dagger.store.block import Block
from dagger.store.inbox import Command
from dagger.store.saving import Saving
from dagger.words.records import CommandTaken, RunForked, Scheduled
from tests.waiting import until


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Answer with what came."""
    return payload


async def asked(executor: Executor, store: LmdbStore, verb: str, **fields: Any) -> None:
    """Post a command about the run "parent", and wait until it has been taken."""
    assert store.inbox is not None
    number = store.inbox.post(Command(verb, "parent", fields, 0.0, "1@here"))
    assert executor._engine is not None
    state = executor._engine.state
    await until(lambda: state.commands >= number)


def known(executor: Executor, run_id: str) -> LiveRun | None:
    """The run of that id, if there is one."""
    try:
        return executor.live(run_id)
    except RunNotFound:
        return None


async def test_a_fork_is_made_for_another_process(tmp_path: Path) -> None:
    """The new run has the id that was asked for, and the payload; it goes on at once."""
    store = LmdbStore(tmp_path / "store")
    async with Executor([echo], store=store) as executor:
        await executor.run("start", 1, run_id="parent")
        fields: dict[str, Any] = {"at": "parent.0.0", "id": "child", "payload": "new"}
        await asked(executor, store, "fork", **fields)
        assert (await executor.live("child").result()).outputs == {"out": ["new"]}
        await asked(executor, store, "fork", at="parent.0.0", id="other", frontier=True)
        assert (await executor.live("other").result()).outputs == {"out": [1]}


class Heard(LmdbStore):
    """Remembers which kinds of records were written in one block."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.kinds: list[set[type[Any]]] = []

    def write(self, blocks: Sequence[Block], job: Saving | None) -> bool:
        self.kinds.extend({type(record) for _, record in each.records()} for each in blocks)
        return super().write(blocks, job)


async def test_a_fork_and_its_command_are_one(tmp_path: Path) -> None:
    """That a fork was made and that it was asked for are written down together."""
    store = Heard(tmp_path / "store")
    async with Executor([echo], store=store) as executor:
        await executor.run("start", 1, run_id="parent")
        await asked(executor, store, "fork", at="parent.0.0", id="child")
    assert sum({RunForked, CommandTaken} <= each for each in store.kinds) == 1


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("fork", {"at": "parent.7.7", "id": "child"}, "no message 'parent.7.7'"),
    ("fork", {"at": "parent.1.0", "id": "child"}, "no agent has heard"),
    ("fork", {"at": "parent.0.0", "id": "parent"}, "is taken"),
    ("fork", {"at": 7, "id": ["child"]}, "takes texts"),
    ("fork", {}, "takes texts"),
    ("redrive", {"node": "echo:parent.1", "id": "child"}, "no dead letter 'echo:parent.1'"),
    ("redrive", {"node": 7, "id": "child"}, "takes texts"),
    ("spoon", {}, "which is not known"),
    ("schedule", {"channel": "start", "when": "sometimes", "terms": {}}, "no such schedule"),
    ("schedule", {"channel": "tart", "when": "every 1h", "terms": {}}, "no channel 'tart'"),
    ("schedule", {"channel": "start", "when": 7, "terms": {}}, "takes texts"),
    ("schedule", {"channel": "start", "when": "every 1h", "terms": {"most": 1}}, "most"),
    ("schedules", {"id": "nothing", "change": "pause"}, "no schedule 'nothing'"),
    ("schedules", {"id": "nothing", "change": "bend"}, "which is not known"),
]


@pytest.mark.parametrize(("verb", "fields", "why"), REFUSED)
async def test_what_cannot_be_done_is_told(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    verb: str,
    fields: dict[str, Any],
    why: str,
) -> None:
    """A command that makes no sense is told in the log, and dropped; those behind it are done."""
    store = LmdbStore(tmp_path / "store")
    with caplog.at_level(logging.WARNING, "dagger"):
        async with Executor([echo], store=store) as executor:
            await executor.run("start", 1, run_id="parent")
            await asked(executor, store, verb, **fields)
            assert known(executor, "child") is None
            await asked(executor, store, "fork", at="parent.0.0", id="after")
            await executor.live("after").result()
    assert any(why in message for message in caplog.messages)


async def test_schedules_are_made_and_changed_for_another_process(tmp_path: Path) -> None:
    """What is asked for is so once it was taken, and is written down with that."""
    store = Heard(tmp_path / "store")
    async with Executor([echo], store=store) as executor:
        said = {"channel": "start", "payload": 7, "when": "every 1h"}
        await asked(executor, store, "schedule", **said, terms={"id": "h", "jitter": 5})
        made = executor.schedules.show("h")
        assert (made.payload, made.when, made.jitter) == (7, "every 1h", 5)
        for change, held in (("pause", True), ("resume", False)):
            await asked(executor, store, "schedules", id="h", change=change)
            assert executor.schedules.show("h").held is held
        await asked(executor, store, "schedules", id="h", change="remove")
        assert executor.schedules.list() == []
    assert sum({Scheduled, CommandTaken} <= each for each in store.kinds) == 1


async def test_two_forks_of_one_id_are_one(tmp_path: Path) -> None:
    """Whoever asks twice at once for a fork of the same id is refused once."""
    async with Executor([echo], store=tmp_path / "store") as executor:
        await executor.run("start", 1, run_id="parent")
        made: list[str] = []

        async def fork() -> None:
            try:
                made.append((await executor.fork("parent", "parent.0.0", run_id="child")).id)
            except Exception as error:
                made.append(str(error))

        async with anyio.create_task_group() as group:
            group.start_soon(fork)
            group.start_soon(fork)
    assert sorted(made) == ["child", "run id 'child' is taken; a fork is a new run"]
