"""Each example prints what its `# Output` says, as the program it is."""

from __future__ import annotations

import json
import re
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.examples import programs
from tests.examples.programs import promised, run

EXAMPLES = sorted(programs.EXAMPLES.glob("*.py"))
CENSUS = programs.EXAMPLES / "code_census.py"
KILLED = programs.EXAMPLES / "survive_kill.py"
ORDERS = programs.EXAMPLES / "orders.py"

FOLDER = {
    "shop/__init__.py": "",
    "shop/cart.py": """\
class Cart:
    def __init__(self):
        self.items = []

    def total(self, customer):
        if customer.guest or customer.blocked:
            return 0
        return sum(item.price for item in self.items if item)
""",
    "shop/legacy.py": 'print "hello"\n',
    "prices.py": "PRICES = {\n" + "".join(f"    {n}: {n},\n" for n in range(120)) + "}\n",
    "notes.txt": "no Python",
}
"""What the output of the census is about: file and content."""


def names(examples: Sequence[Path]) -> list[str]:
    """What examples are called in test ids."""
    return [example.stem for example in examples]


plain = [example for example in EXAMPLES if example != CENSUS]
steady = [example for example in plain if example != KILLED]
alone = [example for example in plain if example != ORDERS]  # which asks people

LENGTHS = {CENSUS: 250, ORDERS: 240}
"""Lines that those may have that are more than one need."""


@pytest.mark.parametrize("example", steady, ids=names(steady))
def test_it_prints_its_output(example: Path) -> None:
    """An example prints what is written at its end, and nothing else."""
    assert run(example) == (promised(example), "")


def test_the_census_prints_its_output(tmp_path: Path) -> None:
    """The census of a known folder finds what is written at its end."""
    for name, source in FOLDER.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
    assert run(CENSUS, tmp_path) == (promised(CENSUS), "")


def test_the_census_goes_on_in_a_store(tmp_path: Path) -> None:
    """Asked for again, a census that has ended is not taken again: the store has its report."""
    folder, store = tmp_path / "modules", tmp_path / "store"
    folder.mkdir()
    for number in range(20):
        (folder / f"module_{number}.py").write_text("x = 1\n", encoding="utf-8")
    command = ("-m", "dagger", "run", CENSUS, "--store", store)
    first, _ = run(*command, "--input", json.dumps({"root": str(folder)}))
    again, remark = run(*command, "--input", json.dumps({"root": str(folder)}))
    assert "modules 20, lines 20" in first
    assert again == first
    assert "ended" in remark


@pytest.mark.proof
def test_the_books_balance_after_every_kill() -> None:
    """The killed bookkeeper has booked each transfer once; its handler was called more often."""
    found, complaints = run(KILLED)
    often = re.compile(r"\d+(?= times)")
    assert complaints == ""
    assert often.sub("N", found) == often.sub("N", promised(KILLED))
    kills, calls = map(int, often.findall(found))
    assert kills > 0
    assert calls > 300


def test_the_census_counts_real_modules() -> None:
    """Each module of a part of the standard library is measured, or named as unparsable."""
    root = Path(sysconfig.get_path("stdlib")) / "asyncio"
    found, complaints = run(CENSUS, root)
    assert complaints == ""
    measured = re.match(r"modules ([\d,]+), ", found)
    unparsable = re.search(r"^unparsable modules \((\d+)\)", found, re.MULTILINE)
    assert measured is not None
    total = int(measured[1].replace(",", "")) + (int(unparsable[1]) if unparsable else 0)
    assert total == len(list(modules(root)))
    assert total > 20


def modules(root: Path) -> list[Path]:
    """Python files as the census looks for them."""
    outside = {"site-packages", "dist-packages"}
    found = root.rglob("*.py")
    return [path for path in found if outside.isdisjoint(path.relative_to(root).parts)]


@pytest.mark.proof
@pytest.mark.parametrize("example", alone, ids=names(alone))
def test_the_command_runs_it(example: Path) -> None:
    """`dagger run` needs no more than the name of an example."""
    report, _ = run("-m", "dagger", "run", example)
    assert " completed after " in report


@pytest.mark.parametrize("example", EXAMPLES, ids=names(EXAMPLES))
def test_it_is_short_and_says_what_it_teaches(example: Path) -> None:
    """An example begins with what to learn from it, and fits on a page or two."""
    text = example.read_text("utf-8")
    code, _ = re.split(r"^# Output.*:\n", text, flags=re.MULTILINE)
    assert code.startswith('"""')
    assert len(code.splitlines()) <= LENGTHS.get(example, 80)


PARTS = sorted(programs.EXAMPLES.glob("*/*.py"))


@pytest.mark.parametrize("part", PARTS, ids=names(PARTS))
def test_a_part_of_a_larger_one_is_short(part: Path) -> None:
    """Where an example is a folder, each file in it is one idea, and says which."""
    text = part.read_text("utf-8")
    assert text.startswith('"""')
    assert len(text.splitlines()) <= 200
