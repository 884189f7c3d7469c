"""A stream: words are heard as they are said, and none of them twice.

The first attempt slips on its third word and fails; the second says something else from there
on. The listener is told so: what it has heard from that place on is void.
"""

from collections.abc import AsyncIterator

import anyio

from dagger import Context, Emission, Executor, Immediate, Message, agent


@agent(subscribe="topics", publish="words", stream=True, retry=Immediate())
async def speaker(payload: str, ctx: Context) -> AsyncIterator[str]:
    """Say a sentence, word by word: each is delivered at once."""
    for word in f"today about {payload}".split():
        if ctx.attempt == 1 and word == payload:
            yield "umm"
            raise RuntimeError("lost the thread")
        yield word


@agent(subscribe="words", publish="heard")
async def listener(payload: str, message: Message, ctx: Context) -> str:
    """Keep what has been said so far: an item takes the place of all from its index on."""
    assert message.stream is not None
    said = ctx.cache.get("said", [])[: message.stream.index]
    ctx.cache.set("said", [*said, payload])
    return " ".join([*said, payload])


agents = [speaker, listener]
channel = "topics"
payload = "streams"


async def main() -> None:
    """Watch the words as they come, then see what the listener has made of them."""
    async with Executor(agents) as executor:
        run = await executor.start(channel, payload)
        async for event in run.watch():
            if isinstance(event, Emission):
                anew = "anew: " if event.restarted else ""
                print(f"{event.attempt}.{event.index} {anew}{event.value}")
        print((await run.result()).outputs["heard"])


if __name__ == "__main__":
    anyio.run(main)

# Output:
# 1.0 today
# 1.1 about
# 1.2 umm
# 2.2 anew: streams
# ['today', 'today about', 'today about umm', 'today about streams']
