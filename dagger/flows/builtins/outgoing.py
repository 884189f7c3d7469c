"""A request of httpx, from what a step asks; and where a request may go."""

from __future__ import annotations

import re
from base64 import b64encode

import httpx

from dagger.flows.builtins.http_arguments import (
    Arguments,
    body_of,
    headers_of,
    method_of,
    query_of,
)
from dagger.flows.builtins.texts import Malformed

SENT_ALONG = {"accept": "*/*", "accept-encoding": "gzip", "user-agent": "dagger"}
"""Headers of every request that does not have them itself."""

IDEMPOTENCY_KEY = "Idempotency-Key"

_HOST = re.compile(rb"[\w.-]+|[\da-fA-F:.]+")
"""A name, as DNS has it and those who are not strict, or an address."""

REPEATABLE = ("GET", "HEAD")
"""Methods that change nothing, and so need no key to be repeated."""


def request_of(asked: Arguments) -> httpx.Request:
    """The request that is asked for. Who logs in in its URL does so in a header. Raises
    Malformed.
    """
    method, place, body = method_of(asked.method), place_of(asked.url), body_of(asked)
    query = b"&".join(filter(None, (place.query, query_of(asked.params).encode())))
    headers = httpx.Headers(SENT_ALONG, encoding="utf-8")
    if place.userinfo:
        headers["authorization"] = _basic(place)
    if body is not None and body.kind:
        headers["content-type"] = body.kind
    keyed = asked.idempotency_key and method not in REPEATABLE
    key = headers_of({IDEMPOTENCY_KEY: asked.idempotency_key} if keyed else {})
    for name, value in (key | headers_of(asked.headers)).items():
        headers[name] = value
    return httpx.Request(
        method,
        bare(place.copy_with(query=query or None)),
        headers=headers,
        content=None if body is None else body.content,
    )


def place_of(url: object, base: httpx.URL | None = None) -> httpx.URL:
    """A URL of http or https with a host, which may be told from `base`. Raises Malformed."""
    if not isinstance(url, str):
        raise Malformed("the URL must be a text")
    try:
        place = httpx.URL(url) if base is None else base.join(url)
        place.host.encode()  # it is decoded by that
    except (httpx.InvalidURL, ValueError):
        raise Malformed("this is no URL") from None
    if place.scheme not in ("http", "https"):
        raise Malformed("only URLs of http and https are possible")
    if not _HOST.fullmatch(place.raw_host) or not (place.port is None or 0 < place.port < 65_536):
        raise Malformed("the URL has no host or port, or one that is none")
    return place


def bare(url: httpx.URL) -> httpx.URL:
    """A URL without what is not for the server: userinfo and fragment."""
    return url.copy_with(userinfo=b"", fragment=None)


def shown(url: object) -> str:
    """A URL as an error may show it: of one that is none no more than cannot be a secret."""
    try:
        return str(bare(place_of(url)))
    except Malformed:
        return url if isinstance(url, str) and "@" not in url else "..."


def _basic(url: httpx.URL) -> str:
    """RFC 7617."""
    return f"Basic {b64encode(f'{url.username}:{url.password}'.encode()).decode()}"
