"""Floor 3: the executor, which owns channels, agents, workers, runs and the journal.

The only room that waits, and the only one that opens task groups (in
`supervisor.py`). The pipeline of one delivery is in `worker.py`: take, decode,
validate, attempt, settle.
"""
