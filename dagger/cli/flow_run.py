"""`dagger flow run`: a run of a flow, from its inputs to what has become of each step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from dagger.cli.completing import run_ids
from dagger.cli.exits import RUN_CODES
from dagger.cli.flows import FLOW_FILE, changes_option, inputs_option, steps_option
from dagger.cli.stores import FOLDER


@click.command("run", epilog=RUN_CODES)
@click.argument("file", metavar="FILE.yml", type=FLOW_FILE)
@steps_option
@inputs_option
@click.option("--timeout", type=float, metavar="S", help="Seconds that the run may be active.")
@click.option(
    "--store",
    type=FOLDER,
    envvar="DAGGER_STORE",
    metavar="DIR",
    help="Folder that keeps the run, so that the same command goes on with it; or DAGGER_STORE.",
)
@click.option("--run-id", metavar="ID", shell_complete=run_ids, help="Name of the run.")
@changes_option
@click.option("--json", "as_json", is_flag=True, help="Print what has become of it as JSON.")
@click.option("--log-json", is_flag=True, help="Log as lines of JSON, also how steps end.")
@click.option("-v", "--verbose", is_flag=True, help="Show what steps say with ctx.log.")
def command(file: Path, steps: tuple[str, ...], given: tuple[str, ...], **how: Any) -> None:
    """Carry a flow out, and say what has become of each step.

    What its steps use is in the files that --steps names, and in the modules of the setting
    flow_modules. A secret input that is not given is the environment variable of its name.
    """
    from dagger.cli.flow_running import run

    sys.exit(run(file, steps, given, **how))
