"""Work that keeps a CPU busy, on all CPUs there are: handlers in processes of their own.

Halve a number if it is even, else triple it and add one: it comes down to 1 sooner or later, as
far as anybody has looked. How many steps a number takes nobody can tell without taking them.

Python runs one thread at a time, so threads would not help. `run_in="process"` lets a handler
run in a worker process. It is a plain function at the top of a module, and what it is given and
returns travels. There are as many processes as CPUs, which are kept for the next message.
"""

import os

from dagger import agent, gather, run

SLICES = 20


@agent(subscribe="limits", publish="slices", publish_each=True)
async def cut(payload: int) -> list[list[int]]:
    """Slices of the numbers below a limit: its first number, and the one after its last."""
    size = payload // SLICES
    return [[max(1, first), first + size] for first in range(0, payload, size)]


@agent(subscribe="slices", publish="records", run_in="process", concurrency=8)
def walk(payload: list[int]) -> dict[str, int]:
    """The number of a slice that takes the most steps."""
    number = max(range(*payload), key=steps_of)
    return {"number": number, "steps": steps_of(number), "process": os.getpid()}


def steps_of(number: int) -> int:
    """How many steps a number takes."""
    steps = 0
    while number != 1:
        number = 3 * number + 1 if number % 2 else number // 2
        steps += 1
    return steps


@agent(subscribe=gather("records"), publish="answers")
async def compare(payload: list[dict[str, int]]) -> dict[str, int | bool]:
    """The record of all slices, and whether any of it was found out here."""
    best = max(payload, key=lambda each: each["steps"])
    here = any(each["process"] == os.getpid() for each in payload)
    return {"number": best["number"], "steps": best["steps"], "in_this_process": here}


agents = [cut, walk, compare]
channel = "limits"
payload = 100_000

if __name__ == "__main__":
    report = run(agents, channel, payload)
    answer = report.outputs["answers"][0]
    print(f"below {payload:,}, {answer['number']} takes {answer['steps']} steps")
    print(f"found out in this process: {answer['in_this_process']}")
    print(dict(report.agents["walk"].dispositions))

# Output:
# below 100,000, 77031 takes 350 steps
# found out in this process: False
# {'ok': 20}
