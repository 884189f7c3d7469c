"""A pipeline: three agents in a row, with types between them.

An agent's schemas come from its annotations. What it takes is checked and made into that
type before it is called; what it returns is checked before anybody hears it.
"""

from dataclasses import dataclass
from textwrap import fill

from dagger import agent, run


@dataclass
class Order:
    """What a customer wants."""

    item: str
    pieces: int


@dataclass
class Priced(Order):
    """The same, with what one piece costs in cents."""

    cents: int


PRICES = {"tea": 450, "cup": 1200}


@agent(subscribe="orders", publish="priced")
async def pricing(payload: Order) -> Priced:
    """Look the price up."""
    return Priced(payload.item, payload.pieces, PRICES[payload.item])


@agent(subscribe="priced", publish="discounted")
async def discount(payload: Priced) -> Priced:
    """Ten percent off from ten pieces on."""
    if payload.pieces < 10:
        return payload
    return Priced(payload.item, payload.pieces, payload.cents * 9 // 10)


@agent(subscribe="discounted", publish="invoices")
async def invoice(payload: Priced) -> str:
    """Write it down."""
    return f"{payload.pieces} x {payload.item}: {payload.pieces * payload.cents / 100:.2f}"


agents = [pricing, discount, invoice]
channel = "orders"
payload = {"item": "tea", "pieces": 12}

if __name__ == "__main__":
    print(run(agents, channel, payload).outputs["invoices"])

    refused = run(agents, channel, {"item": "tea", "pieces": "a dozen"})
    print(refused.status, refused.dispositions)
    print(fill(refused.dead_letters[0].failure.message, 90))

# Output:
# ['12 x tea: 48.60']
# failed {'rejected': 1}
# input of agent 'pricing' on channel 'orders' at $.pieces breaks 'type': value is not of
# type "integer" (value: "a dozen")
