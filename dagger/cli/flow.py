"""`dagger flow`: flows that are written down in files."""

from __future__ import annotations

import click

from dagger.cli.flow_check import command as check
from dagger.cli.flow_dot import command as dot
from dagger.cli.flow_run import command as run
from dagger.cli.flow_show import command as show


@click.group("flow", commands=[run, show, check, dot])
def command() -> None:
    """Run, show, check and draw flows, which are steps in a YAML file."""
