"""Stores of every format that was ever released mean for ever what they meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dagger import Executor
from dagger.executor.verifying import verify
from dagger.store.layout import FORMAT
from dagger.store.reader import StoreReader
from dagger.words.outcomes import RunStatus
from tests.samples.facts import facts, missing
from tests.samples.work import AGENTS, CONFIG

HERE = Path(__file__).parent
SAMPLES = sorted(HERE.glob("format-*"))


def test_there_is_a_sample_of_each_format() -> None:
    """Up to that of today."""
    assert [each.name for each in SAMPLES] == [f"format-{n}" for n in range(1, FORMAT + 1)]


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
