"""Floor 2: the store, which keeps the journal and knows nothing of its meaning.

- what is promised: `contract`; who keeps it: `lmdb`, on disk, and its twin `memory`
- writing: `writer` (group commit) and what it writes, `disk`, `saving`; told back by `posting`
- reading: `reader` (whoever owns the store), `shelves`
- what the bytes are: `layout` (the folder), `rows` (databases), `block`, `seal`; `outline`,
  `payloads` and `uses` of what is large
- LMDB, and what could go wrong with it: `environment`, `sharing`, `slots`; `pagefile`, `pages` and
  `skimming` look at a file before LMDB does; `faults` says what an error means
- who owns it: `lock`; what workers have in hand: `hands`; commands for the owner: `inbox`
- looked after: `backup`, `care`, `salvage`, `ballast`
"""
