"""News: RSS and Atom feeds in, a digest by topics out, and nothing twice.

What one feed has said another need not repeat, and neither need tomorrow's digest: what was
seen is in the cache that all runs share, and that is in the store. A file that is no feed is a
dead letter, named at the end; one that is only damaged gives what can be read of it.

    python examples/news/news.py                   Dagger's own feeds, for once
    python examples/news/news.py FEEDS OUT         a folder of feeds; digests are Atom feeds in OUT

Said again, the second tells only what is new. A worker says it each morning:

    dagger worker examples/news/news.py --store state
    dagger schedule rounds "0 7 * * *" --store state --input '{"feeds": "feeds", "out": "out"}'

The files: `feeds.py` reads and writes them, and this one makes news of them.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import anyio
from feeds import SUFFIXES, Entry, read, write

from dagger import Context, Executor, LiveRun, Report, agent, batch

TOPICS = {
    "Keeping": "backup cache disk durable file journal kept log record snapshot storage store",
    "Time": "clock cron date deadline delay overdue schedule sleep time timeout timer zone",
    "Talking": "answer ask channel join message publish question reply request subscribe topic",
    "Failing": "cancel crash dead error fail failure kill lost recover repair retry stalled",
}
"""Words that speak for a topic; those in a title count three times."""

PER_DIGEST = 25
"""Entries of one digest; what is left at the end of a round makes a smaller one."""


@dataclass
class Round:
    """A folder of feeds, and the folder for the digests; "" for none."""

    feeds: str
    out: str = ""


@dataclass
class File:
    """A feed to be read."""

    path: str


@agent(subscribe="rounds", publish="files", publish_each=True)
def editor(payload: Round, ctx: Context) -> list[File]:
    """Find the feeds."""
    found = sorted(path for path in Path(payload.feeds).rglob("*") if path.suffix in SUFFIXES)
    if payload.out:
        ctx.cache.set("out", payload.out)
    return [File(str(path)) for path in found]


@agent(
    subscribe="files",
    publish="entries",
    publish_each=True,
    overflow="block",
    max_attempts=1,  # what is no feed now never will be
    on_failure="continue",
)
def reader(payload: File, ctx: Context) -> list[Entry]:
    """Read a feed, be it RSS or Atom, of whatever version, and as far as it can be read."""
    entries, damage = read(payload.path)
    if damage:
        ctx.cache.set(Path(payload.path).name, damage, namespace="damaged")
    return entries


@agent(subscribe="entries", publish="news", overflow="block")
async def desk(payload: Entry, ctx: Context) -> Entry | None:
    """Let through what was never seen, under its id or its link, in this round or before.

    One at a time, so that two feeds cannot bring the same at once. That it was seen is written
    down together with letting it through, or not at all.
    """
    names = {payload.id, payload.link} - {""}
    if any(ctx.shared.get(name, namespace="seen") is not None for name in names):
        ctx.cache.increment("repeats")
        return None
    for name in sorted(names):
        ctx.shared.set(name, payload.when, namespace="seen")
    return payload


@agent(subscribe="news", publish="sorted", overflow="block")
async def sorter(payload: Entry) -> Entry:
    """Give it to the topic that most of its words speak for."""
    scores = {topic: score(payload, set(words.split())) for topic, words in TOPICS.items()}
    best = max(scores, key=lambda topic: scores[topic])
    payload.topic = best if scores[best] else "Other"
    return payload


def score(it: Entry, words: set[str]) -> int:
    """How much an entry speaks of these words, in the singular or plural."""
    spoken = re.findall(r"[a-z]+", f"{it.title} {it.title} {it.title} {it.text}".lower())
    return sum(word in words or word.removesuffix("s") in words for word in spoken)


@agent(subscribe=batch("sorted", size=PER_DIGEST), publish="digests")
async def press(payload: list[Entry], ctx: Context) -> list[Entry]:
    """Make a digest: by topic, the newest first. Written twice it is the same file."""
    order = [*TOPICS, "Other"]
    payload.sort(key=lambda it: it.title)
    payload.sort(key=lambda it: it.when, reverse=True)
    payload.sort(key=lambda it: order.index(it.topic))
    if out := ctx.cache.get("out"):
        name = re.sub(r"\W+", "-", ctx.node_id)
        await ctx.step("write", write, payload, str(Path(out, f"{name}.atom")))
    return payload


agents = [editor, reader, desk, sorter, press]
channel = "rounds"
payload = asdict(Round(str(Path(__file__).parents[2] / "docs" / "feeds")))


def finish(run: LiveRun, report: Report) -> str:
    """The digests as Markdown, and what was amiss; `dagger run` prints it below the report."""
    return "\n".join(told(run, report))


def told(run: LiveRun, report: Report) -> Iterator[str]:
    """What there is to say of a round."""
    for digest in report.outputs.get("digests", ()):
        for topic, entries in groupby(digest, key=lambda it: str(it["topic"])):
            yield f"## {topic}\n"
            for it in entries:
                title = f"[{it['title']}]({it['link']})" if it["link"] else it["title"]
                yield f"- {title}, {it['source']}{it['when'] and ', '}{it['when'][:10]}"
            yield ""
    yield f"entries that were known already: {run.cache.get('repeats', 0)}"
    for name in run.cache.keys(namespace="damaged"):
        yield f"damaged: {name}: {run.cache.get(name, namespace='damaged')}"
    for letter in report.dead_letters:
        yield f"not read: {Path(letter.payload['path']).name}: {letter.failure.message}"


async def main(feeds: str, out: str) -> None:
    """One round. Every other one over the same OUT knows what this one has seen."""
    async with Executor(agents, store=Path(out, "state") if out else None) as executor:
        run = await executor.start(channel, Round(feeds, out))
        print(finish(run, await run.result()))
        await executor.drain()  # rounds that were cut off go on too, and write their digests


if __name__ == "__main__":
    feeds, out = sys.argv[1:] or (payload["feeds"], "")
    anyio.run(main, feeds, out)

# Output, for a folder of feeds:
# ## Keeping
#
# - [Archive found in a disk](https://torn.example/1), Torn
#
# ## Time
#
# - New clock in the square, The mainland, 2026-11-21
# - [The ferry is late](https://island.example/late), The island, 2026-11-20
#
# ## Failing
#
# - A lost dog, The island
#
# entries that were known already: 1
# damaged: torn.rss: no element found
# not read: page.xml: page.xml is no feed
