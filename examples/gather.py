"""Map and reduce: a text becomes lines, each line is counted, and the counts are added up.

Nobody says how many lines there will be: `gather` waits until nothing more can come.
"""

from dagger import agent, gather, run


@agent(subscribe="texts", publish="lines", publish_each=True)
async def lines(payload: str) -> list[str]:
    """One message a line."""
    return payload.splitlines()


@agent(subscribe="lines", publish="counts", concurrency=2)
async def count(payload: str) -> int | None:
    """How many words a line has; nothing for an empty one."""
    return len(payload.split()) or None


@agent(subscribe=gather("counts"), publish="totals")
async def total(payload: list[int]) -> int:
    """All counts, added up."""
    return sum(payload)


agents = [lines, count, total]
channel = "texts"
payload = """\
The quality of mercy is not strained.

It droppeth as the gentle rain from heaven
Upon the place beneath."""

if __name__ == "__main__":
    report = run(agents, channel, payload)
    print(report.outputs["totals"])
    print(dict(report.agents["total"].dispositions))

# Output:
# [19]
# {'ok': 1, 'joined': 2}
