"""Carrying graphs out: from a graph to agents, and from what they reply to the end of a run.

- `graphs`: what users hold. `assembling` makes the agents, on `channels` of their own;
  `origins` says what executors ask of them, and `changing` what of runs whose graph has changed
- `coordinator`: the agent that carries out what the machine of a run wants, which the `hub` has
  meanwhile for the nodes that look at its state; `telling` says what the machine is told of
  replies, and `keeping` when it is kept
- `calling`: what the agents of nodes do, with `nodes` (a node and what it comes to), `functions`
  (how functions are called) and `context` (what they are given); `asking`: those of ask nodes
- `report`: what has become of a run; `past`: what it went through
"""
