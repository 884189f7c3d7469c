"""Floor 1: pure rules.

What a schema is and what breaks it, how schemas follow from annotations, whether
a publisher can serve a subscriber, when to try again, when a schedule is due, what an
expression comes to, and in which order things are undone.
Nothing here waits, reads a clock or knows an agent: values in, values out.

- schemas: `schema`, with `validators`, `references` and `violation`; from annotations: `derive`,
  `typed_dict`; several in one: `bundling`; whether one serves another: `compat`, with
  `alternatives` and `parts`
- when: `retry`; of schedules `recurrence`, `slots`, `cron`, `zones`, `misfire`, `occurrence`;
  and `moments`
- who: `turns`, where there is not enough for all
- in which order: `undo`
- what stands in texts: `expressions`
- what is written down by people: `documents`
- what was meant by a wrong name: `nearest`
- values that come one by one, very many of them: `growing`
"""
