"""`dagger agents`: what each agent declares, as a table and as data."""

from __future__ import annotations

import json
from typing import Any

from dagger import ConcurrencyKey, Context, Debounce, Linear, RateLimit, Resources, agent, batch
from dagger.cli.describe import described, policies
from tests.cli.conftest import Invoke, Write

MORE = '''
    from dataclasses import dataclass

    @dataclass
    class Order:
        """What somebody wants."""
        item: str
        pieces: int = 1

    @agent(subscribe="orders", publish=["bills", "parcels"], concurrency=4, timeout=2.5)
    async def ship(payload: Order, ctx: Context) -> None:
        """Pack and send.

        It takes some time.
        """
'''


def test_the_table_says_what_an_agent_is(invoke: Invoke, write: Write) -> None:
    """Name, first paragraph, place, channels, shapes and policies are all in the table."""
    path = write(MORE)
    ended = invoke("agents", path)
    assert ended.exit_code == 0
    text = " ".join(ended.stdout.split())
    for said in ("square", "ship", "Pack and send.", "bills", "parcels", "4 at once"):
        assert said in text
    assert "{item: string," in text
    assert "pieces?:" in text
    assert "timeout 2.5 s" in text
    assert "It takes some time" not in text
    assert all(len(line) <= 100 and line == line.rstrip() for line in ended.stdout.splitlines())


def test_json_says_all_of_it(invoke: Invoke, write: Write) -> None:
    """--json prints all that agents declare, their schemas whole."""
    path = write(MORE)
    square, ship = json.loads(invoke("agents", path, "--json").stdout)
    assert square["input_schema"] == {"type": "integer"}
    assert square["output_schemas"] == {"squares": {"type": "integer"}}
    assert ship["name"] == "ship"
    assert ship["publish"] == ["bills", "parcels"]
    assert ship["concurrency"] == 4
    assert ship["on_failure"] == "fail"
    assert path in ship["where"]


def test_policies_that_nobody_wrote_are_not_told() -> None:
    """An agent that is like most has no policies to read."""

    @agent(subscribe="numbers")
    async def plain(payload: Any) -> None: ...

    assert list(policies(plain)) == []


def test_policies_are_told_in_words() -> None:
    """Each policy that is written down is told, in a few words."""

    @agent(
        subscribe="numbers",
        concurrency=2,
        key="customer.id",
        retry=Linear(1, max_attempts=5),
        timeout=90,
        overflow="block",
        capacity=2048,
        on_failure="continue",
        hears_itself=True,
    )
    async def special(payload: Any) -> None: ...

    assert list(policies(special)) == [
        "2 at once",
        "in order of customer.id",
        "retry linear",
        "5 attempts",
        "timeout 1 m 30 s",
        "block at 2,048",
        "on failure continue",
        "hears itself",
    ]


def test_what_is_declared_is_told() -> None:
    """Joins, idempotency keys and handlers that are unloaded are declared like all else."""

    @agent(subscribe=batch("numbers", size=3), unload=True)
    async def joining(payload: list[Any], ctx: Context) -> None: ...

    @agent(subscribe="numbers", idempotency_key="order.id")
    async def once(payload: Any) -> None: ...

    told = json.loads(json.dumps(described(joining)))
    assert (told["unload"], told["join"]["kind"], told["join"]["size"]) == (True, "batch", 3)
    assert list(policies(joining)) == ["unloaded while it waits"]
    told = json.loads(json.dumps(described(once)))
    assert (told["idempotency_key"], told["join"]) == ("order.id", None)
    assert list(policies(once)) == ["once for each order.id"]


def test_a_key_that_is_a_function_goes_by_its_name() -> None:
    """A function that makes keys is told by its name, as text that JSON can carry."""

    def customer(payload: Any) -> Any:
        return payload["customer"]

    @agent(subscribe="numbers", key=customer)
    async def keyed(payload: Any) -> None: ...

    assert json.loads(json.dumps(described(keyed)))["key"].endswith("customer")


def test_turn_policies_are_told_in_a_few_words() -> None:
    """What an agent takes, and what bounds it, can be read without its source."""

    def urgency(payload: Any) -> int:
        return 1

    @agent(
        subscribe="x",
        resources=Resources(gpu=1, memory_mb=512),
        priority=urgency,
        preemptible=True,
        concurrency_key=ConcurrencyKey("customer", 2),
        rate_limit=[RateLimit(100, per="minute"), RateLimit(5, per=1, key="customer")],
        debounce=Debounce(2, key="file"),
    )
    async def busy(payload: Any) -> None:
        return None

    assert list(policies(busy)) == [
        "memory_mb 512, gpu 1",
        f"priority {urgency.__qualname__}",
        "gives way",
        "2 at once by customer",
        "100 per minute",
        "5 per second by customer",
        "debounce 2.0 s by file",
    ]
    told = json.loads(json.dumps(described(busy)))
    assert told["resources"] == {"memory_mb": 512, "gpu": 1}
    assert told["rate_limit"][1]["key"] == "customer"
    assert told["debounce"]["seconds"] == 2
