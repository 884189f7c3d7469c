"""A server of the standard library on this machine, for requests that are really sent."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread

PIECE = b"x" * 4096


class Server(ThreadingHTTPServer):
    """Answers on a port of its own, and knows what it was asked."""

    daemon_threads = True
    scheme = "http"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        """Methods and paths, in the order in which they came."""
        self.hanging = threading.Event()
        """Somebody waits for an answer that does not come."""
        self.left = threading.Event()
        """Who waited has gone."""

    def url(self, path: str = "/", userinfo: str = "", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{userinfo}{host}:{self.server_port}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go before the end are none."""


class Handler(BaseHTTPRequestHandler):
    """One request: the first part of the path says what is answered."""

    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        split = urlsplit(self.path)
        name, _, rest = split.path.strip("/").partition("/")
        given = {key: values[-1] for key, values in parse_qs(split.query).items()}
        getattr(self, f"on_{name}")(rest, given)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """To nobody."""

    def on_echo(self, rest: str, given: dict[str, str]) -> None:
        """What was asked, as JSON."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        told = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode(),
        }
        self.say(200, json.dumps(told).encode(), {"content-type": "application/json"})

    def on_status(self, rest: str, given: dict[str, str]) -> None:
        self.say(int(rest), b"hush: what the body says")

    def on_go(self, rest: str, given: dict[str, str]) -> None:
        """A redirect of this status."""
        self.say(int(rest), b"", {"location": given["to"]})

    def on_loop(self, rest: str, given: dict[str, str]) -> None:
        left = int(rest) - 1
        self.say(302, b"", {"location": f"/loop/{left}" if left else "/echo"})

    def on_typed(self, rest: str, given: dict[str, str]) -> None:
        """These bytes, as this type."""
        self.say(200, given["bytes"].encode("latin-1"), {"content-type": given["type"]})

    def on_packed(self, rest: str, given: dict[str, str]) -> None:
        """Many zeros in few bytes."""
        body = gzip.compress(b"0" * int(rest)) + gzip.compress(b"1")
        cut = int(given.get("cut", 0))
        encoding = given.get("as", "gzip")
        self.say(200, body[: len(body) - cut], {"content-encoding": encoding})

    def on_endless(self, rest: str, given: dict[str, str]) -> None:
        """Pieces that never stop, and of which no header says how many they are."""
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
        finally:
            self.close_connection = True
            self.server.left.set()

    def on_hang(self, rest: str, given: dict[str, str]) -> None:
        self.server.hanging.set()
        self.rfile.read(1)  # until there is nobody
        self.close_connection = True
        self.server.left.set()

    def on_break(self, rest: str, given: dict[str, str]) -> None:
        """An answer that ends before its end."""
        self.send_response(200)
        self.send_header("content-length", "100")
        self.end_headers()
        self.wfile.write(b"some")
        self.close_connection = True

    def on_garbage(self, rest: str, given: dict[str, str]) -> None:
        self.wfile.write(b"hush, this is no HTTP\r\n\r\n")
        self.close_connection = True

    def say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that answers in threads of its own."""
    with Server() as server:
        if tls is not None:
            server.scheme = "https"
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


async def until(happened: Callable[[], Any]) -> None:
    """Wait in a thread."""
    await anyio.to_thread.run_sync(happened, abandon_on_cancel=True)
