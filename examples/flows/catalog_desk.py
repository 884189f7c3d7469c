"""Where months are checked: the flow, a store, a database, and the address of the service."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import catalog_steps
from catalog_service import PASSWORD

from dagger import Config, Executor, Flows

NAME = "quick_catalog_check"

flows = Flows(
    Path(__file__).with_name(f"{NAME}.yml"),
    uses=[catalog_steps],
    secrets={"CATALOG_PASSWORD": PASSWORD},  # otherwise it is a variable of the environment
    config=Config(flow_private_addresses=True),  # our service is on this machine
)


class Desk:
    """Where months are checked: a folder for store and database, and the service's address."""

    def __init__(self, folder: Path, address: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.address = address
        self.database = folder / "invoices.sqlite"

    def executor(self, **options: Any) -> Executor:
        """An executor that goes on with what is in the store."""
        return Executor(flows.agents, store=self.folder / "state", **options)

    def inputs(self, month: str, **more: Any) -> dict[str, Any]:
        """The inputs of a run."""
        return {"service": self.address, "database": str(self.database), "month": month, **more}

    def rows(self, month: str = "%") -> list[tuple[str, int]]:
        """Number and cents of all that is in the database, or of a month."""
        query = "SELECT number, cents FROM invoices WHERE month LIKE ? ORDER BY number"
        with closing(sqlite3.connect(self.database)) as db:
            return db.execute(query, (month,)).fetchall()
