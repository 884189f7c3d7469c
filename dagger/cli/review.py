"""`dagger review`: what is found in source text, and what of that can be mended safely."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dagger.cli.exits import Exit

FORMATS = ("text", "json", "markdown")


@click.command("review", epilog="Exit codes: 0 the score is reached, 1 it is not, 2 usage.")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--format", "as_", type=click.Choice(FORMATS), default="text", help="How to tell.")
@click.option("--fix", is_flag=True, help="Change the files where that is safe.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 10),
    default=8,
    show_default=True,
    help="The score to be reached, from 0 to 10.",
)
@click.option("--branch", metavar="BASE", help="Only the files changed since branch BASE.")
def command(path: Path, as_: str, fix: bool, threshold: float, branch: str | None) -> None:
    """Review a file of Python, or all in a folder: issues, what to do, and a score.

    Nothing of them is run, and nothing is changed without --fix.
    """
    from dagger.cli.reviewing import reviewed

    told, score, changed = reviewed(path, as_, branch, threshold if fix else None)
    click.echo(told)
    for each in changed:
        click.echo(f"changed {each}", err=True)
    sys.exit(Exit.OK if score >= threshold else Exit.NOT_COMPLETED)
