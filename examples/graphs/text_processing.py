"""Text processing as a graph: three looks at one text side by side, and a summary of them.

A node is a function of the state that returns what it changes. A router that names several
nodes makes branches, and the node where they meet runs once, when all of them are there. What
they have changed is merged by the reducers of the state, in the order in which the branches were
named: `letters` is the slowest here, and its note comes first all the same.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, TypedDict

import anyio

from dagger import Executor, Graph, Graphs


class Text(TypedDict, total=False):
    """What the nodes share; `notes` grows, everything else is set."""

    text: str
    sentences: list[str]
    words: list[str]
    longest: str
    frequent: list[str]
    notes: Annotated[list[str], "append"]
    summary: str


graph = Graph("text", Text, description="What a text is made of.")


@graph.node
async def clean(state: Text) -> Text:
    """Cut the text into sentences and words."""
    sentences = [each.strip() for each in state["text"].split(".") if each.strip()]
    words = [word.strip(",;").lower() for each in sentences for word in each.split()]
    return {"sentences": sentences, "words": words}


@graph.node
async def letters(state: Text) -> Text:
    """Count letters, slowly."""
    await anyio.sleep(0.02)
    return {"notes": [f"{sum(map(len, state['words']))} letters"]}


@graph.node
async def longest(state: Text) -> Text:
    """Find the longest word."""
    return {"longest": max(state["words"], key=len), "notes": [f"{len(state['words'])} words"]}


@graph.node
async def frequent(state: Text) -> Text:
    """Find what is said again and again."""
    counts = Counter(word for word in state["words"] if len(word) > 4)
    found = [word for word, count in counts.most_common() if count > 1]
    return {"frequent": found, "notes": [f"{len(found)} words are said again"]}


@graph.node
async def summarize(state: Text) -> Text:
    """Say it all in a sentence."""
    frequent = " and ".join(state["frequent"])
    return {"summary": f"It is about {frequent}, and its longest word is {state['longest']!r}."}


@graph.node
async def refuse() -> Text:
    """There is nothing to look at."""
    return {"summary": "It is too short."}


LOOKS = ("letters", "longest", "frequent")


def looks(state: Text) -> Sequence[str]:
    """Where to go: a name, or several, which are branches."""
    return LOOKS if len(state["words"]) > 5 else ("refuse",)


graph.add_conditional_edge("clean", looks, [*LOOKS, "refuse"])
for name in LOOKS:
    graph.add_edge(name, "summarize")

graphs = Graphs(graph)
TEXTS = (
    "A journal keeps what happened. What happened is folded into a state. A state can be "
    "forgotten; the journal cannot.",
    "Too short.",
)


async def main() -> None:
    """A text that is worth a look, and one that is not."""
    async with Executor(graphs.agents) as executor:
        for text in TEXTS:
            report = await graphs.run(executor, graph, {"text": text})
            print(report.status, "|", report.state["summary"])
            print("  notes:", report.state.get("notes"))
            skipped = [name for name, status in report.nodes.items() if status == "skipped"]
            print("  nodes:", *report.visits, "| skipped:", *skipped)


if __name__ == "__main__":
    anyio.run(main)

# Output:
# completed | It is about journal and happened and state, and its longest word is 'forgotten'.
#   notes: ['91 letters', '20 words', '3 words are said again']
#   nodes: clean letters longest frequent summarize | skipped: refuse
# completed | It is too short.
#   notes: None
#   nodes: clean refuse | skipped: letters longest frequent summarize
