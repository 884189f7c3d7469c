"""`dagger show`: the execution tree and the report of a stored run."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from dagger.cli.stores import opened, run_argument, store_option

LINES = 200
"""Lines of the tree that are shown, unless all are asked for."""


@click.command("show", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument()
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--all", "whole", is_flag=True, help="All that ever was of it, from its history.")
def command(run_id: str, store: Path, as_json: bool, whole: bool) -> None:
    """Show the execution tree and the report of a run.

    Equal parts of the tree are merged, with their count. What a run keeps is bounded by
    its settings; --all reads the rest of it from the journal.
    """
    from dagger.cli.stored import stored_run
    from dagger.views.report import make_report

    with opened(store) as reader, reader.still():
        run = stored_run(reader, run_id, whole=whole)
    report = make_report(run, time.time())
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        tree = report.tree.text(len(report.tree) + LINES if whole else LINES)
        click.echo(f"{tree}\n\n{report}")
