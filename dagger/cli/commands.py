"""The `dagger` command: its subcommands, and what becomes of their errors."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from itertools import chain
from typing import Any

import click

from dagger.cli.agents import command as agents
from dagger.cli.answer import command as answer
from dagger.cli.backup import command as backup
from dagger.cli.cancel import command as cancel
from dagger.cli.check import command as check
from dagger.cli.compact import command as compact
from dagger.cli.dead_letters import command as dead_letters
from dagger.cli.diff import command as diff
from dagger.cli.dot import command as dot
from dagger.cli.exits import Exit, refusal
from dagger.cli.export import command as export
from dagger.cli.flow import command as flow
from dagger.cli.fork import command as fork
from dagger.cli.gc import command as gc
from dagger.cli.import_ import command as import_
from dagger.cli.pause import command as pause
from dagger.cli.questions import command as questions
from dagger.cli.recheck import command as recheck
from dagger.cli.resume import command as resume
from dagger.cli.review import command as review
from dagger.cli.run import command as run
from dagger.cli.runs import command as runs
from dagger.cli.schedule import command as schedule
from dagger.cli.schedules import command as schedules
from dagger.cli.show import command as show
from dagger.cli.verify import command as verify
from dagger.cli.watch import command as watch
from dagger.cli.worker import command as worker
from dagger.words.errors import DaggerError

SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Agents in a file": (run, worker, check, agents),
    "Flows in a file": (flow,),
    "Runs in a store": (runs, show, dot, watch, dead_letters, diff),
    "People": (questions, answer),
    "Schedules": (schedule, schedules),
    "What becomes of a run": (pause, resume, cancel, fork, recheck),
    "The store itself": (verify, backup, gc, compact, export, import_),
    "Ready-made agents": (review,),
}
"""The commands in the order of their help."""


class Commands(click.Group):
    """Commands whose every failure is one sentence on stderr and an exit code."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                limit = formatter.width - width - 6
                rows = [
                    (f"{each.name:<{width}}", each.get_short_help_str(limit)) for each in commands
                ]
                formatter.write_dl(rows)

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
    epilog='Completion of commands and run ids: eval "$(_DAGGER_COMPLETE=bash_source dagger)"',
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version)
def main() -> None:
    """Run, check and list agents that are written in a Python file, and see to their runs."""


for each in chain(*SECTIONS.values()):
    main.add_command(each)
