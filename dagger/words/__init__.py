"""Floor 0: the words everything else is written in.

Messages, records, errors, ids, clocks, payloads and configuration. Nothing here
knows an executor, and nothing here waits.
"""
