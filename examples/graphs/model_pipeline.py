"""A model that writes until it is good enough: a loop of edges, retries, and tokens that count.

`check` leads back to `generate` as long as the draft has problems and there are tries left: its
router is an expression. The model is a script here, which is busy at its second call: that is
an attempt of the node which fails, and `retry=` calls it again. What it wrote and spent before
a failure does not get lost: it is part of the run.
"""

from collections.abc import Iterator
from typing import Annotated, TypedDict

import anyio

from dagger import Executor, Graph, Graphs, NodeContext

ANSWERS = (
    "Our lamp is the best lamp in the world.",
    None,  # it is busy
    "Our lamp is bright.",
    "The lamp Lux gives 800 lumen from 8 watts, and costs 12 euros.",
)


class Model:
    """A model that says what is in a script."""

    def __init__(self, answers: tuple[str | None, ...]) -> None:
        self._answers: Iterator[str | None] = iter(answers)

    async def complete(self, prompt: str) -> str:
        """The next answer. Raises ConnectionError where the script has none."""
        answer = next(self._answers)
        if answer is None:
            raise ConnectionError("the model is busy")
        return answer


class Draft(TypedDict, total=False):
    """What the nodes share."""

    product: str
    prompt: str
    text: str
    problems: list[str]
    tries: Annotated[int, "add"]
    history: Annotated[list[str], "append"]


graph = Graph("describe", Draft, description="A product description, as good as it gets.")
model = Model(ANSWERS)


@graph.node
def ask(state: Draft) -> Draft:
    """The prompt to begin with."""
    return {"prompt": f"Describe the {state['product']} in a sentence.", "tries": 0}


@graph.node(retry={"kind": "immediate", "max_attempts": 3}, timeout=5)
async def generate(state: Draft, ctx: NodeContext) -> Draft:
    """Have the model write, with what was wrong before."""
    wrong = state.get("problems", [])
    prompt = " ".join([state["prompt"], *(f"Mind: {each}." for each in wrong)])
    text = await model.complete(prompt)
    await ctx.spend(tokens=len(prompt.split()) + len(text.split()))
    return {"text": text, "tries": 1, "history": [text]}


@graph.node
def check(state: Draft) -> Draft:
    """What a careful reader minds."""
    text, found = state["text"], []
    if "best" in text:
        found.append("no praise")
    if not any(each.isdigit() for each in text):
        found.append("name figures")
    if len(text.split()) < 6:
        found.append("too short")
    return {"problems": found}


@graph.node
def publish(state: Draft, ctx: NodeContext) -> None:
    """Say whether it became good; nothing in the state changes."""
    ctx.log("published" if not state["problems"] else "published, though it is not good")


again = "${{ len(state.problems) > 0 and state.tries < 4 }}"
graph.add_edge("ask", "generate").add_edge("generate", "check")
graph.add_conditional_edge("check", again, {True: "generate", False: "publish"})

graphs = Graphs(graph)


async def main() -> None:
    """One description, with at most so many tokens."""
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph, {"product": "lamp"}, max_tokens=1_000)
        report = await run.result()
        for text in report.state["history"]:
            print("-", text)
        print(report.status, "after", report.state["tries"], "drafts; visits:", report.visits)
        generated = run.live.report().agents["describe.generate"]
        print("retries:", generated.retries, "tokens:", run.live.report().budget.used.tokens)


if __name__ == "__main__":
    anyio.run(main)

# Output:
# - Our lamp is the best lamp in the world.
# - Our lamp is bright.
# - The lamp Lux gives 800 lumen from 8 watts, and costs 12 euros.
# completed after 3 drafts; visits: {'ask': 1, 'generate': 3, 'check': 3, 'publish': 1}
# retries: 1 tokens: 56
