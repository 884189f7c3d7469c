"""Floor 1: the state, which is nothing but a fold of records.

`State.apply(record)` is the only way anything here changes for good. No file in
this room waits, looks at a clock, or touches a disk; live work and recovery go
through the same functions. Recovery has a shorter way to the same state for
runs in which nothing has happened but messages: `plain`.
"""
