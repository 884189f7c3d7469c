"""Timelines of policies: one picture for each, of what happened in a run on virtual time.

Agents note when they begin and end, publishers when a message comes, and a watcher which are
superseded. Whoever has come and does not run waits.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import anyio

from dagger import (
    Agent,
    ConcurrencyKey,
    Config,
    Context,
    Debounce,
    Executor,
    LiveRun,
    RateLimit,
    ResourcePool,
    Resources,
    Throttle,
    agent,
)
from dagger.testing import simulate, simulated
from docs.pictures.timeline import Bar, Level, Mark, Row, timeline

Coming = tuple[float, str, dict[str, Any]]
"""A message: when it comes, on which channel, and what it says; its "row" is where it is drawn."""


class Notes:
    """What has happened, by row."""

    def __init__(self) -> None:
        self.came: dict[str, list[float]] = defaultdict(list)
        self.superseded: dict[str, list[float]] = defaultdict(list)
        self.ran: dict[str, list[Bar]] = defaultdict(list)

    @contextmanager
    def running(self, row: str, text: str = "") -> Iterator[None]:
        """A handler is at work."""
        began, gave_way = anyio.current_time(), True
        try:
            yield
            gave_way = False
        finally:
            now = anyio.current_time()
            self.ran[row].append(Bar(began, now, runs=True, text=text, gave_way=gave_way))

    def row(self, name: str, about: str = "", look: str = "green") -> Row:
        """All of it."""
        came, ran = sorted(self.came[name]), self.ran[name]
        marks = [Mark(at, at in self.superseded[name]) for at in came]
        return Row(name, about, [*_waited(came, ran), *ran], marks, look)

    def in_use(self, rows: Iterable[str], amounts: Sequence[int]) -> list[tuple[float, float]]:
        """How much those have together that run, from each moment on."""
        changes: dict[float, float] = defaultdict(float)
        for row, amount in zip(rows, amounts, strict=True):
            for bar in self.ran[row]:
                changes[bar.start] += amount
                changes[bar.end] -= amount
        moments = sorted(at for at, change in changes.items() if change)
        return list(zip(moments, accumulate(changes[at] for at in moments), strict=True))


def _waited(came: Sequence[float], ran: list[Bar]) -> Iterator[Bar]:
    """The times in which somebody who had come, or gave way, did not run."""
    since: float | None = None
    pending = deque(came)
    for bar in ran:
        while pending and pending[0] <= bar.start:
            at = pending.popleft()
            since = at if since is None else since
        if since is not None and bar.start > since:
            yield Bar(since, bar.start, runs=False)
        since = bar.end if bar.gave_way else None


def worker(notes: Notes, name: str, **policies: Any) -> Agent:
    """An agent that works for as long as its message says."""

    @agent(name=name, **{"subscribe": name, "concurrency": 9, "capacity": 100, **policies})
    async def work(payload: dict[str, Any]) -> None:
        with notes.running(payload["row"], payload.get("text", "")):
            await anyio.sleep(payload["for"])

    return work


def happens(executor: Executor, notes: Notes, coming: Iterable[Coming]) -> None:
    """Run an executor on virtual time while these come, each in a run of its own."""

    async def main() -> None:
        async with executor:
            async with anyio.create_task_group() as tasks:
                for at, channel, payload in coming:
                    tasks.start_soon(_comes, executor, notes, at, channel, payload)
            await executor.drain()

    simulate(main)


async def _comes(
    executor: Executor, notes: Notes, at: float, channel: str, payload: dict[str, Any]
) -> None:
    await anyio.sleep(at)
    notes.came[payload["row"]].append(at)
    report = await executor.run(channel, payload)
    if report.dispositions.get("superseded"):
        notes.superseded[payload["row"]].append(at)


# -- one picture for each --------------------------------------------------------------


def resources() -> str:
    """Two GPUs: who needs both is not overtaken, who needs none does not wait."""
    notes = Notes()
    agents = [
        worker(notes, "one", resources=Resources(gpu=1)),
        worker(notes, "both", resources=Resources(gpu=2)),
        worker(notes, "none", resources=Resources(cpu=1)),
    ]
    executor = simulated(*agents, resources=ResourcePool(gpu=2, cpu=1))
    names = ("A", "B", "C", "D", "E")
    happens(
        executor,
        notes,
        [
            (0, "one", {"row": "A", "for": 4}),
            (1, "one", {"row": "B", "for": 5}),
            (2, "both", {"row": "C", "for": 3}),
            (3, "one", {"row": "D", "for": 2}),
            (3.5, "none", {"row": "E", "for": 2.5}),
        ],
    )
    amounts = (1, 1, 2, 1, 0)
    about = ("gpu=1", "gpu=1", "gpu=2", "gpu=1", "cpu=1")
    rows = [notes.row(name, what) for name, what in zip(names, about, strict=True)]
    used = Level("gpu", "in use, of 2", notes.in_use(names, amounts), 2)
    return timeline("Resources", rows, seconds=12, levels=[used])


def priority() -> str:
    """Urgent messages keep coming; what is less urgent has its turn all the same."""
    notes = Notes()
    gpu = Resources(gpu=1)
    ranks = {"urgent": 1, "usual": 0, "idle": -1}
    agents = [worker(notes, name, priority=rank, resources=gpu) for name, rank in ranks.items()]

    async def publish(run: LiveRun, row: str) -> None:
        notes.came[row].append(anyio.current_time())
        await run.publish(row, {"row": row, "for": 1})

    async def main() -> None:
        async with simulated(*agents, resources=ResourcePool(gpu=1)) as executor:
            async with await executor.start("urgent", {"row": "urgent", "for": 1}) as run:
                for row in ("urgent", "urgent", "usual", "idle"):
                    await publish(run, row)
                for _ in range(34):  # there is always one more that waits
                    await anyio.sleep(1)
                    await publish(run, "urgent")
            await run.result()

    simulate(main)
    looks = ("pink", "green", "blue")
    rows = [
        notes.row(name, f"priority={rank}", look)
        for (name, rank), look in zip(ranks.items(), looks, strict=True)
    ]
    rows[0] = rows[0]._replace(bars=notes.ran["urgent"], marks=())  # there is no end of them
    return timeline("Priority, with ageing", rows, seconds=40, wide=15, every=4)


def preemption() -> str:
    """The urgent one takes the place of the other, whose step is not done again."""
    notes = Notes()
    gpu = Resources(gpu=1)

    @agent(subscribe="batch", preemptible=True, resources=gpu)
    async def batch(payload: dict[str, Any], ctx: Context) -> None:
        async def load() -> None:
            with notes.running("batch", "step"):
                await anyio.sleep(2)

        await ctx.step("load", load)
        with notes.running("batch", "computes"):
            await anyio.sleep(4)

    urgent = worker(notes, "urgent", priority=1, resources=gpu)
    coming: list[Coming] = [
        (0, "batch", {"row": "batch"}),
        (3.5, "urgent", {"row": "urgent", "for": 2}),
    ]
    happens(simulated(batch, urgent, resources=ResourcePool(gpu=1)), notes, coming)
    rows = [
        notes.row("batch", "preemptible=True"),
        notes.row("urgent", "priority=1", "pink"),
    ]
    return timeline("Preemption", rows, seconds=11)


def concurrency_key() -> str:
    """At most two of a customer at once; another customer's do not wait for them."""
    notes = Notes()
    limit = ConcurrencyKey("customer", 2)
    known = ["Ada 1", "Ada 2", "Ada 3", "Ada 4", "Bob 1", "Bob 2"]
    times = (3, 4, 3, 2, 4, 2.5)
    coming = [
        (0.5 * number, "orders", {"row": row, "customer": row[:3], "for": seconds})
        for number, (row, seconds) in enumerate(zip(known, times, strict=True))
    ]
    executor = simulated(worker(notes, "orders", concurrency_key=limit))
    happens(executor, notes, coming)
    rows = [notes.row(row, "", "green" if row < "B" else "blue") for row in known]
    return timeline("Concurrency key", rows, seconds=9)


def rate_limit() -> str:
    """Thirty a minute and no more than three at a time: a bucket of tokens."""
    notes = Notes()
    limit = RateLimit(30, per="minute", burst=3)
    known = [f"call {number}" for number in range(1, 8)]
    when = (0, 0.3, 0.6, 0.9, 1.2, 10.5, 10.8)
    coming = [(at, "calls", {"row": row, "for": 0.8}) for at, row in zip(when, known, strict=True)]
    happens(simulated(worker(notes, "calls", rate_limit=limit)), notes, coming)
    begun = sorted(bar.start for row in known for bar in notes.ran[row])
    tokens = Level("tokens", "of 3, one each 2 s", list(_bucket(begun, limit, 14)), 3)
    rows = [notes.row(row) for row in known]
    return timeline("Rate limit", rows, seconds=14, levels=[tokens])


def _bucket(begun: list[float], limit: RateLimit, until: float) -> Iterator[tuple[float, float]]:
    """The tokens that are left in whole, by the moments at which some were taken."""
    moments = sorted({*begun, *(tick / 10 for tick in range(int(until * 10)))})
    full, last = 0.0, -1.0
    for at in moments:
        full = max(full, at) + limit.interval * begun.count(at)
        left = float(limit.holds - -(-round((full - at) / limit.interval, 6) // 1))
        if left != last:
            yield at, left
        last = left


def max_concurrent() -> str:
    """Three at once in the executor, and of one run one at a time."""
    notes = Notes()
    big = [f"big {number}" for number in range(1, 6)]
    small = [f"held {number}" for number in range(1, 4)]

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return payload

    executor = simulated(spread, worker(notes, "work"), config=Config(max_concurrent=3))
    held = [{"row": row, "for": 2} for row in small]
    free = [{"row": row, "for": 3} for row in big]

    async def main() -> None:
        async with executor:
            for payload, most in ((held, 1), (free, None)):
                for row in small if most else big:
                    notes.came[row].append(anyio.current_time())
                await executor.start("start", payload, max_concurrent=most)
                await anyio.sleep(0.5)
            await executor.drain()

    simulate(main)
    rows = [notes.row(row, "max_concurrent=1", "blue") for row in small]
    rows += [notes.row(row, "no limit") for row in big]
    used = Level("at once", "of 3", notes.in_use([*small, *big], [1] * 8), 3)
    return timeline("max_concurrent", rows, seconds=10, levels=[used])


def debounce() -> str:
    """Of each burst the last is handled, two seconds after it came, or five after the first."""
    when = {
        "a.txt": (0, 1, 2.5, 9),
        "b.txt": (0.5, 1.5, 2.5, 3.5, 4.5, 5, 6, 7),
    }
    policy = Debounce(2, key="file", at_most=5)
    return _succession("Debounce", when, debounce=policy)


def throttle() -> str:
    """The first at once, and of those that come meanwhile the last."""
    when = {"a.txt": (0.5, 1.5, 2.5, 3.5, 9.5), "b.txt": (1, 6, 8)}
    return _succession("Throttle", when, throttle=Throttle(4, key="file"))


def _succession(title: str, when: dict[str, tuple[float, ...]], **policy: Any) -> str:
    notes = Notes()
    coming = [
        (at, "saved", {"row": row, "file": row, "for": 0.5}) for row in when for at in when[row]
    ]
    happens(simulated(worker(notes, "saved", **policy)), notes, coming)
    rows = [notes.row("a.txt"), notes.row("b.txt", "", "blue")]
    return timeline(title, rows, seconds=12)


TIMELINES: dict[str, Callable[[], str]] = {
    "policy_resources": resources,
    "policy_priority": priority,
    "policy_preemption": preemption,
    "policy_concurrency_key": concurrency_key,
    "policy_rate_limit": rate_limit,
    "policy_max_concurrent": max_concurrent,
    "policy_debounce": debounce,
    "policy_throttle": throttle,
}
"""The SVG of each, by the name of its file."""
