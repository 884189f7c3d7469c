"""`dagger flow`: flows that are written down in files."""

from __future__ import annotations

import click

from dagger.cli.flow_check import command as check
from dagger.cli.flow_dot import command as dot


@click.group("flow", commands=[check, dot])
def command() -> None:
    """Check and draw flows, which are steps in a YAML file."""
