"""A panel of experts over a fixed package, over real ones, and through crashes."""

from __future__ import annotations

import email
from pathlib import Path

import pytest

from dagger import Report, Store, run
from dagger.testing import Crash, explore_crashes, simulated
from tests.examples import programs
from tests.examples.programs import EXAMPLES, loaded, promised, survives

EXPERTS = EXAMPLES / "experts" / "experts.py"

PACKAGE = {
    "till.py": """\
import csv, decimal, json, os, re, sys, time, zlib

def close(day, id, list, input, a, b, c, dry_run=False, *, force=False):
    for it in list:
        if it.open and not force:
            for x in it.parts:
                if x or a or b:
                    while input:
                        try:
                            json.loads(x)
                        except ValueError:
                            if c and dry_run or it.old:
                                return id
                        else:
                            if it.new and x and x.known and x.safe:
                                break
    return csv, decimal, json, os, re, sys, time, zlib
""",
    "shelf.py": '''\
"""Goods."""

def _forgotten():
    """Nobody calls it."""

def _used():
    """The one below does."""

def count():
    """Documented, short and simple."""
    return _used()
''',
    "legacy.py": 'print "hello"\n',
}
"""What the output of the example is about: file and content."""


@pytest.fixture
def package(tmp_path: Path) -> str:
    """A package of three modules, one of which is not Python any more."""
    for name, text in PACKAGE.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path)


def test_it_prints_its_output(package: str) -> None:
    """About a known package it says what is written at its end, and names what it cannot read."""
    assert programs.run(EXPERTS, package) == (promised(EXPERTS), "")


def test_the_experts_are_asked_about_what_others_have_raised(package: str) -> None:
    """Each function that was raised is judged by every expert, by one opinion each."""
    [reviews] = examined(package).outputs["reviews"]
    assert len(reviews) == 2
    for each in reviews:
        experts = [worry["expert"] for worry in each["worries"]]
        assert len(experts) == len(set(experts))
        assert any(worry["raised"] for worry in each["worries"])
        assert [worry["concern"] for worry in each["worries"]] == sorted(
            (worry["concern"] for worry in each["worries"]), reverse=True
        )


def test_a_real_package_is_examined_whole() -> None:
    """In a package of the standard library there is something to say, and nothing is not read."""
    report = examined(str(Path(email.__file__).parent))
    [reviews] = report.outputs["reviews"]
    assert len(reviews) > 10
    assert not report.dead_letters


def test_the_command_runs_it(tmp_path: Path) -> None:
    """`dagger run` needs no more than its name, and says the same when it is said again."""
    command = ("-m", "dagger", "run", EXPERTS, "--store", tmp_path / "store", "--run-id", "json")
    first, _ = programs.run(*command)
    assert " completed after " in first
    assert "functions were discussed" in first
    assert programs.run(*command)[0] == first


def test_the_review_is_the_same_after_a_crash(package: str, prove: bool) -> None:
    """Whichever write its process dies at, the next one goes on with what was said."""
    whole = examined(package).outputs

    async def main(store: Store) -> Report:
        async with simulated(*loaded(EXPERTS).agents, store=store) as executor:
            return await executor.run("packages", {"root": package}, run_id="review")

    check = survives(main, whole)
    if prove:
        assert explore_crashes(check) > 50
    else:
        for write in (3, 12, 31, 40):
            check(Crash(write, lingering=write % 2 == 0))


def examined(root: str) -> Report:
    """The report of a whole run."""
    report = run(loaded(EXPERTS).agents, "packages", {"root": root})
    assert report.ok
    return report
