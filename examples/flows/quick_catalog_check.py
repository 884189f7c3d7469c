"""A flow on real parts: a flaky service over HTTP, a database in SQLite, and kills.

The flow is `quick_catalog_check.yml`: log in, fetch the pages of a month, parse and verify the
invoices, store them, have the service confirm the total. This program starts the service and
runs the flow. It can show, in the order in which you name them:

    run          a month comes in, though the service fails now and then
    again        the same month once more: nothing is stored twice
    fail         the last step fails: what the run has stored is deleted again
    kill         the process is killed, at any moment, and the next one goes on
    schedule     a run begins by itself, a second later

    python examples/flows/quick_catalog_check.py                       run, again and fail
    python examples/flows/quick_catalog_check.py kill --kills 50

The files: `catalog_steps.py` has the steps that are functions, `catalog_desk.py` runs the flow,
`catalog_service.py` is the service, `catalog_kills.py` kills, and this one shows.
"""

import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import anyio.to_thread
from catalog_desk import NAME, Desk, flows
from catalog_kills import checked
from catalog_service import Catalog, Service, invoices

from dagger import FlowReport, Outcome

MONTH, FORMER = "2026-03", "2025-12"


async def run(desk: Desk, run_id: str = "first") -> None:
    """Check a month, and tell what came of it."""
    async with desk.executor() as executor:
        tell(await flows.run(executor, NAME, desk.inputs(MONTH), run_id=run_id))


async def again(desk: Desk) -> None:
    """Check the same month in another run."""
    await run(desk, run_id="again")


async def fail(desk: Desk) -> None:
    """Check a month, and tell the service a wrong total."""
    async with desk.executor() as executor:
        inputs = desk.inputs(FORMER, fail=True)
        report = await flows.run(executor, NAME, inputs, run_id="wrong total")
    print(f"{report.run}: {report.status}")
    for step in report.steps:
        print(f"    {step.id} {step.status}" + (f", {step.error['type']}" if step.error else ""))
    print(f"    undone: {', '.join(report.undo.undone if report.undo else ())}", end="; ")
    print(f"rows that are left: {len(desk.rows(FORMER))}")


async def schedule(desk: Desk) -> None:
    """On the first of each month at four; and, not to wait that long, in a second."""
    inputs = desk.inputs(MONTH)
    async with desk.executor() as executor:
        outcomes = executor.outcomes()
        monthly = await executor.schedule(NAME, inputs, "0 4 1 * *", timezone="Europe/Paris")
        soon = datetime.now(UTC) + timedelta(seconds=1)
        await executor.schedule(NAME, inputs, soon, id="soon")
        print(f"{monthly.when}: next at {datetime.fromtimestamp(monthly.next or 0, UTC)}")
        async for outcome in outcomes:
            if isinstance(outcome, Outcome) and outcome.agent == NAME:
                tell(flows.report(executor.live(outcome.run_id)))
                break


def tell(report: FlowReport) -> None:
    """What came of a run that has succeeded."""
    stored, left_out = report.output["stored"], report.output["left_out"]
    reused = [step.id for step in report.steps if step.reused]
    print(f"{report.run}: {report.status}")
    print(
        f"    {stored['rows']} invoices of {stored['cents'] / 100:,.2f} in all are stored,", end=""
    )
    print(f" {stored['by_this_run']} of them by this run")
    print(f"    left out: {', '.join(it['number'] + ' of ' + it['date'] for it in left_out)}")
    print(f"    another run had done: {', '.join(reused) or 'nothing'}")


async def clerk(desk: Desk) -> None:
    """Check each month that comes on stdin; say on stdout when an attempt at a step begins and
    ends.
    """

    async def told(attempt: Any, handler: Callable[[], Awaitable[Any]]) -> None:
        print("begun", attempt.channel, flush=True)
        await handler()
        print("done", attempt.channel, flush=True)

    month = sys.stdin.readline()  # until then another clerk may be at the desk
    async with desk.executor(around_attempt=told) as executor:
        while month:
            inputs = desk.inputs(month.strip())
            report = await flows.run(executor, NAME, inputs, run_id=month.strip())
            print("ended", report.status, flush=True)
            month = await anyio.to_thread.run_sync(sys.stdin.readline)


def kill(desk: Desk, catalog: Catalog, kills: int, seed: int | None) -> None:
    """Kill clerks, and look at what is left."""
    command = [sys.executable, __file__, "--folder", str(desk.folder)]
    months = list(checked([*command, "--service", desk.address], kills, Random(seed)))
    wanted = sorted((number, cents) for it in months for number, _, _, cents in invoices(it.name))
    ends = {it.status for it in months}
    print(f"killed {sum(it.kills for it in months)} times in {len(months)} runs: {', '.join(ends)}")
    print(f"    {len(wanted)} invoices, each stored once, and nothing else: ", end="")
    print(desk.rows() == wanted)
    confirmed = catalog.confirmed.keys() >= {it.name for it in months}
    print(f"    each month confirmed, under one key: {confirmed}")


SHOWS = {"run": run, "again": again, "fail": fail, "schedule": schedule}


def main(said: Namespace) -> None:
    """Show what is wanted."""
    with TemporaryDirectory() as passing, Service(catalog := Catalog()) as service:
        folder = said.folder or Path(passing)
        for each in said.shows:
            if each == "kill":
                kill(Desk(folder / "kills", service.address), catalog, said.kills, said.seed)
            else:
                anyio.run(SHOWS[each], Desk(folder, service.address))
        asked, faults = catalog.asked.total(), catalog.faults
        print(f"the service was asked {asked} times, failed {faults['503']} times", end="")
        print(f" and hung {faults['hangs']} times")


if __name__ == "__main__":
    parser = ArgumentParser(description="A flow on real parts.")
    parser.add_argument("shows", nargs="*", metavar="SHOW", help=f"{', '.join(SHOWS)} or kill")
    parser.add_argument("--kills", type=int, default=5, help="how many")
    parser.add_argument("--seed", type=int, help="says when to kill")
    parser.add_argument("--folder", type=Path, help="a new one, for store and database")
    parser.add_argument("--service", help=SUPPRESS)
    said = parser.parse_args()
    said.shows = said.shows or ["run", "again", "fail"]
    if said.service:
        anyio.run(clerk, Desk(said.folder, said.service))
    elif unknown := set(said.shows) - {*SHOWS, "kill"}:
        parser.error(f"there is no show {', '.join(unknown)}")
    else:
        main(said)

# Output, but for how often the service is asked if the machine is busy:
# first: succeeded
#     20 invoices of 57,862.79 in all are stored, 20 of them by this run
#     left out: 2026-03-999 of 1999-03-01
#     another run had done: nothing
# again: succeeded
#     20 invoices of 57,862.79 in all are stored, 0 of them by this run
#     left out: 2026-03-999 of 1999-03-01
#     another run had done: confirm
# wrong total: failed
#     login succeeded
#     pages succeeded, HttpRefused
#     archive succeeded
#     fetch succeeded
#     parse succeeded
#     verify succeeded
#     store succeeded
#     confirm failed, HttpRefused
#     undone: store; rows that are left: 0
# the service was asked 34 times, failed 6 times and hung 1 times
