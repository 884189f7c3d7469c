"""`http.request`: a request to somewhere else, and what came back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import anyio.to_thread

from dagger.flows.builtins.http_arguments import ABSENT, Arguments


async def http_request(
    *,
    url: str,
    method: str = "GET",
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
    json: Any = ABSENT,
    form: Mapping[str, Any] | None = None,
    body: str | None = None,
    max_bytes: int | None = None,
    private: bool = False,
    idempotency_key: str = "",
) -> dict[str, Any]:
    """Send a request, and give the response.

    `params` are added to the query of `url`. Of `json`, `form` and `body` there is one at most.
    In `params`, `headers` and `form` null leaves a name out; a list in `params` or `form` repeats
    it. An `idempotency_key` is sent as `Idempotency-Key` with every method but GET and HEAD,
    unless `headers` has one.

    The result has `status`; the final `url`, without userinfo; `headers` by their names in lower
    case; `body`, which is None if it is not text; and `json`, which is None if its content type
    is not JSON, or what it says is none that a payload may be: then `body` has its text.

    - It reaches public addresses only, whatever a name or a redirect says, unless `private`. No
      proxy is used.
    - At most 5 redirects are followed, never from https to http. Another origin is not told of
      authorization, cookies and headers that are not well known.
    - A response of more than `max_bytes` (10 MiB), unpacked, is given up as soon as it is seen.
    - A connection that takes 10 seconds to make is given up; any other limit of time is for the
      caller to set, by cancelling.

    Raises HttpFailed where another attempt may help (no connection, or one that broke; 408, 425,
    429 and 5xx), else HttpRefused. Neither tells of headers, query or bodies.
    """
    asked = Arguments(url, method, params, headers, json, form, body, max_bytes, idempotency_key)
    fetch = await anyio.to_thread.run_sync(_fetching, private)
    return await fetch(asked)


def _fetching(private: bool) -> Callable[[Arguments], Awaitable[dict[str, Any]]]:
    """What sends requests. The first call imports httpx, which would hold up a loop for 0.15 s."""
    from dagger.flows.builtins.dialing import Dialer
    from dagger.flows.builtins.exchange import fetch

    return partial(fetch, dialer=Dialer(private=private))
