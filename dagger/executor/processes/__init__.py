"""Handlers in processes of their own: `run_in="process"`.

- of this process: `processes` (what an executor has, and what it costs where nobody asks),
  `pool` (the worker processes that are there), `process` (one of them)
- of the worker process: `child` (what it does), `importing` (how it finds a handler), `begins`
  (what it never does)
- between the two: `parcels`
"""
