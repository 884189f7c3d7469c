"""The steps of the catalog check that are functions: from the text of a page to rows in SQLite.

Each may be called again, after a failure or a crash, and then changes nothing that is there
already and says the same as before.
"""

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from dagger import step


@dataclass
class Invoice:
    """One invoice, as a page tells of it."""

    number: str
    date: str
    """ISO 8601."""
    customer: str
    cents: int


@dataclass
class Verified:
    """The invoices of a month, and those that only claim to be."""

    right: list[Invoice]
    wrong: list[Invoice]


@dataclass
class Stored:
    """What the database has of a month."""

    rows: int
    cents: int
    by_this_run: int
    """Rows that were not there before."""


@step
def parse(page: str) -> list[Invoice]:
    """The invoices on a page, which is CSV with a header."""
    return [
        Invoice(it["number"], it["date"], it["customer"], cents(it["amount"]))
        for it in csv.DictReader(page.splitlines())
    ]


def cents(amount: str) -> int:
    """An amount such as 1,234.50 in cents."""
    whole, _, part = amount.replace(",", "").partition(".")
    return int(whole) * 100 + int(part)


@step
def verify(pages: list[list[Invoice]], month: str, strict: bool = False) -> Verified:
    """Tell invoices of the month from others. ValueError for others, if that is strict."""
    verified = Verified([], [])
    for invoice in (each for page in pages for each in page):
        right = invoice.date.startswith(f"{month}-")
        (verified.right if right else verified.wrong).append(invoice)
    if strict and verified.wrong:
        named = ", ".join(each.number for each in verified.wrong)
        raise ValueError(f"not of {month}: {named}")
    return verified


TABLE = """
CREATE TABLE IF NOT EXISTS invoices (
    key TEXT UNIQUE, month TEXT, number TEXT, customer TEXT, cents INTEGER, run TEXT)"""


@contextmanager
def opened(database: str) -> Iterator[sqlite3.Connection]:
    """The database, for one transaction: whole, or not at all."""
    # Others are waited for less long than a step may take: no thread of one outlives it.
    with closing(sqlite3.connect(database, timeout=10)) as db, db:
        db.execute(TABLE)
        yield db


@step
def store(invoices: list[Invoice], month: str, database: str, run: str) -> Stored:
    """Store invoices. What is there under its key, from another page, run or attempt, stays."""
    rows = [
        (f"{month}/{each.number}", month, each.number, each.customer, each.cents, run)
        for each in invoices
    ]
    with opened(database) as db:
        db.executemany("INSERT OR IGNORE INTO invoices VALUES (?, ?, ?, ?, ?, ?)", rows)
        query = "SELECT count(*), coalesce(sum(cents), 0), coalesce(sum(run = ?), 0) FROM invoices"
        [found] = db.execute(f"{query} WHERE month = ?", (run, month))
    return Stored(*found)


@step
def forget(database: str, run: str) -> int:
    """Delete what a run has stored; how many rows that were."""
    with opened(database) as db:
        return db.execute("DELETE FROM invoices WHERE run = ?", (run,)).rowcount
