"""Floor 0: the words everything else is written in.

Messages, records, errors, ids, clocks, payloads and configuration. Nothing here
knows an executor, and nothing here waits.

- what happens: `records`, `effects`, `replies`, `streams`, and how all can end, `outcomes`
- what is said of agents and runs: `joins`, `policies`, `budget`, `strategy`, `config`
- what goes wrong: `errors`
- what is on its way: `message`, `payload`, and the names of it, `ids`
- what is not: `secrets`, in all their `forms`, which are looked for as `needles`
- as bytes and as text: `packing`, `as_json`; of another version: `versions`
- of the machine: `clock`, `garbage`
"""
