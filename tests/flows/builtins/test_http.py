"""`http.request` against a server: what is sent, what is given, and what is an error."""

from __future__ import annotations

import socket
import subprocess
import sys
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from dagger import Config, Executor, Flow, Flows
from dagger.executor.failures import describe
from dagger.flows.builtins.http import http_request
from dagger.words.errors import HttpFailed, HttpRefused
from tests.flows.builtins.server import Server, until


async def asked(url: str, method: str = "GET", **arguments: Any) -> Any:
    """What a server on this machine was asked, as it tells itself."""
    result = await http_request(url=url, method=method, private=True, **arguments)
    return result["json"]


async def refused(url: str, **arguments: Any) -> HttpRefused:
    """The error of what another attempt would not help."""
    with pytest.raises(HttpRefused) as raised:
        await http_request(**{"private": True, "url": url, **arguments})
    return raised.value


async def failed(url: str, **arguments: Any) -> HttpFailed:
    """The error of what another attempt may help."""
    with pytest.raises(HttpFailed) as raised:
        await http_request(**{"private": True, "url": url, **arguments})
    assert not isinstance(raised.value, HttpRefused)
    return raised.value


async def test_the_result_tells_the_response(server: Server) -> None:
    """Status, final URL, headers by names in lower case, text and JSON are there."""
    url = server.url('/typed?type=application/json&bytes={"a":[1]}')
    result = await http_request(url=url, private=True)
    assert result["status"] == 200
    assert result["url"] == server.url("/typed?type=application/json&bytes={%22a%22:[1]}")
    assert result["headers"]["content-type"] == "application/json"
    assert (result["body"], result["json"]) == ('{"a":[1]}', {"a": [1]})


NO_PAYLOADS = ("18446744073709551616", "[-1e999]", r'{"a": "\ud800"}', "[" * 64 + "]" * 64)
"""JSON, but with a number that no 64 bits hold, or no float; half of a character; too deep."""


@pytest.mark.parametrize(
    ("kind", "sent", "body", "json"),
    [
        ("text/plain", "caf\xc3\xa9", "café", None),
        ("text/plain; charset=latin-1", "caf\xe9", "café", None),
        ("text/plain; charset=no-such", "x", "x", None),
        ("text/plain; charset=zlib", "x", "x", None),
        ("text/plain; charset=punycode", "bcher-kva", "bcher-kva", None),
        ("text/plain", "\xff\xfe", None, None),
        ("image/png", "\x89PNG", None, None),
        ("application/octet-stream", "a\0b", None, None),
        ("application/problem+json", '"x"', '"x"', "x"),
        ("application/json", "\xef\xbb\xbf[1]", "[1]", [1]),
        ("application/json", "{", "{", None),
        ("application/json", "NaN", "NaN", None),
        ("application/json", "[" * 20_000, "[" * 20_000, None),
        *(("application/json", each, each, None) for each in NO_PAYLOADS),
        ("text/html", "[1]", "[1]", None),
    ],
)
async def test_a_body_is_text_and_json_where_it_is(
    server: Server, kind: str, sent: str, body: str | None, json: Any
) -> None:
    """A body that is not text is null; JSON is what says so and is."""
    query = f"type={quote(kind)}&bytes={quote(sent)}"
    result = await http_request(url=server.url(f"/typed?{query}"), private=True)
    assert (result["body"], result["json"]) == (body, json)


async def test_a_head_has_no_body(server: Server) -> None:
    """HEAD gives the headers alone."""
    result = await http_request(url=server.url("/echo"), method="head", private=True)
    assert (result["status"], result["body"], result["json"]) == (200, "", None)


async def test_params_are_added_to_the_query(server: Server) -> None:
    """What the URL says stays as it is; lists repeat a name, null leaves it out."""
    params = {"b": ["x y", 2], "c": True, "d": None, "é": "&"}
    told = await asked(server.url("/echo?a=%2F&flag#part"), params=params)
    assert told["path"] == "/echo?a=%2F&flag&b=x+y&b=2&c=true&%C3%A9=%26"


@pytest.mark.parametrize(
    ("arguments", "kind", "body"),
    [
        ({"json": {"a": [None, "é"]}}, "application/json", '{"a":[null,"é"]}'),
        ({"json": None}, "application/json", "null"),
        ({"json": MappingProxyType({"a": range(2)})}, "application/json", '{"a":[0,1]}'),
        (
            {"form": {"a": ["1", 2], "b": "é"}},
            "application/x-www-form-urlencoded",
            "a=1&a=2&b=%C3%A9",
        ),
        ({"body": "é"}, None, "é"),
        ({"body": "<a/>", "headers": {"Content-Type": "text/xml"}}, "text/xml", "<a/>"),
        ({"json": 1, "headers": {"content-type": "a/b+json"}}, "a/b+json", "1"),
        ({}, None, ""),
    ],
)
async def test_the_body_is_what_was_given(
    server: Server, arguments: dict[str, Any], kind: str | None, body: str
) -> None:
    """JSON, a form or a text is sent with its type, unless the headers say another one."""
    told = await asked(server.url("/echo"), "POST", **arguments)
    assert (told["headers"].get("content-type"), told["body"]) == (kind, body)


async def test_headers_are_sent(server: Server) -> None:
    """Headers are texts, numbers or booleans; null leaves one out, even one that is usual."""
    headers = {"X-Text": "é", "x-number": 3, "x-flag": False, "x-none": None, "User-Agent": "me"}
    told = (await asked(server.url("/echo"), headers=headers))["headers"]
    assert (told["x-number"], told["x-flag"], told["user-agent"]) == ("3", "false", "me")
    assert told["x-text"].encode("latin-1").decode() == "é"
    assert "x-none" not in told


async def test_who_logs_in_in_the_url_does_so_in_a_header(server: Server) -> None:
    """Userinfo becomes a header, and is not in the result."""
    url = server.url("/echo", "me:p%40ss@")
    result = await http_request(url=url, private=True)
    assert result["json"]["headers"]["authorization"] == "Basic bWU6cEBzcw=="
    assert result["url"] == server.url("/echo")


@pytest.mark.parametrize(
    ("method", "headers", "sent"),
    [
        ("POST", {}, "k-1"),
        ("DELETE", {"a": "b"}, "k-1"),
        ("PUT", {"idempotency-key": "mine"}, "mine"),
        ("GET", {}, None),
    ],
)
async def test_an_idempotency_key_is_sent(
    server: Server, method: str, headers: dict[str, str], sent: str | None
) -> None:
    """It goes with what may change something, unless the step has one of its own."""
    told = await asked(server.url("/echo"), method, headers=headers, idempotency_key="k-1")
    assert told["headers"].get("idempotency-key") == sent


@pytest.mark.parametrize("status", [400, 401, 404, 409, 418, 451, 499])
async def test_what_was_refused_is_not_tried_again(server: Server, status: int) -> None:
    """An answer of 4xx is HttpRefused."""
    error = await refused(server.url(f"/status/{status}"))
    assert (error.method, error.status) == ("GET", status)
    assert error.url == server.url(f"/status/{status}")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
async def test_what_may_pass_may_be_tried_again(server: Server, status: int) -> None:
    """An answer of 5xx, and of those 4xx that are about the moment, is HttpFailed."""
    error = await failed(server.url(f"/status/{status}"), method="POST", json=1)
    assert (error.method, error.status) == ("POST", status)
    assert "another attempt may help" in str(error)


@pytest.mark.parametrize(
    ("path", "problem"),
    [("/break", "broke off"), ("/garbage", "no HTTP"), ("/packed/9?cut=3", "broke off")],
)
async def test_a_broken_answer_may_be_tried_again(server: Server, path: str, problem: str) -> None:
    """An answer that is not whole is HttpFailed, and nothing of it is a result."""
    assert problem in (await failed(server.url(path))).problem


async def test_no_connection_may_be_tried_again() -> None:
    """Where nobody listens, and what has no address, is HttpFailed."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        error = await failed(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert (error.status, error.problem) == (None, "no connection: Connection refused")


async def test_a_response_is_unpacked(server: Server) -> None:
    """What comes packed with gzip is given unpacked, all of its parts."""
    result = await http_request(url=server.url("/packed/3"), private=True)
    assert result["body"] == "0001"


@pytest.mark.parametrize("path", ["/endless", "/packed/5000000"])
async def test_a_response_is_bounded(server: Server, path: str) -> None:
    """More than max_bytes is refused when it is seen, packed or not, whatever headers say."""
    error = await refused(server.url(path), max_bytes=10_000)
    assert error.status == 200
    assert "more than the 10000 bytes" in error.problem
    if path == "/endless":
        await until(server.left.wait)


async def test_a_response_of_max_bytes_is_taken(server: Server) -> None:
    """The limit is the largest that is taken, and not the first that is not."""
    url = server.url("/typed?type=text/plain&bytes=12345")
    assert (await http_request(url=url, private=True, max_bytes=5))["body"] == "12345"
    assert "max_bytes" in (await refused(url, max_bytes=4)).problem


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd"])
async def test_a_response_in_other_packings_is_refused(server: Server, encoding: str) -> None:
    """What is packed twice, or in a way that nobody asked for, is not unpacked."""
    error = await refused(server.url(f"/packed/9?as={quote(encoding)}"))
    assert "packed in another way" in error.problem


async def test_a_cancelled_request_is_gone(server: Server) -> None:
    """Who waits for an answer can be cancelled, and the server sees that."""
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            await http_request(url=server.url("/hang"), private=True)

        tasks.start_soon(ask)
        await until(server.hanging.wait)
        tasks.cancel_scope.cancel()
    await until(server.left.wait)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"url": "no url"}, "only URLs of http"),
        ({"url": "ftp://localhost/"}, "only URLs of http"),
        ({"url": "file:///etc/passwd"}, "only URLs of http"),
        ({"url": "http://"}, "no host"),
        ({"url": "http:///x"}, "no host"),
        ({"url": "http://a b/"}, "no host"),
        ({"url": "http://a:0/"}, "no host"),
        ({"url": "http://a:99999/"}, "port"),
        ({"url": "http://a:b/"}, "no URL"),
        ({"url": "http://xn--/"}, "no URL"),
        ({"url": 3}, "must be a text"),
        ({"method": "TRACE"}, "must be one of GET"),
        ({"json": 1, "body": ""}, "exclude each other"),
        ({"json": None, "form": {}}, "exclude each other"),
        ({"json": float("nan")}, "cannot say"),
        ({"json": "\ud800"}, "surrogate"),
        ({"body": "\ud800"}, "surrogate"),
        ({"form": {"a": {}}}, "'a' of form must be a text or a number, not dict"),
        ({"params": [1]}, "params must be a mapping, not list"),
        ({"params": 0}, "params must be a mapping, not int"),
        ({"params": ""}, "params must be a mapping, not str"),
        ({"headers": []}, "headers must be a mapping, not list"),
        ({"form": "a=b"}, "form must be a mapping, not str"),
        ({"body": {"a": 1}}, "body must be a text or a number, not dict"),
        ({"method": 3}, "must be one of GET"),
        ({"method": {"a": "b"}}, "must be one of GET"),
        ({"url": {"a": "b"}}, "must be a text"),
        ({"max_bytes": "9"}, "max_bytes must be"),
        ({"headers": {"a": "b\r\nc: d"}}, "character"),
        ({"headers": {"a b": "c"}}, "character"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "leave it out"),
        ({"headers": {"a": []}}, "must be a text or a number"),
        ({"max_bytes": 0}, "max_bytes must be"),
        ({"method": "POST", "idempotency_key": "a\nb"}, "character"),
    ],
    ids=lambda value: str(value).encode("unicode_escape").decode()[:40],
)
async def test_what_is_no_request_is_refused(
    server: Server, arguments: dict[str, Any], problem: str
) -> None:
    """Arguments that say nothing sensible are named, before anything is sent."""
    error = await refused(**{"url": server.url("/echo"), **arguments})
    assert problem in error.problem
    assert server.asked == []


SECRET = "hush"

LOUD = {
    "params": {"token": SECRET},
    "headers": {"authorization": f"Bearer {SECRET}", "cookie": SECRET},
    "method": "POST",
    "json": {"password": SECRET},
}


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/status/404", {}),
        ("/status/503", {}),
        ("/break", {}),
        ("/garbage", {}),
        ("/endless", {"max_bytes": 10}),
        ("/packed/9?cut=3", {}),
        ("/loop/9", {}),
        (f"/go/302?to=ftp://{SECRET}:{SECRET}@a/{SECRET}", {}),
        ("/echo", {"private": False}),
        ("/echo", {"headers": {"x": f"{SECRET}\n" + SECRET}}),
        ("/echo", {"headers": {"x": f"{SECRET}\ud800"}}),
        ("/echo", {"headers": {f"authorization: {SECRET}": "x"}}),
        ("/echo", {"headers": {f"authorization: {SECRET}": {}}}),
        ("/echo", {"params": {f"a={SECRET}": {}}}),
        ("/echo", {"json": SECRET + "\ud800"}),
        ("/echo", {"body": SECRET}),
        ("/echo", {"method": "PURGE"}),
        ("/echo", {"method": {"token": SECRET}}),
    ],
)
async def test_errors_tell_no_secrets(server: Server, path: str, changes: dict[str, Any]) -> None:
    """Nothing of userinfo, query, headers and bodies is in an error, nor in its causes."""
    mark = "&" if "?" in path else "?"
    url = server.url(f"{path}{mark}key={SECRET}#{SECRET}", f"{SECRET}:{SECRET}@")
    with pytest.raises(HttpFailed) as raised:
        await http_request(**{"private": True, "url": url, **LOUD, **changes})
    assert SECRET not in str(describe(raised.value)), describe(raised.value)
    assert SECRET not in repr(vars(raised.value))
    assert raised.value.url.startswith(server.url("/"))


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{SECRET}@a:b/",
        f"http://me:x?{SECRET}@a/",
        f"http://me:{SECRET}?x@a/",
        f"ftp://{SECRET}@a/",
        f"me:{SECRET}@a",
        f"{SECRET}@a:80/",
        f"http://a b/?{SECRET}",
        {"token": SECRET},
    ],
)
async def test_a_url_that_is_none_tells_no_secrets(url: Any) -> None:
    """Also of what cannot be taken apart as a URL no password is shown."""
    assert SECRET not in str(await refused(url))


async def test_what_came_back_is_never_why_a_request_is_sent_again(server: Server) -> None:
    """JSON that no payload may be is left as its text, so that the step succeeds; else what was
    done by its POST would be done once more.
    """
    url = server.url("/typed?type=application/json&bytes=[1e999]")
    arguments = {"url": url, "method": "POST", "json": 1}
    flow = Flow("f", output="${{ steps.post.output }}").step(
        "post", "http.request", with_=arguments
    )
    flows = Flows(flow, config=Config(flow_private_addresses=True))
    async with Executor(flows.agents) as executor:
        report = await flows.run(executor, flow)
    assert (report.output["body"], report.output["json"]) == ("[1e999]", None)
    assert len(server.asked) == 1


def test_httpx_is_loaded_by_the_first_request() -> None:
    """Whoever imports the step has not imported httpx."""
    code = (
        "import sys, dagger.flows.builtins.http, dagger.flows.builtins.shell\n"
        "assert not {'httpx', 'httpcore', 'h11'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
