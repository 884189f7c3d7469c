"""`dagger questions`: what runs in a store ask of people."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dagger.cli.completing import run_argument
from dagger.cli.stores import store_option


@click.command("questions", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument(required=False)
@store_option
@click.option("--to", metavar="WHO", help="Only those for this person, or for everybody.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(run_id: str | None, store: Path, to: str | None, as_json: bool) -> None:
    """List the questions that nobody has answered yet, oldest first."""
    from dagger.cli.people import described, stored_questions
    from dagger.cli.stores import in_store

    asked = stored_questions(store, run_id)
    found = [each for each in asked if to is None or each.to in ("", to)]
    if as_json:
        click.echo(json.dumps([each.to_dict() for each in found], indent=2))
    elif found:
        for each in found:
            click.echo("\n".join(described(each)))
        click.echo(f"\nanswer with: dagger answer ID VALUE{in_store(store)}", err=True)
    else:
        click.echo(f"nothing is asked in {run_id or store}")
