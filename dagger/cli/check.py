"""`dagger check`: what is wrong with agents and channels before anything runs."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagger.cli.exits import Exit
from dagger.cli.pictures import draw, picture_option
from dagger.cli.target import METAVAR
from dagger.views.wording import plural

if TYPE_CHECKING:
    from dagger.views.lint import Finding, Level
    from dagger.views.topology import Topology

_COLOURS: dict[Level, str] = {"error": "red", "warning": "yellow", "note": "blue"}


@click.command("check", epilog="Exit codes: 0 no errors, 1 errors, 2 usage.")
@click.argument("target", metavar=METAVAR, type=click.Path())
@click.option("--channel", metavar="C", help="Runs start on this channel.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@picture_option("--dot", "Write the topology as DOT source.")
def command(target: str, channel: str | None, as_json: bool, dot: Path | None) -> None:
    """Check how the agents of a file fit together, without running them.

    An error cannot be meant: a start that nobody hears, schemas that never fit. Warnings
    and notes are worth knowing.
    """
    from dagger.cli.program import load
    from dagger.executor.executor import Executor
    from dagger.views.lint import lint

    program = load(target)
    topology = Executor(program.agents, config=program.config).topology()
    findings = lint(topology, channel or program.channel)
    if as_json:
        click.echo(json.dumps([each._asdict() for each in findings], indent=2))
    else:
        click.echo("\n".join(_lines(topology, findings)))
    draw(topology, dot=dot)
    sys.exit(Exit.NOT_COMPLETED if any(each.level == "error" for each in findings) else Exit.OK)


def _lines(topology: Topology, findings: Sequence[Finding]) -> Iterator[str]:
    for each in findings:
        level = click.style(f"{each.level:<7}", fg=_COLOURS[each.level])
        yield f"{level}  {each.subject}: {each.text}"
    counts = Counter(each.level for each in findings)
    found = ", ".join(plural(counts[level], level) for level in _COLOURS)
    agents, channels = len(topology.agents), len(topology.channel_names())
    yield f"{plural(agents, 'agent')}, {plural(channels, 'channel')}: {found}"
