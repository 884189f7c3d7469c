"""Floor 2: what people look at: report, execution tree, topology, and what lint finds in it.

Made from state, and only to be read: nothing here decides, waits or changes anything.

- of a run: `report`, and what is in it: `budgets`, `letters`, `questions`, `resources`, `waiting`;
  whether it adds up: `conservation`; as text: `summary`, with `table` and `wording`
- who caused what: `tree`, its `nodes`, and `merge`d as text (`outline`) and as a `picture`; two of
  them side by side: `diff`
- of agents: `topology`, and `lint`; of schedules: `schedules`
- pictures: `dot`, the language, and `render`, which has Graphviz draw it
"""
