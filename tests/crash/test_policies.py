"""A process that dies while its handlers have slots and tokens leaves none of them behind."""

from __future__ import annotations

import random
from pathlib import Path

from tests.conftest import Figures
from tests.crash.policed import BURST, COUNT, JOBS, PER, work
from tests.crash.processes import finished, running


def test_kill_with_slots_held(tmp_path: Path, prove: bool, figures: Figures) -> None:
    """However often it is killed: every job takes effect once, nothing stays taken, and no more
    begin in a time than may, also over the deaths.
    """
    dice, log = random.Random(5), tmp_path / "log"
    kills = 0
    for _ in range(25 if prove else 5):
        with running(work, tmp_path / "store", str(log)) as child:
            child.until("begun")
            if child.hear(dice.uniform(0.0, 0.15)) is not None:
                break  # it is done already
            kills += 1
    said = finished(work, tmp_path / "store", str(log))
    _, (_, status, dispositions, done, counts), usage = said
    assert (status, dispositions) == ("completed", {"ok": 2 * JOBS + 1})
    assert sorted(done) == list(range(JOBS))
    assert counts == (JOBS, JOBS)
    assert usage == ("usage", 0.0, 0, 0)
    began = [float(line.split()[2]) for line in log.read_text(encoding="ascii").splitlines()]
    assert len(began) >= JOBS
    most = max(sum(at <= each < at + PER for each in began) for at in began)
    assert most <= COUNT + BURST
    figures(f"{kills} kills with slots held: {len(began)} calls for {JOBS} jobs; 0 lost, 0 twice")
