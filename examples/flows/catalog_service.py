"""The other side of the catalog check: a service that keeps invoices, and is not always well.

Some of its answers are 503 and some never come, though what was asked for has been done. Which
ones follows from a seed, from what is asked for, and how often it was before; of three answers
to the same one is right.
"""

import json
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from secrets import compare_digest, token_hex
from threading import Event, Lock, Thread
from typing import Any, NamedTuple, Self

PASSWORD = "correct horse battery staple"
THIS_YEAR = "2026"
INVOICES, PER_PAGE = 20, 4
HANGING = 10.0
"""Seconds after which an answer that does not come has been given up by anybody."""


class Answer(NamedTuple):
    """A status, and a body: a mapping as JSON, a text as CSV."""

    status: int
    body: dict[str, Any] | str


def invoices(month: str) -> list[tuple[str, str, str, int]]:
    """Number, date, customer and cents of each invoice of a month."""
    random = Random(month)
    return [
        (
            f"{month}-{number:03}",
            f"{month}-{random.randint(1, 28):02}",
            random.choice(("Ada", "Ben", "Cleo")),
            random.randint(500, 500_000),
        )
        for number in range(1, INVOICES + 1)
    ]


def page(month: str, number: int) -> str:
    """A page as CSV. On the last one is an invoice that belongs to another year."""
    rows = invoices(month)[(number - 1) * PER_PAGE : number * PER_PAGE]
    if number * PER_PAGE >= INVOICES:
        rows.append((f"{month}-999", f"1999{month[4:]}-01", "Ada", 1_00))
    lines = [f'{each},{date},{who},"{cents / 100:,.2f}"' for each, date, who, cents in rows]
    return "\n".join(["number,date,customer,amount", *lines])


def fault(seed: int, path: str, time: int) -> str:
    """What goes wrong when something is asked for, for the first time or later."""
    chance = Random(f"{seed} {path} {time}").random()
    if time % 3 == 0 or chance > 0.3:
        return ""
    return "hangs" if chance < 0.04 else "503"


class Catalog:
    """What the service knows, and what it was asked; `answer` is all that it does."""

    def __init__(self, seed: int = 18) -> None:
        self.seed = seed
        self.asked: Counter[str] = Counter()
        """How often, by path."""
        self.faults: Counter[str] = Counter()
        self.confirmed: dict[str, str] = {}
        """By month, the idempotency key under which it was."""
        self._tokens: set[str] = set()
        self._lock = Lock()

    def ask(self, method: str, path: str, headers: Any, body: bytes) -> tuple[Answer, str]:
        """An answer, and what goes wrong with it."""
        with self._lock:
            self.asked[path] += 1
            trouble = fault(self.seed, path, self.asked[path])
            self.faults[trouble] += 1
            given = json.loads(body) if body else {}
            match method, path.strip("/").split("/"):
                case "POST", ["login"]:
                    answer = self._login(given)
                case _ if headers.get("Authorization", "")[7:] not in self._tokens:
                    answer = Answer(401, "who are you?")
                case "GET", ["invoices" | "archive" as where, month]:
                    answer = self._pages(where, month)
                case "GET", ["invoices", month, number]:
                    answer = Answer(200, page(month, int(number)))
                case "POST", ["invoices", month, "confirm"]:
                    answer = self._confirm(month, given, headers["Idempotency-Key"])
                case _:
                    answer = Answer(404, "there is nothing")
            return answer, trouble

    def _login(self, given: dict[str, Any]) -> Answer:
        if not compare_digest(str(given.get("password", "")), PASSWORD):
            return Answer(401, "wrong password")
        token = token_hex(8)
        self._tokens.add(token)
        return Answer(200, {"token": token})

    def _pages(self, where: str, month: str) -> Answer:
        """Paths of pages. The second is there twice: it got longer while they were counted."""
        if where != ("invoices" if month >= THIS_YEAR else "archive"):
            return Answer(410, "it has moved")
        numbers = sorted([*range(1, -(-INVOICES // PER_PAGE) + 1), 2])
        return Answer(200, {"pages": [f"/invoices/{month}/{number}" for number in numbers]})

    def _confirm(self, month: str, given: dict[str, Any], key: str) -> Answer:
        if given != {"cents": sum(cents for *_, cents in invoices(month))}:
            return Answer(409, "we have another total")
        if self.confirmed.setdefault(month, key) != key:
            return Answer(409, "that was confirmed by somebody else")
        return Answer(200, {"confirmed": month})


class Service:
    """Lets a catalog be asked over HTTP, at `address`, while it is entered."""

    def __init__(self, catalog: Catalog) -> None:
        closing = self._closing = Event()

        class Handler(BaseHTTPRequestHandler):
            """One request, in a thread of its own."""

            def handle(self) -> None:
                with suppress(ConnectionError):  # who asked is not there any more
                    super().handle()

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                answer, trouble = catalog.ask(self.command, self.path, self.headers, body)
                if trouble == "hangs":
                    closing.wait(HANGING)  # nobody listens any more
                elif trouble == "503":
                    self._send(Answer(503, "not now"))
                else:
                    self._send(answer)

            def _send(self, answer: Answer) -> None:
                if isinstance(answer.body, str):
                    kind, text = "text/csv", answer.body
                else:
                    kind, text = "application/json", json.dumps(answer.body)
                self.send_response(answer.status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Tell nobody."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
