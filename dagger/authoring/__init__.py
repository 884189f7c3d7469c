"""Floor 2: what a user writes against.

`agent` turns a function into data (an `Agent`); `Context` is what a handler is
given. Nothing here starts anything: an agent does nothing until an executor takes it.
"""
