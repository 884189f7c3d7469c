"""Support tickets: a router, rules, and people for what rules should not decide.

`classify` says in its annotation where it may go, and goes there by the name that it returns. A
dear refund waits for a person, as an ask node; what nobody can classify goes to a colleague, who
is asked from within a node, and whose answer is checked. Meanwhile the run is `waiting`: the
answers of this script come through `run.live.answer`, those of a shop by `dagger answer`.
"""

from typing import Annotated, Any, Literal, TypedDict

import anyio

from dagger import AnswerRefused, Executor, Graph, Graphs, NodeContext

LIMIT = 50
FAQ = {"password": "Press 'forgot it', and look into your mail.", "opening": "From 9 to 5."}


class Ticket(TypedDict, total=False):
    """What the nodes share."""

    text: str
    euros: int
    approved: Literal["yes", "no"]
    reply: str
    trail: Annotated[list[str], "append"]


graph = Graph("support", Ticket, description="One ticket, from the mailbox to a reply.")


@graph.node
def classify(state: Ticket) -> Literal["answer", "refund", "consult"]:
    """Where a ticket belongs."""
    if any(word in state["text"] for word in FAQ):
        return "answer"
    return "refund" if "money back" in state["text"] else "consult"


@graph.node
def answer(state: Ticket) -> Ticket:
    """What is asked again and again."""
    replies = [reply for word, reply in FAQ.items() if word in state["text"]]
    return {"reply": " ".join(replies), "trail": ["faq"]}


@graph.node
def refund(state: Ticket) -> Ticket:
    """A refund; who approves it depends on how much it is."""
    return {"trail": [f"refund of {state['euros']}"]}


graph.add_conditional_edge(
    "refund", f"${{{{ state.euros > {LIMIT} }}}}", {True: "review", False: "pay"}
)
question = "Refund ${{ state.euros }} euros? They say: ${{ state.text }}"
graph.ask("review", question, key="approved", choices=["yes", "no"], to="finance")
graph.add_conditional_edge("review", "${{ state.approved }}", {"yes": "pay", "no": "refuse"})
graph.add_node("refuse", lambda: {"reply": "We are sorry.", "trail": ["refused"]})
graph.add_node("pay", lambda: {"reply": "You get it back.", "trail": ["paid"]})


def polite(reply: str) -> None:
    """Refuse a reply that is none."""
    if not reply.startswith("Dear"):
        raise ValueError("a reply begins with 'Dear'")


@graph.node
async def consult(state: Ticket, ctx: NodeContext) -> Ticket:
    """A colleague writes the reply."""
    question, otherwise = {"please reply to": state["text"]}, "Dear customer, we will see."
    reply = await ctx.human_in_the_loop(
        question, validator=polite, timeout=24 * 3600, default=otherwise
    )
    return {"reply": reply, "trail": ["consulted"]}


graphs = Graphs(graph)
TICKETS: list[tuple[Ticket, list[Any]]] = [
    ({"text": "I forgot my password"}, []),
    ({"text": "My money back, please", "euros": 20}, []),
    ({"text": "My money back, at once", "euros": 900}, ["no"]),
    ({"text": "My lamp talks to me"}, ["so what", "Dear customer, so does ours."]),
]
"""Each ticket, and what people say when they are asked about it."""


async def main() -> None:
    """All tickets, with people who answer at once."""
    async with Executor(graphs.agents) as executor:
        for ticket, answers in TICKETS:
            run = await graphs.start(executor, graph, ticket)
            await run.result()  # it has ended, or waits
            for said in answers:
                [question] = run.live.questions
                print(f"  {question.to or 'anybody'}: {question.question}")
                try:
                    await run.live.answer(question.name, said)
                except AnswerRefused as refused:
                    print(f"  {said!r} is refused: {refused.reason}")
            report = await run.result()
            print(report.status, report.state["trail"], report.state["reply"])


if __name__ == "__main__":
    anyio.run(main)

# Output:
# completed ['faq'] Press 'forgot it', and look into your mail.
# completed ['refund of 20', 'paid'] You get it back.
#   finance: Refund 900 euros? They say: My money back, at once
# completed ['refund of 900', 'refused'] We are sorry.
#   anybody: {'please reply to': 'My lamp talks to me'}
#   'so what' is refused: a reply begins with 'Dear'
#   anybody: {'please reply to': 'My lamp talks to me'}
# completed ['consulted'] Dear customer, so does ours.
