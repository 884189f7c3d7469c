"""Retries and dead letters: what happens to a message that an agent fails on.

A failed attempt is followed by another one, as the agent's `retry` says. What it wrote and
published in the failed attempt is gone. A message that fails for good is a dead letter;
the rest of the run goes on.
"""

from dagger import Context, Linear, agent, run


@agent(subscribe="numbers", publish="requests", publish_each=True)
async def spread(payload: list[int]) -> list[int]:
    """A message for each number."""
    return payload


@agent(
    subscribe="requests",
    publish="answers",
    retry=Linear(delay=0.01, max_attempts=3, give_up_on=ZeroDivisionError),
    on_failure="continue",
)
async def divide(payload: int, ctx: Context) -> str:
    """Divide by a number, over a line that fails at first."""
    answer = 100 // payload
    if ctx.attempt < payload:
        raise ConnectionError(f"attempt {ctx.attempt} was cut off")
    return f"100 // {payload} = {answer}, after attempt {ctx.attempt}"


agents = [spread, divide]
channel = "numbers"
payload = [1, 2, 3, 4, 0]

if __name__ == "__main__":
    report = run(agents, channel, payload)
    print(*report.outputs["answers"], sep="\n")
    for letter in report.dead_letters:
        failure = letter.failure
        print(
            f"{letter.payload} is dead after {letter.attempts}: {failure.type}: {failure.message}"
        )
    # "continue" leaves the run's status alone; without it, dead letters make it `failed`.
    print(report.status)

# Output:
# 100 // 1 = 100, after attempt 1
# 100 // 2 = 50, after attempt 2
# 100 // 3 = 33, after attempt 3
# 0 is dead after 1: ZeroDivisionError: integer division or modulo by zero
# 4 is dead after 3: ConnectionError: attempt 3 was cut off
# completed
