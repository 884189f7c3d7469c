"""What every flow may use without anybody having written it: plain async functions that act on
the outside world, and know nothing of flows. `http` sends a request, in the parts `http_arguments`
(without httpx), `outgoing` (the request), `redirects` (the next one), `exchange` (over the wire),
`dialing` (to which address: `addresses`) and `incoming` (what comes back); `shell` runs a program.
Both say what they are given in `texts`. httpx and httpcore are imported by those parts alone, and
those by the first request.
"""
