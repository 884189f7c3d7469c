"""Where a handler runs: on the loop, in a thread, or in a process of its own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

from dagger.authoring.signature import CallPlan, Kind
from dagger.words.errors import DefinitionError

TRAVELS = ("payload", "message", "channel", "node_id")
"""What a handler may ask for in another process."""


class RunIn(StrEnum):
    """What may be said of where a handler runs."""

    THREAD = "thread"
    PROCESS = "process"


class Importable(NamedTuple):
    """A function at the top of a module, as another process finds it."""

    module: str
    file: str
    name: str


def placed(handler: Callable[..., Any], plan: CallPlan, declared: object) -> Importable | None:
    """Where a worker process finds the handler; None if it runs in this one.

    Raises DefinitionError where it cannot run where it is declared to.
    """
    try:
        run_in = None if declared is None else RunIn(str(declared))
    except ValueError:
        problem = f"run_in must be 'thread' or 'process', not {declared!r}"
        raise DefinitionError(problem, plan.where) from None
    if run_in is RunIn.THREAD and not plan.kind.threaded:
        problem = (
            "run_in='thread' is for a plain def, and an async def runs on the event loop; "
            "write it as a plain def, or call what takes long with ctx.step, which has a thread"
        )
        raise DefinitionError(problem, plan.where)
    return _importable(handler, plan) if run_in is RunIn.PROCESS else None


def _importable(handler: Callable[..., Any], plan: CallPlan) -> Importable:
    """The handler, if a worker process can find it and call it."""
    if plan.kind is not Kind.FUNCTION:
        hint = (
            "return a list, with publish_each=True"
            if plan.kind is Kind.GENERATOR
            else "write it as a plain def: there is no event loop"
        )
        problem = (
            f"run_in='process' takes a plain def that returns, not {plan.kind.value!r}; {hint}"
        )
        raise DefinitionError(problem, plan.where)
    _check_function(handler, plan.where)
    for name in plan.parameters:
        if name not in TRAVELS:
            problem = (
                f"parameter {name!r} cannot go into a worker process (run_in='process'); ask for "
                f"{', '.join(TRAVELS[:-1])} or {TRAVELS[-1]}, and return what is to be published"
            )
            raise DefinitionError(problem, plan.where)
    file = getattr(sys.modules.get(handler.__module__), "__file__", None)
    if file is None:
        problem = (
            f"a worker process imports the handler, and {handler.__module__!r} comes from no file; "
            "put the function into one"
        )
        raise DefinitionError(problem, plan.where)
    return Importable(handler.__module__, file, handler.__qualname__)


def _check_function(handler: Callable[..., Any], where: str) -> None:
    """Raise DefinitionError unless it is a function that a module has by its name."""
    if not inspect.isfunction(handler):
        what = f"a {type(handler).__name__}"
    elif handler.__name__ == "<lambda>":
        what = "a lambda"
    elif "<locals>" in handler.__qualname__:
        what = "a function inside another one"
    elif "." in handler.__qualname__:
        what = "a function inside a class"
    else:
        return
    problem = (
        "run_in='process' takes a function at the top of a module, which a worker process can "
        f"import, and this is {what}; write it there with def"
    )
    raise DefinitionError(problem, where)
