"""What an invocation wants to change: held back until it settles, then applied at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

make = tuple.__new__
"""`make(Kind, fields)` is what `Kind(*fields)` comes to, without the call of a Python
function that every NamedTuple puts in between: for the few that are made per message."""


class Publication(NamedTuple):
    """One message for one channel, already checked and encoded."""

    channel: str
    payload: bytes
    checked: int = 0
    """Number of the output schema it was checked against; 0 for none."""
    key: str | None = None
    task_id: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    source: str = ""
    """Who published it, where that is not an invocation."""
    id: str = ""
    """A given message id; derived from the invocation where it is empty."""
    version: int = 0
    """Version of the schema that it was checked against; 0 where that says none."""
    timing: tuple[float, float] | None = None
    """When it is delivered and when it expires, epoch seconds, 0 for at once and for never;
    None for both."""


_FIELDS = len(Publication._fields)
_FIRST = 9
"""Fields of a message now, and when there were fewest."""


def as_publication(fields: tuple[Any, ...]) -> Publication:
    """The message of these fields, as this version or an earlier one has written them.

    Raises ValueError.
    """
    if len(fields) == _FIELDS:
        return make(Publication, fields)
    if not _FIRST <= len(fields) <= _FIELDS:
        raise ValueError(f"a message of {len(fields)} fields")
    return Publication(*fields)


class CacheWrite(NamedTuple):
    """One change of a cache, decided: applying it needs no user code and no check."""

    op: str
    """"set", "delete", "append" or "increment"."""
    namespace: str
    key: str
    value: bytes = b""
    """The encoded value; for increment the encoded number."""
    shared: bool = False
    """True for the executor's shared cache, false for the run's own."""


class TaskWrite(NamedTuple):
    """One change of a run's tasks; fields that `op` does not change are empty."""

    op: str
    """"put" (create or update), "claim", "status" or "fail" (an attempt at it failed)."""
    task_id: str
    status: str = ""
    task_type: str = ""
    data: bytes = b""
    """The encoded payload."""
    max_attempts: int = 0
    parent: str | None = None
    agent: str = ""
    """Who claims it, for "claim"."""
    holder: int = 0
    """The delivery that holds the claim as a lease; 0 for the outside world."""
    at: float = 0.0
    """When it was asked for, epoch seconds."""


class Reply(NamedTuple):
    """What a handler returned for a request: (1, value), encoded."""

    value: bytes


class RepeatOf(NamedTuple):
    """A duplicate: the rest of its effects are those of another invocation."""

    first: str
    """The node id of that."""


REPLY_TO = "dagger-reply-to"
"""The header of a request: "<delivery that asks>/<key>", where 0 is the outside world."""

FROM_OUTSIDE = (REPLY_TO, "0/")
"""The header of a request that a run begins with; its reply is kept with the run."""

IDEMPOTENCY_KEY = "dagger-idempotency-key"
"""The header of a message that is handled once, however often it is published."""

STREAM = "dagger-stream"
"""The header of an item: "<attempt>/<index>", and "/restarted" where that is so."""

BUDGET = "dagger-budget"
"""The header of a message whose descendants have a budget (see `dagger.words.budget`)."""

CLEANUP = ("dagger-cleanup", "1")
"""The header of a message that is handled also when its run is cancelled; so is what it causes."""

OURS = frozenset({REPLY_TO, IDEMPOTENCY_KEY, STREAM, BUDGET, CLEANUP[0]})
"""Headers that mean something here: nobody else gives them to a message, or passes them on."""


def is_request(publication: Publication) -> bool:
    """Whether somebody waits for an answer to this message."""
    for name, _ in publication.headers:  # noqa: SIM110  on the hot path, where `any` costs more
        if name == REPLY_TO:
            return True
    return False


def request_key(publication: Publication) -> str:
    """What whoever asks knows this request by, such as "parse[3]"; "" for any other message."""
    answer_to = next((value for name, value in publication.headers if name == REPLY_TO), "")
    return answer_to.partition("/")[2]


def is_cleanup(publication: Publication) -> bool:
    """Whether it is handled also when its run is cancelled."""
    return CLEANUP in publication.headers


Effect = Publication | CacheWrite | TaskWrite | Reply | RepeatOf


E = TypeVar("E", bound=Effect)


class Commit(Protocol):
    """How changes take effect at once: calls `decide` and applies what it returns.

    Both happen as one step on the loop's own thread, so that nothing comes between
    the decision and the change. Returns what was applied; nothing is no change.
    """

    def __call__(self, decide: Callable[[], tuple[E, ...]], /) -> tuple[E, ...]: ...
