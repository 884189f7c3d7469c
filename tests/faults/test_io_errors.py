"""Calls to the system that fail: those who wait are told, and then all goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagger.executor.recovery import restored
from dagger.executor.verifying import verify
from dagger.store.reader import StoreReader
from tests.conftest import Figures
from tests.crash.processes import finished
from tests.faults.failing import FOR_A_WHILE, at_quota, at_work, opening
from tests.faults.shim import Kind

KINDS = {
    "data": Kind.DATA,
    "sync": Kind.SYNC,
    "meta": Kind.META,
    "writes": Kind.DATA | Kind.META,
}

ONCE = 20
"""What is published when one call fails, be it for this or for a snapshot."""


@pytest.mark.parametrize("performed", [False, True], ids=["lost", "performed all the same"])
@pytest.mark.parametrize("kinds", KINDS.values(), ids=list(KINDS))
def test_errors_of_the_disk_pass(tmp_path: Path, kinds: Kind, performed: bool) -> None:
    """Whatever fails, once or for a while, nothing acknowledged is lost and nothing is doubled."""
    heard = finished(at_work, tmp_path / "store", kinds, performed)
    told = _sorted(heard)
    assert [each for each in told["kept"] if each != ONCE] == [*range(1, 16), *range(50, 60)]
    assert [each for each in told["OutcomeUnknown"] if each != ONCE] == [40]
    assert [each for each in told["StoreUnavailable"] if each != ONCE] == [*range(41, 45)]
    [[status, noted]] = told["report"]
    assert status == "completed"
    assert noted == sorted([0, *told["kept"], *told["OutcomeUnknown"]])
    with StoreReader(tmp_path / "store") as reader:
        assert list(verify(reader)) == []
        assert restored(reader).runs[1].messages == len(noted)


@pytest.mark.parametrize("spare", [0, 12_288], ids=["full", "nearly full"])
def test_a_quota_loses_nothing(tmp_path: Path, spare: int, figures: Figures) -> None:
    """What a full disk does, a quota does as well, and nobody need be root to try it."""
    ((_, kept),) = finished(at_quota, tmp_path / "store", spare)
    with StoreReader(tmp_path / "store") as reader:
        assert list(verify(reader)) == []
    figures(f"a quota used up twice: all {kept} runs that were acknowledged are there")


@pytest.mark.parametrize("times", [1, FOR_A_WHILE], ids=["once", "from then on"])
def test_a_store_can_be_made_after_all(
    tmp_path: Path, times: int, prove: bool, figures: Figures
) -> None:
    """Whichever call fails while a store is made, that is told, and the next try goes well."""
    step = 1 if prove else 5
    told = _sorted(finished(opening, tmp_path, times, step))
    assert len(told["first"]) > 50 // step
    assert set(told["second"]) == {"ok"}
    which = "one call" if times == 1 else "all calls from one on"
    figures(f"stores made while {which} failed, in {len(told['second'])} ways; all made after it")


def _sorted(heard: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """What was said behind each word."""
    found: dict[str, list[Any]] = {}
    for word, *rest in heard:
        found.setdefault(word, []).append(rest[0] if len(rest) == 1 else rest)
    return found
