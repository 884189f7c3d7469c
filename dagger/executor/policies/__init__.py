"""Policies, as an executor keeps to them: whether what was taken may begin, or waits for its turn.

In the order in which they apply:

- `succession`: debounce and throttle, which decide which messages are handled at all
- `terms`: what the turns of an agent need, in the order in which it is asked for: places of
  concurrency keys, tokens of rate limits (`rates`), one of the agent's own places, one of the
  run's, one of the executor's, and what there is of resources (`pool`)
- `policing`: turns that are asked for, paused, put back and given up (with `places`); one of
  them: `ticket`
- `telling`: what waits for long, written down; `usage`: who has what now

Who is next is decided by `dagger.rules.turns`.
"""
