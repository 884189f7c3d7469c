"""`dagger diff`: where two stored runs part."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dagger.cli.completing import run_argument
from dagger.cli.exits import Exit
from dagger.cli.stores import number_of, opened, store_option

if TYPE_CHECKING:
    from dagger.views.diff import Compared, Handled

LINES = 200
"""Lines that are shown, unless all are asked for."""

CODES = """\b
Exit codes:
  0  they have done the same
  1  they have not
  2  what was asked for cannot be done
  3  the store cannot be read"""


@click.command("diff", epilog=CODES)
@run_argument("a", "A")
@run_argument("b", "B")
@store_option
@click.option("--all", "whole", is_flag=True, help="Show all lines.")
@click.option("--json", "as_json", is_flag=True, help="Print all invocations as JSON.")
def command(a: str, b: str, store: Path, whole: bool, as_json: bool) -> None:
    """Tell where two runs part.

    Their invocations are compared by their place in the tree: what they were given, how
    they ended and what they published. The first that differs is marked.
    """
    from dagger.executor.diffing import diff_runs
    from dagger.views.diff import text

    with opened(store) as reader, reader.still():
        found = diff_runs(reader, number_of(reader, a), number_of(reader, b))
    if as_json:
        click.echo(json.dumps([_described(each, a, b) for each in found], indent=2))
    else:
        click.echo(text(found, a, b, len(found) if whole else LINES))
    same = all(each.verdict == "same" for each in found)
    sys.exit(Exit.OK if same else Exit.NOT_COMPLETED)


def _described(pair: Compared, a: str, b: str) -> dict[str, Any]:
    return {
        "verdict": pair.verdict,
        "first": pair.first,
        "differs": list(pair.differs),
        "a": _side(pair.a, a),
        "b": _side(pair.b, b),
    }


def _side(handled: Handled | None, run_id: str) -> dict[str, Any] | None:
    """An invocation of one of the runs; null for what is not known any more."""
    if handled is None:
        return None
    from dagger.words.ids import message_id, node_id
    from dagger.words.payload import decode

    published = handled.published
    return {
        "node_id": node_id(handled.agent, run_id, handled.delivery),
        "message_id": message_id(run_id, handled.parent, handled.place),
        "agent": handled.agent,
        "channel": handled.channel,
        "status": handled.status,
        "failure": handled.failure,
        "payload": None if handled.payload is None else decode(handled.payload),
        "published": None
        if published is None
        else [{"channel": channel, "payload": decode(blob)} for channel, blob in published],
    }
