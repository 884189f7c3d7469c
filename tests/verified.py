"""What `dagger verify` says of the stores that a test leaves behind."""

from __future__ import annotations

from pathlib import Path

from dagger.executor.verifying import Finding, inbox, pages, verify
from dagger.store.pagefile import DATA
from dagger.store.reader import StoreReader


def wrong(folder: Path) -> list[tuple[Path, Finding]]:
    """Everything that is wrong with the stores below a folder, which nobody uses any more."""
    stores = [data.parent.parent for data in folder.rglob(f"journal/{DATA}")]
    return [(store, found) for store in stores for found in _findings(store)]


def _findings(store: Path) -> list[Finding]:
    found = [*pages(store), *inbox(store)]
    if not found:
        with StoreReader(store) as reader:
            found = list(verify(reader))
    return found
