"""Survive a kill: a bookkeeper is killed again and again, and its books balance.

This program starts itself as a bookkeeper, kills it with `kill -9` in the middle of its
work, and starts it again, until all is booked. The agents know nothing of it: all there is
to see is the folder that `store=` names, and an id for the run.

What they do inside Dagger happens once: every transfer is in the books, once, and no money
is made or lost. What they do outside happens at least once: each call of `book` is told on
stdout, and there are more of them than transfers.
"""

import random
import subprocess
import sys
from tempfile import TemporaryDirectory

import anyio

from dagger import Context, Executor, Report, agent, run

KILLS, TRANSFERS, PEOPLE = 10, 300, ("Ada", "Ben", "Cleo")


@agent(subscribe="orders", publish="transfers", publish_each=True)
async def order(payload: int) -> list[int]:
    """One transfer after the other."""
    return list(range(payload))


@agent(subscribe="transfers", publish="booked", concurrency=2)
async def book(payload: int, ctx: Context) -> int:
    """Transfer number n is over n cents; both accounts change, or neither."""
    print("booking", payload, flush=True)
    await anyio.sleep(0.005)
    ctx.cache.increment(PEOPLE[payload % 3], -payload)
    ctx.cache.increment(PEOPLE[(payload + 1) % 3], payload)
    return payload


agents, channel, payload = [order, book], "orders", TRANSFERS


def life(folder: str, calls: int) -> tuple[int, bool]:
    """One life of the bookkeeper, killed after some calls: how many, and whether it was."""
    command, heard = [sys.executable, __file__, folder], 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as keeper:
        for heard, _ in enumerate(keeper.stdout or (), start=1):
            if heard == calls:
                keeper.kill()  # SIGKILL: it gets no chance to put anything in order
    return heard, keeper.returncode < 0


async def audit(folder: str) -> tuple[Report, dict[str, int]]:
    """The report of the run that has ended, from the store, and the accounts in its cache."""
    async with Executor(agents, store=folder) as executor:
        report = await executor.run(channel, payload, run_id="books")
        cache = executor.live("books").cache
        return report, {name: cache.get(name) for name in PEOPLE}


def main() -> None:
    """Kill, restart, and look at what is left."""
    with TemporaryDirectory() as folder:
        lives = [life(folder, random.randint(5, 25)) for _ in range(KILLS)]
        lives.append(life(folder, calls=-1))
        report, accounts = anyio.run(audit, folder)
    calls, killed = map(sum, zip(*lives, strict=True))
    booked = sorted(report.outputs["booked"])
    print(f"killed {killed} times, {report.status} all the same: {dict(report.dispositions)}")
    print(f"{len(booked)} transfers, each booked once: {booked == list(range(TRANSFERS))}")
    print(f"{accounts}, which makes {sum(accounts.values())}")
    print(f"book was called {calls} times: again for what a kill had cut off")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(agents, channel, payload, store=sys.argv[1], run_id="books")
    else:
        main()

# Output, but for how many calls it takes, and kills if the machine is busy:
# killed 10 times, completed all the same: {'ok': 301}
# 300 transfers, each booked once: True
# {'Ada': 200, 'Ben': -100, 'Cleo': -100}, which makes 0
# book was called 349 times: again for what a kill had cut off
