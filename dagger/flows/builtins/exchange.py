"""A request over the wire and its response, with the redirects between them.

It goes through httpcore itself: the client of httpx would log each URL with its query, use the
proxies of the environment, keep cookies and unpack without bounds.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from os import strerror
from typing import Any

import httpcore
import httpx

from dagger.flows.builtins import incoming, redirects
from dagger.flows.builtins.dialing import AddressRefused, Dialer
from dagger.flows.builtins.http_arguments import Arguments, limit_of
from dagger.flows.builtins.outgoing import request_of, shown
from dagger.flows.builtins.texts import Malformed
from dagger.words.errors import HttpFailed, HttpRefused

CONNECT_SECONDS = 10.0
"""Seconds after which a connection that cannot be made is given up."""

TIMEOUTS = {"connect": CONNECT_SECONDS, "read": None, "write": None, "pool": None}
"""Limits for httpcore. How long a request may take is for the timeout of its step to say, and
nothing in between may be shorter: an answer may be worked on for minutes. Only a connection that
is not made is given up earlier, which leaves time for another attempt.
"""

TRANSIENT = frozenset({408, 425, 429})
"""Answers of 4xx that may be others at another time."""


async def fetch(asked: Arguments, dialer: Dialer) -> dict[str, Any]:
    """What `http_request` promises, over the connections of `dialer`.

    Raises HttpFailed, HttpRefused.
    """
    try:
        request, max_bytes = request_of(asked), limit_of(asked.max_bytes)
    except Malformed as wrong:
        method = asked.method if isinstance(asked.method, str) else "?"
        raise HttpRefused(method, shown(asked.url), None, str(wrong)) from None
    for _ in range(redirects.FOLLOWED + 1):
        with _told_of(request):
            answer = await _answer(request, dialer, max_bytes)
        if isinstance(answer, dict):
            return answer
        request = answer
    raise _refused(request, f"it was redirected more than {redirects.FOLLOWED} times")


async def _answer(
    request: httpx.Request, dialer: Dialer, max_bytes: int
) -> dict[str, Any] | httpx.Request:
    """The result of one request, or the request that it redirects to."""
    tls = dialer.tls() if request.url.scheme == "https" else None
    async with (
        httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=dialer) as pool,
        pool.stream(
            request.method,
            _target(request.url),
            headers=request.headers.raw,
            content=request.content,
            extensions={"timeout": TIMEOUTS},
        ) as response,
    ):
        headers = httpx.Headers(response.headers)
        if response.status in redirects.STATUSES and "location" in headers:
            return redirects.followed(request, response.status, headers["location"])
        if response.status >= 400:
            raise _unwanted(request, response.status)
        return await _result(request, response, headers, max_bytes)


async def _result(
    request: httpx.Request, response: httpcore.Response, headers: httpx.Headers, max_bytes: int
) -> dict[str, Any]:
    encoding, kind = headers.get("content-encoding", ""), headers.get("content-type", "")
    try:
        content = await incoming.content_of(response.aiter_stream(), encoding, max_bytes)
    except incoming.TooLarge:
        problem = f"its body has more than the {max_bytes} bytes of max_bytes, which may be more"
        raise _refused(request, problem, response.status) from None
    except incoming.Unasked as wrong:
        raise _refused(request, str(wrong), response.status) from None
    except incoming.Undecodable as wrong:
        raise _failed(request, str(wrong), response.status) from None
    text = incoming.text_of(content, kind)
    return {
        "status": response.status,
        "url": str(request.url),
        "headers": dict(headers.items()),
        "body": text,
        "json": incoming.json_of(text, kind),
    }


@contextmanager
def _told_of(request: httpx.Request) -> Iterator[None]:
    """Turn what goes wrong on the way into errors about the request.

    None has a cause: that of a wrong header, say, would quote it.
    """
    try:
        yield
    except AddressRefused as refused:
        problem = f"{refused}; the setting flow_private_addresses allows such addresses"
        raise _refused(request, problem) from None
    except Malformed as wrong:
        raise _refused(request, str(wrong)) from None
    except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol):
        raise _refused(request, "it cannot be said in HTTP") from None
    except httpcore.ConnectTimeout:
        problem = f"no connection within {CONNECT_SECONDS:g} seconds"
        raise _failed(request, problem) from None
    except httpcore.ConnectError as error:
        raise _unconnected(request, error) from None
    except httpcore.RemoteProtocolError:
        problem = "the answer broke off, or is no HTTP"
        raise _failed(request, problem) from None
    except (httpcore.TimeoutException, httpcore.NetworkError, OSError):
        raise _failed(request, "the connection broke") from None


def _unconnected(request: httpx.Request, error: BaseException) -> HttpFailed:
    """Why there is no connection. Whom nobody can vouch for is not asked again."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            problem = f"the certificate of the server is not right: {cause.verify_message}"
            return _refused(request, problem)
        if isinstance(cause, socket.gaierror):
            return _failed(request, f"no address: {cause.strerror}")
        if isinstance(cause, ssl.SSLError):
            return _failed(request, "no connection: TLS failed")
        if isinstance(cause, OSError) and cause.errno:
            return _failed(request, f"no connection: {strerror(cause.errno)}")
        cause = cause.__cause__ or cause.__context__
    return _failed(request, "no connection")


def _unwanted(request: httpx.Request, status: int) -> HttpFailed:
    """An answer that is none."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "a status that HTTP does not know"
    if status in TRANSIENT or status >= 500:
        return _failed(request, phrase, status)
    return _refused(request, f"{phrase}; another attempt would be answered alike", status)


def _failed(request: httpx.Request, problem: str, status: int | None = None) -> HttpFailed:
    return HttpFailed(request.method, str(request.url), status, problem)


def _refused(request: httpx.Request, problem: str, status: int | None = None) -> HttpRefused:
    return HttpRefused(request.method, str(request.url), status, problem)


def _target(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
