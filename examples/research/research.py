"""Deep research: a question in, an answer of quotes out, from a folder of real documents.

A supervisor sends a team round and round: plan queries, search the library, read what was
found, put it together, and see what is lacking. It needs no model: the ranking is BM25, the
judgement is counting. Where a model is to do better, its call takes the place of one handler, in
a step (`ctx.step`), and nothing else changes.

    python examples/research/research.py                     about Dagger, from its own pages
    python examples/research/research.py FOLDER "QUESTION"   Markdown, reStructuredText or text
    dagger run examples/research/research.py --store state   kill it, run it again: it goes on

The files: `library.py` ranks, `team.py` has the agents, and this one puts them to work.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

from team import team

from dagger import Config, LiveRun, Report, run

agents = team
channel = "questions"
payload = {
    "question": "What happens to a sleeping handler, to its steps and to schedules when the "
    "process is killed, and how is a store backed up?",
    "folder": str(Path(__file__).parents[2] / "docs"),
}
config = Config(max_messages=1_000)  # whatever the evaluator thinks, it does not go on for ever


def finish(run: LiveRun, report: Report) -> str:
    """The answer: `dagger run` prints it below the report."""
    return "\n".join(told(report.outputs["answers"][0]))


def told(case: dict[str, Any]) -> Iterator[str]:
    """A case that is closed, to be read."""
    yield case["question"]
    for number, quote in enumerate(case["quotes"], start=1):
        yield "\n" + fill(quote["text"], 96, initial_indent=f"{number}. ", subsequent_indent="   ")
        yield f"   [{quote['document']}{quote['section'] and ': '}{quote['section']}]"
    documents = {quote["document"] for quote in case["quotes"]}
    found = f"{case['covered']:.0%} of the question, from {len(documents)} documents"
    yield f"\n{found}, in {case['round']} rounds"
    for what, words in {"nothing about": case["unknown"], "no quote for": case["lacking"]}.items():
        if words:
            yield f"{what}: {', '.join(words)}"


if __name__ == "__main__":
    if len(sys.argv) == 3:
        payload = {"folder": sys.argv[1], "question": sys.argv[2]}
    report = run(agents, channel, payload, config=config)
    print("\n".join(told(report.outputs["answers"][0])) if report.ok else report)
    sys.exit(not report.ok)

# Output, for a folder of three texts:
# Do ferries leave in a storm, and who pays for tickets and dogs? Who lights a unicorn's lamp?
#
# 1. If no ferry leaves, the office pays the ticket back.
#    [island/tickets.md: Tickets]
#
# 2. In a storm no ferry leaves.
#    [harbour.md: In a storm]
#
# 3. Dogs travel free.
#    [island/tickets.md: Tickets]
#
# 4. The keeper lights the lamp at dusk.
#    [lighthouse.txt]
#
# 100% of the question, from 3 documents, in 2 rounds
# nothing about: unicorn
