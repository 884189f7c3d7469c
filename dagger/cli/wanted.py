"""The schedule that a command asks for: of a channel, or of the file of a flow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dagger.cli.flows import is_flow
from dagger.cli.payloads import read_payload
from dagger.cli.scheduling import Wanted
from dagger.executor.schedules import default_id
from dagger.rules.recurrence import recurrence
from dagger.words.payload import encode


def wanted(
    what: str, when: str | None, cron: str | None, given: Sequence[str], terms: dict[str, Any]
) -> Wanted:
    """What a channel or the file of a flow, and the options behind it, amount to.

    Raises UsageError, Refused and others of Dagger's errors for what cannot be.
    """
    if when is not None and cron is not None:
        raise click.UsageError("WHEN and --cron say the same; give one of them")
    when = cron if when is None else when
    if is_flow(what):
        from dagger.cli.flow_scheduling import flow_wanted

        found = flow_wanted(Path(what), when, given, terms)
    else:
        found = _of_channel(what, when, given, terms)
    recurrence(found.when, timezone=found.terms.get("timezone", "UTC"))
    return found


def _of_channel(
    channel: str, when: str | None, given: Sequence[str], terms: dict[str, Any]
) -> Wanted:
    if when is None:
        raise click.UsageError("when? Give WHEN or --cron")
    if len(given) > 1:
        raise click.UsageError("a channel has one --input, its payload")
    payload = read_payload(given[0]) if given else None
    return Wanted(
        channel, payload, when, {"id": default_id(channel, encode(payload), when), **terms}
    )
