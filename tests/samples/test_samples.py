"""Stores of every format that was ever released mean for ever what they meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dagger import Executor
from dagger.executor.verifying import verify
from dagger.state.parts import ROWS, unpack
from dagger.store.layout import FORMAT
from dagger.store.reader import StoreReader
from dagger.words.outcomes import RunStatus
from dagger.words.records import EFFECTS, RECORDS
from tests.samples import calling, later
from tests.samples.facts import facts, missing
from tests.samples.make import SAMPLES as SAMPLES_OF_TODAY
from tests.samples.work import AGENTS, CONFIG
from tests.waiting import until

HERE = Path(__file__).parent
SAMPLES = sorted(HERE.glob("format-*"))
FORMATS = [f"format-{number}" for number in range(1, FORMAT + 1)]


def test_there_is_a_sample_of_each_format() -> None:
    """Up to that of today."""
    assert {each.name for each in SAMPLES} >= {*FORMATS, *SAMPLES_OF_TODAY}


def test_everything_there_is_stands_in_a_sample(tmp_path: Path) -> None:
    """Each kind of record, effect and row; what is added needs a further sample."""
    known, rows, effects = set[type[Any]](), set[type[Any]](), set[type[Any]]()
    for name in SAMPLES_OF_TODAY:
        with StoreReader(shutil.copytree(HERE / name, tmp_path / name)) as reader:
            records = [record for _, record in reader.everything()]
            rows |= {type(row) for _, part in reader.parts() for row in unpack(part)}
        known |= {type(record) for record in records}
        effects |= {type(each) for record in records for each in getattr(record, "effects", ())}
    assert set(RECORDS) <= known
    assert set(EFFECTS) <= effects
    assert set(ROWS) <= rows


@pytest.fixture(params=SAMPLES, ids=lambda path: path.name)
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of one, for it is written to."""
    return Path(shutil.copytree(request.param, tmp_path / "store"))


def test_a_sample_folds_to_the_same_state(sample: Path) -> None:
    """Reports, records and the shared cache are what they were when it was made."""
    known = json.loads((sample / "facts.json").read_text())
    assert missing(known, json.loads(json.dumps(facts(sample)))) == []
    with StoreReader(sample) as reader:
        assert list(verify(reader)) == []


@pytest.mark.parametrize("sample", [HERE / each for each in FORMATS], indirect=True)
async def test_the_work_of_a_sample_goes_on(sample: Path) -> None:
    """Its runs go on where they were, to their ends."""
    (sample / "facts.json").unlink()
    async with Executor(AGENTS, store=sample, config=CONFIG) as executor:
        assert executor.live("paused").status is RunStatus.PAUSED
        await executor.live("paused").resume()
        waiting = executor.live("waiting")
        [question] = waiting.questions
        await waiting.answer(question.id, "well")
        report = await waiting.result()
        assert report.outputs["out"][-1] == "well"
        report = await executor.live("paused").result()
        assert (report.status, report.dispositions["ok"]) == (RunStatus.STALLED, 4)
        assert executor.live("retrying").report().ended is None
    with StoreReader(sample) as reader:
        assert list(verify(reader)) == []


@pytest.mark.parametrize("sample", [HERE / f"{each}-later" for each in FORMATS[:1]], indirect=True)
async def test_the_work_of_a_later_sample_goes_on(sample: Path) -> None:
    """A stream says no word twice, an order in doubt is charged once, a schedule fires on."""
    (sample / "facts.json").unlink()
    async with Executor(
        later.AGENTS, store=sample, config=later.CONFIG, resources=later.POOL
    ) as executor:
        ends = {}
        for name in ("open tales", "open orders"):
            live = executor.live(name)
            await live.answer(live.questions[0].name, "yes")
            ends[name] = (await live.result()).outputs
        assert ends == {
            "open tales": {"words": ["once"]},
            "open orders": {"bills": ["bill of c"]},
        }
        duplicate = await executor.run("orders", {"id": "c"})
        assert duplicate.dispositions == {"duplicate": 1}
        fired = executor.schedules.show("often").fired
        await executor.schedules.resume("often")
        await until(lambda: executor.schedules.show("often").fired > fired)
        await executor.schedules.pause("often")
    with StoreReader(sample) as reader:
        assert list(verify(reader)) == []


@pytest.mark.parametrize("sample", [HERE / f"{each}-calls" for each in FORMATS[:1]], indirect=True)
async def test_the_work_of_a_sample_that_calls_goes_on(sample: Path) -> None:
    """What was condensed is gone on from, and nothing that was called for is done again."""
    (sample / "facts.json").unlink()
    async with Executor(calling.AGENTS, store=sample, config=calling.CONFIG) as executor:
        adding = executor.live("adding")
        await adding.answer(adding.questions[0].id, 30)
        report = await adding.result()
        assert report.outputs["out"] == [66]
        assert report.dispositions == {"ok": 4}
    with StoreReader(sample) as reader:
        assert list(verify(reader)) == []
