"""Floor 3: the executor, which owns channels, agents, workers, runs and the journal.

The only room that waits. Its files, by what they are about:

- what a user holds: `executor`, `live` (one run), `letters`, `listing`, `specs`
- one delivery, from taken to settled: `worker`, and in its order `accepting`, `calling`
  (with `drive` and `threads`), `collecting`, `settle` (with `failures` and `keys`)
- who works when: `crew`, `seat`, `supervisor` (the one owner of tasks), `timers`
- whether there is room: `admission`, `deadlock`
- how runs live and end: `runs`, `recovery`
- what a handler is served: `hosting`
- who looks on: `watchers`, `events`
- what became of a stored run: `rechecking` by today's code (with `recorded`, `recorded_host`,
  `trial` and `comparing`), `diffing` against another
- what the executor consists of: `catalog` (agents and channels), `engine` (the parts)

What decides is pure and below (`dagger.state`, `dagger.rules`); here it is carried out.
"""
