"""Redirects: which are followed, and what another origin is not told."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from dagger.flows.builtins.http import http_request
from dagger.flows.builtins.redirects import followed
from dagger.flows.builtins.texts import Malformed
from dagger.words.errors import HttpRefused
from tests.flows.builtins.server import Server


async def redirected(server: Server, status: int, to: str, **arguments: Any) -> dict[str, Any]:
    """The result of a request that is sent on."""
    url = server.url(f"/go/{status}?to={quote(to)}")
    return await http_request(url=url, private=True, **arguments)


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "GET", "GET", ""),
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (302, "PUT", "PUT", "[1]"),
        (303, "PUT", "GET", ""),
        (303, "HEAD", "HEAD", None),
        (307, "POST", "POST", "[1]"),
        (308, "DELETE", "DELETE", "[1]"),
    ],
)
async def test_the_method_follows_the_status(
    server: Server, status: int, method: str, then: str, body: str | None
) -> None:
    """303, and 301 and 302 to a POST, are followed by a GET without body, others repeat it."""
    arguments = {} if method in ("GET", "HEAD") else {"json": [1]}
    result = await redirected(server, status, "../echo?a=b", method=method, **arguments)
    assert server.asked[1:] == [f"{then} /echo?a=b"]
    assert result["url"] == server.url("/echo?a=b")
    if body is not None:
        told = result["json"]
        assert told["body"] == body
        assert ("content-type" in told["headers"]) == bool(body)


SECRETS = {"Authorization": "a", "Cookie": "b", "X-Api-Key": "c", "Proxy-Authorization": "d"}


async def test_another_origin_is_told_no_secrets(server: Server, elsewhere: Server) -> None:
    """To another origin only well-known headers go; the body of a 307 does, with its type."""
    headers = {**SECRETS, "Accept": "text/csv", "Accept-Language": "fr"}
    to = elsewhere.url("/echo", "me:mine@")
    result = await redirected(server, 307, to, method="POST", json=[1], headers=headers)
    assert result["url"] == elsewhere.url("/echo")
    told = result["json"]["headers"]
    assert {*told}.isdisjoint(name.lower() for name in SECRETS)
    assert (told["accept"], told["accept-language"]) == ("text/csv", "fr")
    assert told["host"] == f"127.0.0.1:{elsewhere.server_port}"
    assert (told["content-type"], result["json"]["body"]) == ("application/json", "[1]")


async def test_the_same_origin_is_told_all(server: Server) -> None:
    """Within an origin headers go along."""
    told = (await redirected(server, 302, "/echo", headers=SECRETS))["json"]["headers"]
    assert {name.lower(): told.get(name.lower()) for name in SECRETS} == {
        name.lower(): value for name, value in SECRETS.items()
    }


async def test_secrets_do_not_come_back(server: Server, elsewhere: Server) -> None:
    """What another origin was not told is not sent either when it redirects back."""
    back = elsewhere.url(f"/go/302?to={quote(server.url('/echo'))}")
    told = (await redirected(server, 302, back, headers=SECRETS))["json"]["headers"]
    assert {*told}.isdisjoint(name.lower() for name in SECRETS)


async def test_five_redirects_are_followed(server: Server) -> None:
    """The fifth is followed, the sixth is refused."""
    assert (await http_request(url=server.url("/loop/5"), private=True))["status"] == 200
    with pytest.raises(HttpRefused, match="redirected more than 5 times"):
        await http_request(url=server.url("/loop/6"), private=True)


@pytest.mark.parametrize(
    "to", ["ftp://a/", "file:///etc/passwd", "http://a:b/", "gopher://127.0.0.1:6379/x"]
)
async def test_redirects_to_nowhere_are_refused(server: Server, to: str) -> None:
    """Only URLs of http and https with a host are followed."""
    with pytest.raises(HttpRefused, match="redirects to where nothing can be"):
        await redirected(server, 302, to)


async def test_a_response_without_a_location_is_a_result(server: Server) -> None:
    """What says nothing of where to go is a response like others."""
    assert (await http_request(url=server.url("/status/304"), private=True))["status"] == 304


@pytest.mark.parametrize(
    ("url", "location", "kept"),
    [
        ("http://a/", "http://a:80/x", True),
        ("http://a/", "http://A/x", True),
        ("http://a/", "/x", True),
        ("http://a/", "https://a/x", False),
        ("http://a/", "http://a:81/x", False),
        ("http://a/", "http://b.a/x", False),
        ("https://a/", "https://a:443/x", True),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, location: str, kept: bool) -> None:
    """Another scheme, host or port is another origin, and nothing else is."""
    request = httpx.Request("GET", url, headers={"cookie": "a"})
    assert ("cookie" in followed(request, 302, location).headers) == kept


def test_nothing_leads_out_of_https() -> None:
    """From https to http no redirect is followed."""
    with pytest.raises(Malformed, match="from https to http"):
        followed(httpx.Request("GET", "https://a/"), 302, "http://a/")
