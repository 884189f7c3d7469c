"""A panel of experts: they examine a Python package, hear each other, and agree on a review.

Six experts know one thing each. The chair asks readers for the facts, one request a module. Each
expert hears the case and says what worries it most. When all of them have spoken, whatever one
has raised is put before the others, by requests again: who would not have named a function may
still share a worry. The last agent makes one review of it.

    packages ─> chair ─> cases ─> six experts ─> opinions ─> hearing ─> heard ─> synthesizer
                  ↕                                             ↕                     └> reviews
               readers                                     the experts again

    python examples/experts/experts.py              on the package json of this Python
    python examples/experts/experts.py FOLDER       on a package of your own
    dagger run examples/experts/experts.py --store state     kill it, run it again: it goes on

The files: `facts.py` reads source, `panel.py` judges, and this one lets them talk.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import anyio
from facts import Facts, Function, facts
from panel import PANEL, Worry, judged

from dagger import Agent, Context, Executor, LiveRun, Report, ScatterFailed, agent, gather

SPOKEN, SHARED = 0.25, 0.1
"""The concern from which on an expert speaks up, and from which on it agrees with another."""


@dataclass
class Reviewed:
    """A function that somebody worries about, and what everybody says of it, the worst first."""

    place: str
    worries: list[Worry] = field(default_factory=list)


def expert(name: str) -> list[Agent]:
    """An expert: it hears every case, and is asked for a second opinion."""

    @agent(name=name, subscribe="cases", publish="opinions")
    async def speak(payload: list[Function]) -> list[Worry]:
        """What worries it most, five functions at the most."""
        said = [replace(judged(name, function), raised=True) for function in payload]
        said.sort(key=lambda each: (-each.concern, each.place))
        return [each for each in said[:5] if each.concern >= SPOKEN]

    @agent(name=f"{name} again", subscribe=f"ask {name}")
    async def comment(payload: Function) -> Worry:
        """What it says of a function that somebody else has raised."""
        return judged(name, payload)

    return [speak, comment]


def found(root: str) -> list[str]:
    """The modules of a package."""
    return [str(path) for path in sorted(Path(root).rglob("*.py"))]


@agent(subscribe="packages", publish=["modules", "cases"])
async def chair(payload: dict[str, str], ctx: Context) -> None:
    """Have every module read, and put the case before the panel."""
    paths = await ctx.step("find", found, payload["root"])
    try:
        read = await ctx.scatter("modules", paths, limit=8)
    except ScatterFailed as failed:  # what cannot be read is a dead letter; the rest is the case
        read = [each for each in failed.results if each is not None]
    uses = Counter(name for each in read for name in each["used"])
    functions = [Function(**it) for each in read for it in each["functions"]]
    case = [replace(it, mentions=uses[it.name]) for it in functions]
    ctx.cache.set("case", {it.place: asdict(it) for it in case})
    ctx.publish("cases", case)


@agent(subscribe="modules", max_attempts=1, on_failure="continue")
def reader(payload: str) -> Facts:
    """Read a module. A plain `def` runs in a thread; one at a time, for CPython 3.11 counts the
    depth of what it parses for all threads together.
    """
    return facts(payload)


@agent(
    subscribe=gather("opinions"),
    scope="cases",
    publish=["heard", *(f"ask {name}" for name in PANEL)],
)
async def hearing(payload: list[list[Worry]], ctx: Context) -> None:
    """Ask every expert about what the others have raised."""
    said = [worry for worries in payload for worry in worries]
    places = sorted({worry.place for worry in said})
    case = ctx.cache.get("case")
    for name in PANEL:
        silent = set(places) - {worry.place for worry in said if worry.expert == name}
        asked = [case[place] for place in sorted(silent)]
        said += [Worry(**each) for each in await ctx.scatter(f"ask {name}", asked, limit=8)]
    for place in places:
        worries = [each for each in said if each.place == place and each.concern >= SHARED]
        worries.sort(key=lambda each: (-each.concern, each.expert))
        ctx.publish("heard", Reviewed(place, worries))


@agent(subscribe=gather("heard"), scope="cases", publish="reviews")
async def synthesizer(payload: list[Reviewed]) -> list[Reviewed]:
    """What worries most, and most of them, comes first."""
    return sorted(payload, key=lambda each: (-total(each), each.place))


def total(it: Reviewed) -> float:
    """All concern about a function."""
    return sum(each.concern for each in it.worries)


agents = [chair, reader, hearing, synthesizer, *(each for name in PANEL for each in expert(name))]
channel, payload = "packages", {"root": str(Path(json.__file__).parent)}


def finish(run: LiveRun, report: Report) -> str:
    """The review, its ten worst; `dagger run` prints it below the report."""
    case = run.cache.get("case")
    return "\n".join(review(len(case), report))


def review(functions: int, report: Report) -> Iterator[str]:
    """What the panel has agreed on."""
    [reviews] = report.outputs.get("reviews", [[]])
    yield f"{len(reviews)} of {functions} functions were discussed"
    for each in reviews[:10]:
        yield f"\n{each['place']}"
        for it in each["worries"]:
            who = it["expert"] if it["raised"] else f"{it['expert']}, asked"
            yield f"  {it['concern']:.2f} {who}: {it['words']}"
    for letter in report.dead_letters:
        yield f"\nnot read: {Path(letter.payload).name}\n  {letter.failure.message}"


async def main(root: str) -> bool:
    """Examine a package, print the review, and say whether that went well."""
    async with Executor(agents) as executor:
        run = await executor.start(channel, {"root": root})
        report = await run.result()
        print(finish(run, report) if report.ok else report)
        return report.ok


if __name__ == "__main__":
    sys.exit(not anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else payload["root"]))

# Output, for a package of three modules:
# 2 of 4 functions were discussed
#
# till.py:3 close
#   0.85 complexity: 17 ways through, 7 deep
#   0.65 names: hides id, list, input; says little: a, b, c, x
#   0.50 coupling: leans on 8 imports
#   0.38 documentation: 15 lines without a docstring
#   0.15 size, asked: 15 lines, 9 parameters
#
# shelf.py:3 _forgotten
#   0.80 use: nobody in the package calls it
#
# not read: legacy.py
#   Missing parentheses in call to 'print'. Did you mean print(...)? (legacy.py, line 1)
