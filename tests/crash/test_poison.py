"""A delivery that kills its process is a dead letter after the third time; nobody else suffers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagger.executor.recovery import DEATHS, restored
from dagger.store.reader import StoreReader
from dagger.words.records import CRASHED, Restarted
from tests.crash.disks import DEAD
from tests.crash.poison import ALONE, CODES, CROWD, WAYS, go_on, lie_low, run_alone, run_crowd
from tests.crash.processes import finished, running
from tests.state.meaning import audit


@pytest.mark.parametrize("way", WAYS)
def test_the_third_death_is_the_last(tmp_path: Path, way: str) -> None:
    """A poison message dies with its process three times; who only waited goes on unharmed."""
    for _ in range(DEATHS):
        with running(go_on, tmp_path, way, answers=False) as child:
            assert child.ended() == CODES[way]
    [(_, report)] = finished(go_on, tmp_path, way, answers=True)
    [letter] = report["dead_letters"]
    assert (letter["agent"], letter["failure"]["type"]) == ("poison", CRASHED)
    assert f"the process died {DEATHS} times while poison:case." in letter["failure"]["message"]
    assert report["status"] == "failed"
    assert report["dispositions"] == {"ok": 9, "dead": 1}
    assert blamed(tmp_path) == [1, 1, 1]
    [task] = report["open_tasks"]
    assert (task["status"], task["attempts"], task["claimed_by"]) == ("Pending", DEATHS, None)


def test_a_kill_between_deliveries_is_nobodys_fault(tmp_path: Path) -> None:
    """A process killed while everybody in it waits blames nobody, however often it happens."""
    for _ in range(DEATHS + 1):
        with running(lie_low, tmp_path) as child:
            child.until("all wait")
    assert not any(blamed(tmp_path))


def blamed(path: Path, run_id: str = "case") -> list[int]:
    """Each time that an executor took a run over, how many deliveries got the blame."""
    with StoreReader(path) as reader:
        audit(state := restored(reader))
        records = [record for _, record in reader.history(state.run_numbers[run_id])]
    return [len(each.died) for each in records if isinstance(each, Restarted)]


@pytest.mark.parametrize("name", ALONE)
def test_poison_of_every_kind_ends(tmp_path: Path, name: str) -> None:
    """Wherever in a handler a process dies, its run ends after the third time, as declared."""
    report = _outlived(tmp_path, name)
    _, status, dispositions = ALONE[name]
    assert (report["status"], report["dispositions"]) == (status, dispositions)
    assert [each["failure"]["type"] for each in report["dead_letters"]] == [CRASHED]


def test_who_was_only_there_goes_on(tmp_path: Path) -> None:
    """Of those in hand when the process dies, in whichever run, only the one that did it ends."""
    codes: list[int] = []
    heard: list[Any] = []
    while 0 not in codes and len(codes) <= DEATHS + 1:
        with running(run_crowd, tmp_path) as child:
            codes.append(child.ended())
            heard = [words[1] for words in child.heard]
    assert codes in ([DEAD] * deaths + [0] for deaths in (DEATHS, DEATHS + 1))
    crowd, other = heard
    assert crowd["dispositions"] == {"ok": CROWD, "dead": 1}
    assert [each["payload"] for each in crowd["dead_letters"]] == [CROWD // 2]
    assert (other["status"], other["dispositions"]) == ("completed", {"ok": 1})


def _outlived(path: Path, name: str) -> Any:
    """The report of a run whose poison has killed as many processes as it may.

    The first death may be untold: it can come before the delivery is on disk. So it is
    looked out for from then on.
    """
    codes: list[int] = []
    while 0 not in codes and len(codes) < DEATHS + 2:
        with running(run_alone, path, name) as child:
            codes.append(child.ended())
    assert codes in ([DEAD] * deaths + [0] for deaths in (DEATHS, DEATHS + 1))
    [(_, report)] = child.heard
    return report
