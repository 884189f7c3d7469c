"""The order process keeps its books, wherever it is killed, and asks people."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from signal import SIGKILL

from tests.conftest import Figures
from tests.examples.programs import EXAMPLES, ended, promised, run

ORDERS = EXAMPLES / "orders.py"
MORTAL = Path(__file__).parent / "mortal.py"


def test_goods_and_money_are_conserved_wherever_it_is_killed(
    tmp_path: Path, prove: bool, figures: Figures
) -> None:
    """Killed at any statement of SQL, again and again, the shop has each thing once, and as much
    money as it has sold; no two orders are made of one.
    """
    kills = repeats = 0
    days = 5 if prove else 1
    for seed in range(days):
        folder = tmp_path / str(seed)
        kills += sum(1 for _ in lives(folder, Random(seed)))
        repeats += check_the_end(folder / "shop.sqlite")
    assert kills >= 3 * days
    figures(f"{days} days, killed {kills} times; {repeats} repeats refused by the database")


def lives(folder: Path, random: Random) -> Iterator[None]:
    """The lives that ended by a kill; after each of them nothing is missing in the file."""
    while True:
        # Fewer points, and one order would see three deaths of its process: then it is given up.
        life = ended(MORTAL, str(random.randint(15, 90)), ORDERS, folder)
        goods(folder / "shop.sqlite")
        if life.returncode == 0:
            assert life.stdout.splitlines()[:-1] == promised(ORDERS).splitlines()[:-1]
            return
        assert life.returncode == -SIGKILL, life.stderr
        yield


def goods(shop: Path) -> list[tuple[str, int, int]]:
    """Item, pieces there and pieces ordered: together what was delivered."""
    query = """
        SELECT item, delivered, stock.pieces, coalesce(sum(orders.pieces), 0)
        FROM stock LEFT JOIN orders USING (item) WHERE NOT coalesce(returned, 0) GROUP BY item"""
    with closing(sqlite3.connect(shop)) as db:
        found = db.execute(query).fetchall()
    assert all(delivered == there + ordered for _, delivered, there, ordered in found), found
    return [(item, there, ordered) for item, _, there, ordered in found]


def check_the_end(shop: Path) -> int:
    """What a whole day leaves behind; how often the file was asked again."""
    query = "SELECT number, count(*), sum(asked - 1) FROM {} GROUP BY number"
    with closing(sqlite3.connect(shop)) as db:
        orders = db.execute(query.format("orders")).fetchall()
        payments = db.execute(query.format("payments")).fetchall()
        [(unpaid,)] = db.execute(
            "SELECT count(*) FROM orders WHERE NOT returned AND number NOT IN "
            "(SELECT number FROM payments)"
        )
        [(lost,)] = db.execute(
            "SELECT count(*) FROM payments WHERE number NOT IN "
            "(SELECT number FROM orders WHERE NOT returned)"
        )
    assert (unpaid, lost) == (0, 0)
    assert Counter(each[1] for each in orders + payments).keys() == {1}
    assert len(goods(shop)) == 3
    return sum(each[2] for each in orders + payments)


def test_it_waits_for_a_clerk_at_a_shell(tmp_path: Path) -> None:
    """Where nobody answers the run waits, what is cheap goes on, and the next command ends it."""
    begin = ("-m", "dagger", "run", ORDERS, "--store", "state", "--run-id", "day")
    waiting = ended(*begin, cwd=tmp_path)
    assert "run day · waiting" in waiting.stdout
    asked, _ = run("-m", "dagger", "questions", "--store", "state", cwd=tmp_path)
    ids = re.findall(r"^(\S+/approval) · to clerk", asked, re.MULTILINE)
    assert len(ids) == 5
    for each in ids:
        run("-m", "dagger", "answer", each, "false", "--store", "state", cwd=tmp_path)
    done, _ = run(*begin, cwd=tmp_path)
    assert "orders: {'declined': 4, 'paid': 27, 'refused': 5, 'sold out': 4}" in done
    assert check_the_end(tmp_path / "shop.sqlite") == 0


def test_a_day_that_has_ended_is_not_lived_again(tmp_path: Path) -> None:
    """The same program in the same folder says the same again, and orders nothing."""
    first = run(ORDERS, tmp_path / "shop")
    assert run(ORDERS, tmp_path / "shop") == first == (promised(ORDERS), "")
