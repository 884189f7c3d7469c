"""Floor 2: what a user writes against.

`agent` turns a function into data (an `Agent`); `Context` is what a handler is
given. Nothing here starts anything: an agent does nothing until an executor takes it.

- how a function becomes an agent: `decorator`, `making`, with `options`, `signature` (how it is
  called), `placing` (where it runs), `joining`, `upcasting`; what it then is, `agent`; and what
  it was made from, where that is more, `origin`
- how agents are found and known again: `registry`, `finding`, `fingerprint`
- functions that are called by name, with arguments that are checked: `tools`, and for those and the
  steps of flows `arguments` and `by_name`
- what a handler is given: `context`, and its parts `cache`, `tasks`, `view`; what it asks for:
  `publishing`, `steps`, `questions`, `requests`, `calls`, `reserving`; and those who coordinate
  a run: what they know, `coordinating`, and how they say what it has come to, `telling`
- what an executor has to be for that, `host`, and the value between the two, `invocation`
- what goes around each attempt: `hooks`
"""
