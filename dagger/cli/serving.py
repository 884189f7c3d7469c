"""What a worker serves: the agents of a file, or flows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagger.cli.flows import is_flow

if TYPE_CHECKING:
    from dagger.cli.offer import Offer


def served(targets: Sequence[str], steps: Sequence[str], accept_changes: bool) -> Offer:
    """FILE.py[:NAME], or as many FILE.yml as wanted.

    Raises UsageError, Refused, and what of Dagger's errors the files raise.
    """
    if all(map(is_flow, targets)):
        from dagger.cli.flow_program import load as flows

        return flows([*map(Path, targets)], steps, accept_changes=accept_changes)
    from dagger.cli.program import load

    if len(targets) > 1:
        problem = "a worker serves one FILE.py, or flows"
        raise click.UsageError(f"{problem}; name files with what flows use by --steps")
    if steps or accept_changes:
        raise click.UsageError("--steps and --accept-changes are for flows: FILE.yml")
    return load(targets[0])
