"""The catalog check on its real parts: a flaky service, a database, and kills at any moment."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from dagger import Executor
from tests.conftest import Figures
from tests.examples.programs import EXAMPLES, loaded, promised, run

CHECK = EXAMPLES / "flows" / "quick_catalog_check.py"
OFTEN = re.compile(r"\d+(?= times$)|\d+ times,")
"""How often the service is asked, which depends on the machine."""


def module(name: str) -> ModuleType:
    """A part of the example."""
    loaded(CHECK)
    return loaded(CHECK.with_name(f"catalog_{name}.py"))


@pytest.fixture
def catalog() -> Any:
    """What the service knows; with this seed it fails, but never hangs."""
    return module("service").Catalog(seed=4)


@pytest.fixture
def desk(tmp_path: Path, catalog: Any) -> Iterator[Any]:
    """A desk with a service that is up."""
    with module("service").Service(catalog) as service:
        yield module("desk").Desk(tmp_path, service.address)


def test_it_prints_its_output() -> None:
    """Run, again and fail end as it says, however often the service has to be asked."""
    found, complaints = run(CHECK)
    assert complaints == ""
    assert OFTEN.sub("N", found) == OFTEN.sub("N", promised(CHECK))
    [(asked, failed, hung)] = re.findall(r"asked (\d+) .* failed (\d+) .* hung (\d+) ", found)
    assert int(asked) >= 34
    assert int(failed) >= 6
    assert int(hung) >= 1


def test_each_invoice_is_stored_once_wherever_it_is_killed(
    tmp_path: Path, prove: bool, figures: Figures
) -> None:
    """Killed after any line that it says, again and again, the flow ends well; each invoice of each
    month is in the database once, and nothing else; no secret is in the store.
    """
    kills = runs = rows = 0
    for day in range(10 if prove else 1):
        folder = tmp_path / str(day)
        said, complaints = run(
            CHECK, "kill", "--kills", "5", "--seed", str(day), "--folder", folder
        )
        assert complaints == ""
        found = re.match(r"killed (\d+) times in (\d+) runs: succeeded$", said, re.MULTILINE)
        assert found is not None, said
        assert said.count(": True\n") == 2
        kills, runs = kills + int(found[1]), runs + int(found[2])
        rows += stored(folder, int(found[2]))
        assert holds(folder, "bookkeeper")
        assert not holds(folder, module("service").PASSWORD)
    assert kills == (50 if prove else 5)
    figures(f"{kills} kills in {runs} runs of the catalog check; {rows} rows, each once")


def stored(folder: Path, months: int) -> int:
    """How many rows there are; they are the invoices of so many months."""
    with closing(sqlite3.connect(folder / "kills" / "invoices.sqlite")) as db:
        found = db.execute("SELECT month, number, customer, cents FROM invoices").fetchall()
    names = sorted({month for month, *_ in found})
    invoices = module("service").invoices
    wanted = [(name, it[0], it[2], it[3]) for name in names for it in invoices(name)]
    assert len(names) == months
    assert sorted(found) == sorted(wanted)
    return len(found)


def holds(folder: Path, text: str) -> bool:
    """Whether a text is in any file of a folder."""
    files = (each for each in folder.rglob("*") if each.is_file())
    return any(text.encode() in each.read_bytes() for each in files)


async def test_a_strict_run_fails_of_a_wrong_invoice(desk: Any) -> None:
    """It names the invoice, and has stored nothing."""
    async with Executor(module("desk").flows.agents) as executor:
        inputs = desk.inputs("2026-03", strict=True)
        report = await module("desk").flows.run(executor, "quick_catalog_check", inputs)
    assert report.status == "failed"
    assert report.step("verify").error["message"] == "not of 2026-03: 2026-03-999"
    assert not desk.database.exists()


async def test_what_was_undone_is_done_by_the_next_run(desk: Any, catalog: Any) -> None:
    """A run that has failed leaves nothing that keeps another one from doing all of it."""
    flows = module("desk").flows
    async with Executor(flows.agents) as executor:
        failed = await flows.run(executor, "quick_catalog_check", desk.inputs("2026-03", fail=True))
        assert (failed.undo.undone, desk.rows()) == (("store",), [])
        report = await flows.run(executor, "quick_catalog_check", desk.inputs("2026-03"))
    assert report.output["stored"]["by_this_run"] == len(desk.rows()) == 20
    assert catalog.confirmed.keys() == {"2026-03"}


def test_it_begins_by_itself(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """At its moment a run of the schedule begins, and stores the month."""
    anyio.run(loaded(CHECK).schedule, desk)
    said = capsys.readouterr().out
    assert "0 4 1 * * (Europe/Paris): next at " in said
    assert re.search(r"^soon@\S+: succeeded$", said, re.MULTILINE)
    assert len(desk.rows()) == 20
