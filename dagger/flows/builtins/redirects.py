"""The request that follows a redirect: pure, by RFC 9110 and what browsers do (Fetch)."""

from __future__ import annotations

import httpx

from dagger.flows.builtins.outgoing import bare, place_of
from dagger.flows.builtins.texts import Malformed

FOLLOWED = 5
"""Redirects that one request may follow."""

STATUSES = frozenset({301, 302, 303, 307, 308})

TRAVELS = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "cache-control", "user-agent"),
        *("idempotency-key", "if-modified-since", "if-none-match", "range"),
    }
)
"""Headers that another origin is told as well. Any other may be a secret: beside
`authorization` and `cookie` there are `x-api-key` and its kind.
"""


def followed(request: httpx.Request, status: int, location: str) -> httpx.Request:
    """What to send where a response says that it is elsewhere.

    303, and 301 and 302 to a POST, become a GET without the body. Headers that another origin
    has no business with do not go there. Raises Malformed where it must not be followed.
    """
    try:
        target = bare(place_of(location, request.url))
    except Malformed as wrong:
        raise Malformed(f"it redirects to where nothing can be: {wrong}") from None
    if request.url.scheme == "https" and target.scheme == "http":
        raise Malformed("it redirects from https to http, which everybody could read")
    method, content = _repeated(request, status)
    headers = [
        (name, value)
        for name, value in request.headers.items()
        if _goes(name, at_home=_origin(request.url) == _origin(target), bodily=bool(content))
    ]
    return httpx.Request(
        method, target, headers=httpx.Headers(headers, encoding="utf-8"), content=content or None
    )


def _repeated(request: httpx.Request, status: int) -> tuple[str, bytes]:
    """The method and the body to go on with."""
    sees_other = status == 303 and request.method not in ("GET", "HEAD")
    if sees_other or (status in (301, 302) and request.method == "POST"):
        return "GET", b""
    return request.method, request.content


def _goes(name: str, *, at_home: bool, bodily: bool) -> bool:
    """Whether a header goes along: to the same origin, with the body."""
    if name.startswith("content-"):
        return bodily
    return at_home or name in TRAVELS


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}[url.scheme]
