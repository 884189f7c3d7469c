"""Carrying flows out: from a flow to agents, and from what they reply to the end of a run.

- `flows`: what users hold. `assembling` makes the agents: `uses` finds what steps use,
  `functions` makes agents of step functions, `builtins` has those that nobody writes, `caching`
  lets results be used again, `origins` says what executors ask of an agent that was made so
- `program`: a flow, compiled; `arguments`: its expressions, some worked out late for the sake of
  secrets, which `vault` and `keeper` have; `inputs`: what a run is given; `definition`: what it
  keeps of the flow
- `conductor`: the pure machine of a run, with `facts` (what is known of steps), `undoing` and
  `orders`; `coordinator` is the agent that carries its orders out, and `context` what it is given
- `report`: what has become of a run, `within` what is stuck of the flows within it; `showing`
  tells it of one that goes on, `timing` how long its steps took, `progress` how far they are
"""
