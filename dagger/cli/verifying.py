"""What `dagger verify` finds and does, told as it goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from dagger.cli.stored import ALL
from dagger.executor.repairing import repair
from dagger.executor.verifying import Finding, verify
from dagger.store.reader import StoreReader
from dagger.views.wording import plural


class Found(NamedTuple):
    """What there is in a store, and what is wrong with it."""

    records: int
    runs: int
    findings: list[Finding]

    def __str__(self) -> str:
        told = f"{plural(self.records, 'record')}, {plural(self.runs, 'run')}"
        if not self.findings:
            return f"whole: {told}"
        return f"{plural(len(self.findings), 'finding')}: {told}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        findings = [each._asdict() for each in self.findings]
        return {"records": self.records, "runs": self.runs, "findings": findings}


def look(store: Path, *, silent: bool) -> Found:
    """Everything that is wrong with a store, each told at once. Raises DatabaseError."""
    with StoreReader(store) as reader, reader.still():
        findings = []
        for each in verify(reader):
            findings.append(each)
            if not silent:
                click.echo(str(each))
        runs = sum(1 for _ in reader.ids())
        return Found(reader.position, runs, findings)


def repaired(store: Path, *, silent: bool) -> Iterator[str]:
    """What was done to make a store whole, each told at once. Raises DatabaseError."""
    for each in repair(store, ALL):
        if not silent:
            click.echo(each)
        yield each
