"""Hello: one agent, one message, one answer.

An agent is a function that hears a channel and publishes on another. A message that no
agent hears is an output of the run.
"""

from dagger import agent, run


@agent(subscribe="names", publish="greetings")
async def greeter(payload: str) -> str:
    """Greet whoever is named."""
    return f"Hello, {payload}!"


# What `dagger run examples/hello.py` takes where it is told nothing else.
agents = [greeter]
channel = "names"
payload = "world"

if __name__ == "__main__":
    report = run(agents, channel, payload)
    print(report.status)
    print(report.outputs["greetings"])

# Output:
# completed
# ['Hello, world!']
