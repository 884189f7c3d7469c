"""`dagger gc`: ended runs that are not to be kept are let go of."""

from __future__ import annotations

from pathlib import Path

import click

from dagger.cli.stores import store_option


@click.command("gc", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@store_option
@click.option("--keep-runs", type=click.IntRange(0), metavar="N", help="Keep the last N of them.")
@click.option(
    "--older-than",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Let go of those that ended longer ago.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
def command(store: Path, keep_runs: int | None, older_than: float | None, dry_run: bool) -> None:
    """Let go of ended runs, and of what killed processes have left.

    Without options as many are kept as the settings say: keep_runs, keep_runs_seconds and
    keep_runs_bytes. Open runs stay. The room is used again; `dagger compact` frees it.
    """
    from dagger.cli.sweeping import limits, sweep

    for line in sweep(store, limits(keep_runs, older_than), dry_run):
        click.echo(line)
