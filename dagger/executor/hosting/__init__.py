"""What the executor does for a handler while it runs (see `dagger.authoring.host.Host`).

- `hosting`: the Host that all invocations share, and its plain calls
- `steps`, `asking`, `requesting`, `sleeping`: the awaited calls, each a way to wait for an
  answer that is kept across attempts; `streaming`: items that are published at once
- `calls`: requests whose replies a handler hears of one by one
- `keeping` and `flights`: what they have in common
"""
