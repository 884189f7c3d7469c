"""`dagger schedule`: a message that begins a run, again and again or at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dagger.cli.completing import schedule_ids
from dagger.cli.stores import store_option

MISFIRES = ("one", "all", "none")

OVERLAPS = ("skip", "queue", "cancel_old")

INPUT = "The payload: JSON, @file or - (stdin); of a flow also name=value, as often as wanted."


@click.command("schedule", epilog="Exit codes: 0 done, 2 usage or refused, 3 store trouble.")
@click.argument("what", metavar="CHANNEL|FILE.yml")
@click.argument("when", metavar="[WHEN]", required=False)
@store_option
@click.option("--cron", metavar="EXPR", help='The same as WHEN, such as "0 4 * * *".')
@click.option("--input", "given", multiple=True, metavar="INPUT", help=INPUT)
@click.option("--id", metavar="ID", shell_complete=schedule_ids, help="Name of the schedule.")
@click.option(
    "--timezone", "--tz", metavar="ZONE", help="Such as Europe/Berlin; UTC if none is given."
)
@click.option("--misfire", type=click.Choice(MISFIRES), help="Which missed slots start a run: one.")
@click.option("--overlap", type=click.Choice(OVERLAPS), help="While the run before is open: skip.")
@click.option("--jitter", type=float, metavar="S", help="Come up to so many seconds late.")
@click.option("--grace", type=float, metavar="S", help="Seconds until a slot is missed: 60.")
def command(
    what: str, when: str | None, store: Path, cron: str | None, given: tuple[str, ...], **terms: Any
) -> None:
    """Begin a run with this message at each slot of WHEN.

    WHEN is "every 5m", a moment such as 2026-03-01T09:00, or a cron expression such as
    "30 9 * * MON-FRI". A schedule of that id that is there already is changed. It is kept to
    while a process has the store open that hears CHANNEL: see `dagger worker`.

    Of a flow FILE.yml the inputs are checked; what is not said here is as its `schedule` says.
    """
    from dagger.cli.scheduling import schedule, told
    from dagger.cli.wanted import wanted

    said = {name: value for name, value in terms.items() if value is not None}
    plan = wanted(what, when, cron, given, said)
    info, heard = schedule(store, plan)
    click.echo(told(info))
    if not heard:
        click.echo(
            f"no agent has named channel {plan.channel!r} so far: slots wait for one", err=True
        )
