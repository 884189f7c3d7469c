"""What `dagger verify` finds and does, told as it goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import click

from dagger.cli.stored import ALL
from dagger.executor.repairing import repair
from dagger.executor.verifying import Finding, inbox, pages, verify
from dagger.store.reader import StoreReader
from dagger.views.wording import plural
from dagger.words.errors import StoreCorrupt


class Found(NamedTuple):
    """What there is in a store, and what is wrong with it."""

    records: int | None
    """None where they cannot be counted; so are the runs."""
    runs: int | None
    findings: list[Finding]

    def __str__(self) -> str:
        wrong = plural(len(self.findings), "finding") if self.findings else "whole"
        if self.records is None or self.runs is None:
            return f"{wrong}: nothing else can be looked at before that is repaired"
        return f"{wrong}: {plural(self.records, 'record')}, {plural(self.runs, 'run')}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        findings = [each._asdict() for each in self.findings]
        return {"records": self.records, "runs": self.runs, "findings": findings}


def look(store: Path, *, silent: bool) -> Found:
    """Everything that is wrong with a store, each told at once. Raises DatabaseError."""
    findings = list(_told(pages(store), silent))
    if findings:
        return Found(None, None, findings)
    with StoreReader(store) as reader, reader.still():
        commands = inbox(store) if reader.owner() is None else ()
        findings = list(_told(chain(commands, verify(reader)), silent))
        with suppress(StoreCorrupt):  # it is among the findings
            return Found(reader.position, sum(1 for _ in reader.ids()), findings)
    return Found(None, None, findings)


def _told(found: Iterable[Finding], silent: bool) -> Iterator[Finding]:
    for each in found:
        if not silent:
            click.echo(str(each))
        yield each


def repaired(store: Path, *, silent: bool) -> Iterator[str]:
    """What was done to make a store whole, each told at once. Raises DatabaseError."""
    for each in repair(store, ALL):
        if not silent:
            click.echo(each)
        yield each
