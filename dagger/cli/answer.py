"""`dagger answer`: a question of a run is answered."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from dagger.cli.completing import question_ids
from dagger.cli.stores import store_option


@click.command("answer", epilog="Exit codes: 0 done, 2 usage or refused, 3 store trouble.")
@click.argument("id", metavar="ID", shell_complete=question_ids)
@click.argument("value", metavar="VALUE")
@store_option
@click.option("--by", metavar="WHO", help="Who answers; you, if nobody is named.")
def command(id: str, value: str, store: Path, by: str | None) -> None:
    """Answer a question (see `dagger questions`).

    VALUE is JSON, @file or - (stdin); what is no JSON is taken as text. An answer that will
    not do is refused, with the reason, and the question stays open.
    """
    from dagger.cli.people import answer

    answer(store, id, value, getpass.getuser() if by is None else by)
    click.echo(f"{id} is answered")
