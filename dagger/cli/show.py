"""`dagger show`: the execution tree and the report of a stored run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagger.cli.completing import run_argument
from dagger.cli.stores import number_of, opened, store_option
from dagger.cli.terminal import columns
from dagger.views.wording import clean, one_line, plural

if TYPE_CHECKING:
    from dagger.cli.messages import Message

LINES = 200
"""Lines of the tree that are shown, unless all are asked for."""

WIDTH = 160
"""Columns of a message that goes to no terminal."""

LEAST = 20
"""Columns that its payload has at least."""


@click.command("show", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument()
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--all", "whole", is_flag=True, help="All that ever was of it, from its history.")
@click.option("--messages", is_flag=True, help="Its messages instead, with their ids.")
def command(run_id: str, store: Path, as_json: bool, whole: bool, messages: bool) -> None:
    """Show the execution tree and the report of a run.

    Equal parts of the tree are merged, with their count. What a run keeps is bounded by
    its settings; --all reads the rest of it from the journal, and so does --messages.
    """
    from dagger.cli.stored import stored_run
    from dagger.views.report import make_report

    if messages:
        _show_messages(run_id, store, as_json)
        return

    with opened(store) as reader, reader.still():
        run = stored_run(reader, run_id, whole=whole)
    report = make_report(run, time.time())
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        tree = report.tree.text(len(report.tree) + LINES if whole else LINES)
        click.echo(f"{tree}\n\n{report}")


def _show_messages(run_id: str, store: Path, as_json: bool) -> None:
    from dagger.cli.messages import messages
    from dagger.cli.stored import stored_run

    with opened(store) as reader, reader.still():
        found = messages(reader, number_of(reader, run_id))
        if as_json:
            click.echo(json.dumps([each._asdict() for each in found], indent=2))
            return
        count = 0
        for each in found:
            click.echo(_line(each))
            count += 1
        run = stored_run(reader, run_id)
    if count < run.messages:
        before = f"{plural(run.messages - count, 'message')} before that"
        where = f"in run {run.forked[0]}, up to {run.forked[1]}" if run.forked else "not in here"
        click.echo(f"{before}: {where}", err=True)


def _line(message: Message) -> str:
    """A message, from whom and for whom, and as much of its payload as the line has room for."""
    heard_by = ", ".join(message.heard_by) or "nobody"
    head = f"{clean(message.id)} · {one_line(message.channel, 40)} · "
    head += f"{message.agent or 'outside'} → {heard_by} · "
    payload = json.dumps(message.payload, ensure_ascii=False)
    return head + one_line(payload, max(LEAST, columns(WIDTH) - len(head)))
