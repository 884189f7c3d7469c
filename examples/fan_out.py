"""Fan-out and collect: one message becomes many, and many become one answer.

`publish_each` publishes a returned list item by item, and `concurrency` lets one agent
handle several messages at once. The collector keeps what has come in the run's cache:
what an agent writes there counts when its invocation settles, together with what it
publishes, or not at all.
"""

from typing import Any

import anyio

from dagger import Context, agent, run


@agent(subscribe="texts", publish="words", publish_each=True)
async def split(payload: str) -> list[dict[str, Any]]:
    """A message for each word; each says how many there are."""
    words = payload.split()
    return [{"place": place, "word": word, "of": len(words)} for place, word in enumerate(words)]


@agent(subscribe="words", publish="results", concurrency=4)
async def shout(payload: dict[str, Any]) -> dict[str, Any]:
    """Work on one word; the later words are done first."""
    await anyio.sleep(0.01 * (payload["of"] - payload["place"]))
    return payload | {"word": payload["word"].upper()}


@agent(subscribe="results", publish="answers")
async def collect(payload: dict[str, Any], ctx: Context) -> str | None:
    """Keep each result, and answer when all of them are there."""
    ctx.cache.append("results", payload)
    results = ctx.cache.get("results")
    if len(results) < payload["of"]:
        return None
    return " ".join(each["word"] for each in sorted(results, key=lambda each: each["place"]))


agents = [split, shout, collect]
channel = "texts"
payload = "nothing leaves before it is safe"

if __name__ == "__main__":
    report = run(agents, channel, payload)
    print(report.outputs["answers"])
    for name, counts in report.agents.items():
        print(f"{name}: {counts.delivered}")

# Output:
# ['NOTHING LEAVES BEFORE IT IS SAFE']
# split: 1
# shout: 6
# collect: 6
