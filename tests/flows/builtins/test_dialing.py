"""Connections to checked addresses: no name and no redirect leads to one that is not public."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpcore
import pytest

from dagger.flows.builtins.dialing import Dialer, trusted
from dagger.flows.builtins.exchange import fetch
from dagger.flows.builtins.http import http_request
from dagger.flows.builtins.http_arguments import Arguments
from dagger.words.errors import HttpFailed, HttpRefused
from tests.flows.builtins.server import Server, serving

PUBLIC, OTHER = "8.8.8.8", "2606:4700::1111"
"""Two public addresses, which nobody here connects to."""


class Names:
    """A resolver: what a name means each time it is asked for; the last answer is for ever."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {name: list(each) for name, each in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Here(httpcore.AnyIOBackend):
    """Connects to this machine, whatever address is asked for, but for those that are `down`."""

    def __init__(self, *down: str) -> None:
        self.down = down
        self.dialled: list[str] = []
        self.timeouts: list[float | None] = []

    async def connect_tcp(self, host: str, *args: Any, **kwargs: Any) -> Any:
        self.dialled.append(host)
        self.timeouts.append(kwargs["timeout"])
        if host in self.down:
            raise httpcore.ConnectError
        return await super().connect_tcp("127.0.0.1", *args, **kwargs)


def of(server: Server, host: str, path: str = "/echo") -> Arguments:
    """A request to a server under another name."""
    return Arguments(server.url(path, host=host))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:7f00:1]"]
)
async def test_this_machine_is_refused_however_it_is_written(server: Server, host: str) -> None:
    """The system's own resolver is believed in what it finds, not in how that was written."""
    with pytest.raises(HttpRefused, match=r"not public but loopback.*flow_private_addresses"):
        await http_request(url=server.url("/echo", host=host))
    assert server.asked == []


async def test_the_address_that_was_checked_is_connected_to(server: Server) -> None:
    """A name is asked for once, so that it cannot be another one when it is connected to."""
    names, beneath = Names(shop=[[PUBLIC], ["127.0.0.1"]]), Here()
    dialer = Dialer(private=False, resolve=names, beneath=beneath)
    result = await fetch(of(server, "shop"), dialer)
    assert result["json"]["headers"]["host"] == f"shop:{server.server_port}"
    assert (names.asked, beneath.dialled) == (["shop"], [PUBLIC])
    with pytest.raises(HttpRefused, match=r"the address 127\.0\.0\.1 of shop is not public"):
        await fetch(of(server, "shop"), dialer)
    assert beneath.dialled == [PUBLIC]


@pytest.mark.parametrize("to", ["http://inside/", "http://127.0.0.1/", "http://[::1]/"])
async def test_a_redirect_into_the_own_network_is_refused(server: Server, to: str) -> None:
    """Where a redirect leads is checked as well as where the first request went."""
    beneath = Here()
    names = Names(**{"shop": [[PUBLIC]], "inside": [["10.0.0.8"]], "::1": [["::1"]]})
    names.answers["127.0.0.1"] = [["127.0.0.1"]]
    dialer = Dialer(private=False, resolve=names, beneath=beneath)
    with pytest.raises(HttpRefused, match="is not public but") as raised:
        await fetch(of(server, "shop", f"/go/302?to={to}"), dialer)
    assert raised.value.url == to
    assert beneath.dialled == [PUBLIC]


async def test_a_redirect_to_the_same_name_is_checked_again(server: Server) -> None:
    """A name that was public may not be when it is gone to again."""
    beneath = Here()
    dialer = Dialer(
        private=False, resolve=Names(shop=[[PUBLIC], ["169.254.169.254"]]), beneath=beneath
    )
    with pytest.raises(HttpRefused, match="link-local"):
        await fetch(of(server, "shop", "/go/302?to=/echo"), dialer)
    assert beneath.dialled == [PUBLIC]


async def test_one_address_that_is_not_public_refuses_a_name(server: Server) -> None:
    """It is not for chance to decide which of its addresses a name is."""
    beneath = Here()
    dialer = Dialer(private=False, resolve=Names(shop=[[PUBLIC, "::1"]]), beneath=beneath)
    with pytest.raises(HttpRefused, match="the address ::1 of shop"):
        await fetch(of(server, "shop"), dialer)
    assert beneath.dialled == []


async def test_another_address_is_tried(server: Server) -> None:
    """Of several addresses the first that answers is taken; each has its share of the time."""
    beneath = Here(OTHER)
    dialer = Dialer(private=False, resolve=Names(shop=[[OTHER, PUBLIC]]), beneath=beneath)
    assert (await fetch(of(server, "shop"), dialer))["status"] == 200
    assert (beneath.dialled, beneath.timeouts) == ([OTHER, PUBLIC], [5.0, 5.0])


@pytest.mark.parametrize("addresses", [[], [PUBLIC, OTHER]])
async def test_no_address_that_answers_may_be_tried_again(
    server: Server, addresses: list[str]
) -> None:
    """Nobody to connect to is HttpFailed."""
    dialer = Dialer(private=False, resolve=Names(shop=[addresses]), beneath=Here(PUBLIC, OTHER))
    with pytest.raises(HttpFailed, match="no connection") as raised:
        await fetch(of(server, "shop"), dialer)
    assert not isinstance(raised.value, HttpRefused)


async def test_the_environment_names_no_proxy(
    server: Server, elsewhere: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would connect to addresses that nobody has checked."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url())
    await http_request(url=server.url("/echo"), private=True)
    assert (server.asked, elsewhere.asked) == (["GET /echo"], [])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the name "shop", in one file with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    path = tmp_path_factory.mktemp("tls") / "shop.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    made = ("-keyout", str(path), "-out", f"{path}.crt", "-subj", "/CN=shop")
    command = ["openssl", "req", "-x509", *curve, "-nodes", "-days", "2", *made]
    subprocess.run(
        [*command, "-addext", "subjectAltName=DNS:shop"], check=True, capture_output=True
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    """A server that proves to be "shop"."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serving(tls) as server:
        yield server


async def test_tls_asks_for_the_name(secure: Server, certificate: Path) -> None:
    """Though the address was connected to, the server has to prove that it is the name."""
    names = Names(shop=[[PUBLIC]], other=[[PUBLIC]])
    dialer = Dialer(
        private=False,
        resolve=names,
        beneath=Here(),
        tls=lambda: ssl.create_default_context(cafile=certificate),
    )
    assert (await fetch(of(secure, "shop"), dialer))["status"] == 200
    with pytest.raises(HttpRefused, match="the certificate of the server is not right: Hostname"):
        await fetch(of(secure, "other"), dialer)


async def test_tls_trusts_nobody_by_itself(secure: Server) -> None:
    """A certificate that nobody has signed is refused."""
    dialer = Dialer(private=False, resolve=Names(shop=[[PUBLIC]]), beneath=Here())
    with pytest.raises(HttpRefused, match="the certificate of the server is not right: self"):
        await fetch(of(secure, "shop"), dialer)


async def test_what_cannot_be_trusted_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates that are not there are an error that says where they were looked for."""
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    trusted.cache_clear()
    with pytest.raises(HttpRefused, match="SSL_CERT_FILE"):
        await http_request(url="https://127.0.0.1:1/", private=True)


async def test_what_does_not_speak_tls_may_be_tried_again(server: Server) -> None:
    """A server that answers https with something else is HttpFailed."""
    url = server.url("/echo").replace("http", "https", 1)
    with pytest.raises(HttpFailed, match="no connection"):
        await http_request(url=url, private=True)
