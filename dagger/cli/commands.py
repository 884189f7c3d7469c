"""The `dagger` command: its subcommands, and what becomes of their errors."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Any

import click

from dagger.cli.agents import command as agents
from dagger.cli.check import command as check
from dagger.cli.exits import Exit, refusal
from dagger.cli.run import command as run
from dagger.words.errors import DaggerError


class Commands(click.Group):
    """Commands whose every failure is one sentence on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        if isinstance(sys.stdout, TextIOWrapper):  # a narrow encoding is no reason to fail
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except DaggerError as error:
            raise refusal(error) from error
        except KeyboardInterrupt:
            ctx.exit(Exit.INTERRUPTED)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Show the version and exit."""
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"dagger, version {version('dagger-runtime')}")
    except PackageNotFoundError:
        click.echo("dagger, from a source tree that is not installed")
    ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Shell completion: https://click.palletsprojects.com/shell-completion/",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version)
def main() -> None:
    """Run, check and list agents that are written in a Python file."""


for each in (run, check, agents):
    main.add_command(each)
