"""Floor 1: the state, which is nothing but a fold of records.

`State.apply(record)` is the only way anything here changes for good. No file in
this room waits, looks at a clock, or touches a disk; live work and recovery go
through the same functions. Recovery has a shorter way to the same state for
runs in which nothing has happened but messages: `plain`.

- all of it, and `apply`: `state`; one of its runs: `run`
- what is known: `queues` (deliveries), `cache`, `tasks`, `joins`, `budgets`, `streams`, `repeats`
  (idempotency keys), `schedules`, `tokens`, `codes`, `tree`
- folds of records: `messages`, `waits`, `streaming`, `letters`, `lives`
- as bytes and back: `snapshot`, `parts`, `loading`; and whether two are the same: `likeness`
"""
