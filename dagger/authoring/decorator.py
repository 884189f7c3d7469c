"""The `@agent` decorator."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Unpack, overload

from dagger.authoring.agent import Agent
from dagger.authoring.making import Handler, make
from dagger.authoring.options import AgentOptions
from dagger.authoring.registry import registry


@overload
def agent(handler: Handler, /) -> Agent: ...


@overload
def agent(**options: Unpack[AgentOptions]) -> Callable[[Handler], Agent]: ...


def agent(handler: Handler | None = None, /, **options: Unpack[AgentOptions]) -> Any:
    """Make an agent of a handler: `async def`, `def`, a generator of either, or a class.

    - `subscribe`: channel, or channels, it hears; or a join of several messages: `all_of`,
      `first_of`, `gather`, `batch`, with `scope` (a channel: what descends from one message
      on it belongs together) or `by="key"` (what has the same message key).
    - `publish`: channel, channels, a mapping from channel to schema, or "*" for any.
    - `input_schema`, `output_schema`: JSON Schema (2020-12 unless `$schema` says otherwise)
      as a dict or JSON text; taken from the annotations where they are not given.
    - `upcast`: {1: to_2, 2: to_3}, functions that make a payload of one version of the input
      schema (its keyword "version") into one of the next, for messages that are older.
    - `concurrency`: invocations at once; 1 keeps a run's messages in order.
    - `retry`, `max_attempts`: see dagger.Exponential, Linear, Immediate.
    - `timeout`: seconds of running time one attempt may take.
    - `overflow` ("drop_oldest", "block", "reject") and `capacity`: its queue in each run.
    - `key`: a field of the payload ("customer.id") or a function of it; messages of one key
      are handled in order and one at a time, whatever the concurrency.
    - `idempotency_key`: a field of the payload or a function of it, as `key`; what it gives the
      same for is handled once, in whichever runs it comes: later ones are duplicates, and get
      the result of the first. None, and a field that is not there, give no key.
    - `on_failure`: "fail" (the run goes on and ends failed), "stop" (it is cancelled),
      "continue" (its status stays untouched).
    - `hears_itself`: whether it receives what it published itself.
    - `cleans_up`: whether its handler is told when its run is cancelled (by `calls.next()`, see
      `ctx.calls`), instead of being cancelled, and may clean up then.
    - `unload`: whether a handler that waits (`ctx.sleep`, `ask`, `request`) is let go of, and
      called again when that is over, as after a restart: what it was told before it gets back.
      For many that wait for long: a waiting invocation then takes 1.5 KB and not 8.
    - `resources`: what an invocation takes of the executor's pool while it runs (see Resources).
    - `priority`: a whole number, a field of the payload or a function of it: of those that wait
      for their turn the highest goes first, and waiting makes urgent. 0 is usual.
    - `preemptible`: whether its handlers may be interrupted before they settle, and their
      deliveries put back, where something of higher priority waits for what they have.
    - `concurrency_key`: how many at once of what has the same key (see ConcurrencyKey).
    - `rate_limit`: how many begin in a time, by key perhaps (see RateLimit).
    - `debounce`, `throttle`: of messages that come in close succession, which are handled, and
      when (see Debounce, Throttle).
    - `run_in`: "thread", where a plain `def` runs anyway, or "process": a worker process, for
      what keeps a CPU busy. That takes a function at the top of a module that asks for
      `payload`, `message`, `channel` and `node_id` alone; what it is given and returns goes
      through `pickle`. One that dies is a failed attempt (WorkerCrashed).
    - `publish_each`: a returned list is published item by item.
    - `stream`: what a generator yields is published at once, as by `ctx.emit`, and not held
      back until it ends.

    A class with `process_message` is instantiated without arguments; an instance that
    is callable or has `process_message` will do as well.

    Raises DefinitionError, SchemaError or DuplicateAgent, naming function, file and line.
    """
    # Annotations may use the local names of whoever decorates.
    names = dict(sys._getframe(1).f_locals)

    def decorate(target: Handler) -> Agent:
        made = make(target, names, options)
        registry.add(made)
        return made

    return decorate if handler is None else decorate(handler)
