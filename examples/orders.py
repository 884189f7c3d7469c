"""An order process: a shop that may be killed at any point, and whose books balance.

Goods and orders are in a SQLite file that knows nothing of Dagger. An order is approved, if it
is dear; its pieces are taken off the shelf; its card is charged; where the bank says no, the
pieces are put back. What touches the file is a step, and a step is given a key that is the same
each time it is called. The key is UNIQUE in the file. So a step that was done, and whose process
was killed before it could say so, is done again, and the database refuses the repeat.

    python examples/orders.py           a day at the shop, in a folder that is thrown away
    python examples/orders.py FOLDER    the same in one that stays: kill it, start it again

The clerk of this program answers at once. With the command it is you: without a terminal the
run waits until somebody has answered, and the next `dagger run` goes on.

    dagger run examples/orders.py --store state --run-id day
    dagger questions --store state
    dagger answer day.9/approval true --store state
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from dagger import Context, Executor, LiveRun, Report, agent

DAY = 24 * 60 * 60
LIMIT = 150_000
"""Cents from which on the clerk has a say."""


@dataclass
class Order:
    """What somebody wants, and the card that pays for it."""

    number: int
    item: str
    pieces: int
    cents: int
    card: str
    shop: str
    """The SQLite file of the shop."""


@dataclass
class Reserved(Order):
    """An order whose pieces are off the shelf."""

    reservation: str


@dataclass
class Opening:
    """The first message of a day."""

    shop: str
    stock: dict[str, int]
    orders: list[Order]


# What happens in the file: each function is one transaction, whole or not at all.

TABLES = """
CREATE TABLE IF NOT EXISTS stock (
    item TEXT PRIMARY KEY, delivered INTEGER, pieces INTEGER CHECK (pieces >= 0));
CREATE TABLE IF NOT EXISTS orders (
    key TEXT UNIQUE, number INTEGER, item TEXT, pieces INTEGER, asked INTEGER DEFAULT 1,
    returned INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS payments (
    key TEXT UNIQUE, number INTEGER, cents INTEGER, asked INTEGER DEFAULT 1);
"""
AGAIN = "ON CONFLICT (key) DO UPDATE SET asked = asked + 1 RETURNING asked"
"""What a repeat changes: a count of how often it was asked for."""


@contextmanager
def opened(shop: str) -> Iterator[sqlite3.Connection]:
    """The shop's file, for one transaction."""
    with closing(sqlite3.connect(shop, timeout=30)) as db, db:
        yield db


def fill(shop: str, stock: dict[str, int]) -> None:
    """Make the tables, and put on the shelf what is not there yet."""
    with opened(shop) as db:
        db.executescript(TABLES)
        rows = [(item, pieces, pieces) for item, pieces in stock.items()]
        db.executemany("INSERT INTO stock VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)


def take(order: Order, idempotency_key: str) -> str | None:
    """Take the pieces off the shelf and write the order down; None if there are not enough."""
    row = (idempotency_key, order.number, order.item, order.pieces)
    insert = f"INSERT INTO orders (key, number, item, pieces) VALUES (?, ?, ?, ?) {AGAIN}"
    update = "UPDATE stock SET pieces = pieces - ? WHERE item = ? AND pieces >= ?"
    with opened(order.shop) as db:
        [(asked,)] = db.execute(insert, row)
        if asked == 1 and not db.execute(update, (order.pieces, order.item, order.pieces)).rowcount:
            db.rollback()
            return None
        return idempotency_key


def charge(order: Order, idempotency_key: str) -> bool:
    """Charge the card, as a bank would: whether it could be."""
    if "expired" in order.card:
        return False
    row = (idempotency_key, order.number, order.cents)
    insert = f"INSERT INTO payments (key, number, cents) VALUES (?, ?, ?) {AGAIN}"
    with opened(order.shop) as db:
        db.execute(insert, row).fetchall()
        return True


def put_back(shop: str, reservation: str) -> None:
    """Put the pieces of an order back on the shelf, unless they are there already."""
    mark = "UPDATE orders SET returned = 1 WHERE key = ? AND NOT returned RETURNING pieces, item"
    with opened(shop) as db:
        for pieces, item in db.execute(mark, (reservation,)).fetchall():
            db.execute("UPDATE stock SET pieces = pieces + ? WHERE item = ?", (pieces, item))


# Who does it: four agents.


@agent(subscribe="openings", publish="orders", publish_each=True)
async def open_shop(payload: Opening, ctx: Context) -> list[Order]:
    """Fill the shelves, and let the orders in."""
    await ctx.step("fill", fill, payload.shop, payload.stock)
    return payload.orders


@agent(subscribe="orders", publish=["approved", "refused"], overflow="block")
async def approve(payload: Order, ctx: Context) -> None:
    """Ask the clerk about what is dear; what nobody approves within a day is refused."""
    approved = payload.cents < LIMIT or await ctx.ask(
        {"approve": asdict(payload)},
        name="approval",
        type=bool,
        timeout=DAY,
        default=False,
        to="clerk",
    )
    ctx.publish("approved" if approved else "refused", payload)


@agent(subscribe="approved", publish=["reserved", "sold out"], overflow="block")
async def reserve(payload: Order, ctx: Context) -> None:
    """Take the pieces off the shelf. Not having them is no failure, only bad luck."""
    reservation = await ctx.step("take", take, payload)
    if reservation is None:
        ctx.publish("sold out", payload)
    else:
        ctx.publish("reserved", Reserved(**asdict(payload), reservation=reservation))


@agent(subscribe="reserved", publish=["paid", "declined"], overflow="block")
async def pay(payload: Reserved, ctx: Context) -> None:
    """Charge the card, and give the pieces back where the bank says no."""
    if await ctx.step("charge", charge, payload):
        ctx.publish("paid", payload)
    else:
        await ctx.step("put back", put_back, payload.shop, payload.reservation)
        ctx.publish("declined", payload)


PRICES = {"lamp": 1_995, "chair": 14_900, "table": 39_900}


def day(shop: str) -> Opening:
    """Forty orders; the card of each ninth has expired."""
    items = list(PRICES)
    wanted = [(number, items[number % 3], number % 5 + 1) for number in range(1, 41)]
    orders = [
        Order(n, item, pieces, pieces * PRICES[item], "expired" if n % 9 == 0 else "good", shop)
        for n, item, pieces in wanted
    ]
    return Opening(shop, {"lamp": 50, "chair": 30, "table": 24}, orders)


agents = [open_shop, approve, reserve, pay]
channel, payload = "openings", day("shop.sqlite")


def finish(run: LiveRun, report: Report) -> str:
    """How the day went, and whether the books balance."""
    ends = {end: len(found) for end, found in report.outputs.items()}
    shop = report.outputs["paid"][0]["shop"]
    return "\n".join([f"orders: {dict(sorted(ends.items()))}", *balance(shop)])


def balance(shop: str) -> Iterator[str]:
    """Goods and money, as the file has them. What was delivered is on the shelf or ordered."""
    goods = """
        SELECT item, delivered, pieces, (SELECT sum(pieces) FROM orders
        WHERE orders.item = stock.item AND NOT returned) FROM stock"""
    asked = (
        "SELECT sum(asked - 1) FROM (SELECT asked FROM orders UNION ALL SELECT asked FROM payments)"
    )
    with opened(shop) as db:
        for item, delivered, shelf, ordered in db.execute(goods):
            right = "right" if delivered == shelf + ordered else "WRONG"
            yield f"{item}: {delivered} delivered = {shelf} there + {ordered} ordered: {right}"
        [(payments, cents)] = db.execute("SELECT count(*), sum(cents) FROM payments")
        yield f"{payments} payments, {cents / 100:,.2f} in all"
        [(repeats,)] = db.execute(asked)
        yield f"repeats that the file has refused: {repeats}"


async def main(folder: Path) -> None:
    """One day. This clerk is quick, and lets nobody have five tables."""
    async with Executor(agents, store=folder / "state") as executor:
        await executor.run(channel, day(str(folder / "shop.sqlite")), run_id="day")
        for question in executor.questions():
            order = question.question["approve"]
            await executor.answer(question.id, order["pieces"] < 5, by="clerk")
        run = executor.live("day")
        print(finish(run, await run.result()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        anyio.run(main, Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as folder:
            anyio.run(main, Path(folder))

# Output:
# orders: {'declined': 4, 'paid': 29, 'refused': 2, 'sold out': 5}
# lamp: 50 delivered = 23 there + 27 ordered: right
# chair: 30 delivered = 0 there + 30 ordered: right
# table: 24 delivered = 0 there + 24 ordered: right
# 29 payments, 14,584.65 in all
# repeats that the file has refused: 0
