"""Ids that shells complete while a line is typed: of the store that is named in it so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dagger.cli.stores import DEFAULT

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


def run_argument(
    name: str = "run_id", metavar: str = "RUN", *, required: bool = True
) -> Callable[[F], F]:
    """RUN, the id of a run."""
    shown = metavar if required else f"[{metavar}]"
    return click.argument(name, metavar=shown, required=required, shell_complete=run_ids)


def run_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The ids of runs; none where the store cannot be read."""
    return _completed(_runs, ctx, incomplete)


def question_ids(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The ids of open questions, as for `run_ids`."""
    return _completed(_questions, ctx, incomplete)


def schedule_ids(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The ids of schedules, as for `run_ids`."""
    return _completed(_schedules, ctx, incomplete)


def _completed(
    ids: Callable[[Path], Iterable[str]], ctx: click.Context, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    try:
        found = ids(ctx.params.get("store") or DEFAULT)
    except Exception:  # nothing that goes wrong may be written into a line that is being typed
        return []
    return [CompletionItem(each) for each in found if each.startswith(incomplete)]


def _runs(store: Path) -> Iterable[str]:
    from dagger.store.reader import StoreReader

    with StoreReader(store) as reader:
        return [run_id for _, run_id in reader.ids()]


def _questions(store: Path) -> Iterable[str]:
    from dagger.cli.people import stored_questions

    return [each.id for each in stored_questions(store)]


def _schedules(store: Path) -> Iterable[str]:
    from dagger.cli.scheduling import known

    return known(store).schedules
