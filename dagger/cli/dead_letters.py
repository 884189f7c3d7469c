"""`dagger dead-letters`: the messages in a store that failed for good."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dagger.cli.completing import run_argument
from dagger.cli.stores import opened, store_option
from dagger.cli.terminal import columns
from dagger.cli.times import moment
from dagger.views.wording import clean, one_line, plural

if TYPE_CHECKING:
    from dagger.store.reader import StoreReader
    from dagger.views.letters import DeadLetter

WIDTH = 100
"""Columns of a line of the list that goes to no terminal."""


@click.command("dead-letters", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument(required=False)
@store_option
@click.option("--show", "node", metavar="NODE", help="All about one, by its node or message id.")
@click.option("--redrive", "again", metavar="NODE", help="Have one handled once more.")
@click.option("--payload", "given", metavar="JSON", help="Let it say this: JSON, @file or -.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(
    run_id: str | None, store: Path, again: str | None, given: str | None, **look: Any
) -> None:
    """List the messages that failed for good.

    Those of all runs in a store, or of one: rejected as bad input, or dead after their
    last attempt. One that is redriven is no dead letter any more: in an open run its
    invocation goes on, of an ended one a fork begins with the message.
    """
    if again is not None:
        from dagger.cli.redriving import redrive

        click.echo(redrive(store, again, given))
    elif given is not None:
        raise click.UsageError("--payload is for --redrive NODE")
    else:
        _show(store, run_id, **look)


def _show(store: Path, run_id: str | None, node: str | None, as_json: bool) -> None:
    """One of them, or all."""
    with opened(store) as reader, reader.still():
        letters = _letters(reader, run_id)
    if node is not None:
        letter = _find(letters, node)
        whole = json.dumps(letter.to_dict(), indent=2) if as_json else "\n".join(_whole(letter))
        click.echo(whole)
    elif as_json:
        click.echo(json.dumps([each.to_dict() for each in letters], indent=2))
    elif letters:
        click.echo("\n".join(line for each in letters for line in _brief(each)))
    else:
        click.echo(f"there are no dead letters in {run_id or store}")


def _letters(reader: StoreReader, run_id: str | None) -> list[DeadLetter]:
    """The kept dead letters, oldest first; of the others, how many there were is told."""
    from dagger.cli.stored import stored_run, stored_runs
    from dagger.views.letters import dead_letter

    runs = stored_runs(reader) if run_id is None else [stored_run(reader, run_id)]
    for run in runs:
        if gone := run.letters - len(run.dead_letters or ()):
            click.echo(f"run {run.id} had {gone:,} more, which are only counted", err=True)
    return [dead_letter(run.id, letter) for run in runs for letter in run.dead_letters or ()]


def _find(letters: Sequence[DeadLetter], node: str) -> DeadLetter:
    """The one of that node, or of that message. Raises LetterNotFound."""
    from dagger.words.errors import LetterNotFound

    found = next((each for each in letters if node in (each.node_id, each.id)), None)
    if found is None:
        raise LetterNotFound(node, tuple(each.node_id for each in letters))
    return found


def _brief(letter: DeadLetter) -> Iterator[str]:
    """What one needs to know first, in three lines."""
    width = columns(WIDTH) - 2
    tried = f" after {plural(letter.attempts, 'attempt')}" if letter.attempts else ""
    ended = click.style(letter.disposition, fg="red") + tried
    channel = one_line(letter.channel, 40)
    yield f"{clean(letter.node_id)} · {channel} · {ended} · {moment(letter.at)}"
    yield f"  {one_line(f'{letter.failure.type}: {letter.failure.message}', width)}"
    yield f"  {one_line(json.dumps(letter.payload, ensure_ascii=False), width)}"


def _whole(letter: DeadLetter) -> Iterator[str]:
    """All there is, a line each, and the payload as it came."""
    failure = letter.failure
    rows = [
        ("node", letter.node_id),
        ("message", letter.id),
        ("run", letter.run_id),
        ("channel", letter.channel),
        ("ended", f"{letter.disposition} at {moment(letter.at)}"),
        ("attempts", f"{letter.attempts:,}"),
        ("failure", f"{failure.type}: {failure.message}"),
        ("path", failure.path),
        ("raised at", failure.trace),
        *(("caused by", cause) for cause in failure.causes),
        ("payload", json.dumps(letter.payload, indent=2, ensure_ascii=False)),
    ]
    for name, value in rows:
        if value:
            yield f"{name:<10} " + clean(value).replace("\n", "\n" + " " * 11)
