"""Floor 3: the executor, which owns channels, agents, workers, runs and the journal.

The only room that waits. Its files, by what they are about:

- what a user holds: `executor` (and the `arguments` it takes), `live` (one run), `letters`,
  `listing`, `schedules`, `specs`
- one delivery, from taken to settled: `worker`, and in its order `accepting` (with `keys` and
  `repeating`), `around` (the hook), `calling` (with `drive`), `collecting`, `settle`
  (with `failures`)
- who works when: `crew`, `seat` and `latch` (of a parked handler), `unloading`, `suspects`,
  `supervisor` (the one owner of tasks); and whose turn it is, where not all can: `policies`
- where plain functions run: `threads`, `processes`; and what there is: `machine`
- when it is time: `timers`, `timekeeper` (deliveries), `scheduler`
- whether there is room: `admission`, `deadlock`; and anything left to spend: `budgets`
- how runs begin, live and end: `entrance`, `runs`, `recovery`, `retention`; `forking`,
  `redriving`, `exporting`, `cancelling` of invocations, and `cleanup`, which goes on after that
- what a handler is served: `hosting`; and who answers its questions: `people`
- who looks on: `watchers`, `events`, `past` (what was before), behind the `gate`
- what other processes ask for: `commands`
- what is kept: `snapshots`; and whether it is right: `verifying`, `repairing`; what never is:
  `veiling` keeps secrets out
- what became of a stored run: `rechecking` by today's code (with `recorded`, `recorded_host`,
  `streamed`, `trial` and `comparing`), `diffing` against another
- what the executor consists of: `catalog` (agents and channels), `engine` (the parts)

What decides is pure and below (`dagger.state`, `dagger.rules`); here it is carried out.
"""
