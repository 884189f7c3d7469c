"""Open questions as people see them: what is asked, of whom, and what an answer has to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.words import ids
from dagger.words.payload import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dagger.state.run import Question, Run


class OpenQuestion(NamedTuple):
    """Something asked of people and not answered yet."""

    run_id: str
    """The run it is of."""
    id: str
    """What it is answered by: `<run>.<delivery>/<name>`, the same after a restart."""
    node_id: str
    """The invocation that asks."""
    name: str
    """Its name within the invocation."""
    question: Any
    """What is asked: any JSON data."""
    at: float
    """When it was asked, epoch seconds."""
    to: str = ""
    """Whom it is for; "" for everybody."""
    schema: Any = None
    """The JSON Schema of an answer; None where anything will do."""
    due: float | None = None
    """When it is overdue, epoch seconds; None for never."""
    default: tuple[Any, ...] = ()
    """What is taken for an answer where nobody gives one in time; empty for nothing."""

    @property
    def choices(self) -> tuple[Any, ...]:
        """What may be answered, where that is a list; else empty."""
        found = self.schema.get("enum", ()) if isinstance(self.schema, dict) else ()
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """It as plain JSON data."""
        return {**self._asdict(), "default": list(self.default)}


def question_id(run_id: str, delivery: int, name: str) -> str:
    """The id of a question."""
    return f"{run_id}.{delivery}/{name}"


def possible(id: str) -> Iterator[tuple[str, int, str]]:
    """What an id may be of: run, delivery and name. There may be slashes in the names of both."""
    for at, each in enumerate(id):
        run_id, _, delivery = id[:at].rpartition(".")
        if each == "/" and delivery.isascii() and delivery.isdecimal():
            yield run_id, int(delivery), id[at + 1 :]


def open_questions(run: Run) -> Iterator[OpenQuestion]:
    """The questions of a run, oldest first."""
    for each in run.asked():
        agent = run.deliveries[each.delivery].queue.subscriber.name
        yield open_question(run.id, agent, each)


def open_question(run_id: str, agent: str, asked: Question) -> OpenQuestion:
    """A question of an agent's."""
    return OpenQuestion(
        run_id=run_id,
        id=question_id(run_id, asked.delivery, asked.name),
        node_id=ids.node_id(agent, run_id, asked.delivery),
        name=asked.name,
        question=decode(asked.question),
        at=asked.at,
        to=asked.to,
        schema=decode(asked.schema) if asked.schema else None,
        due=asked.due or None,
        default=(decode(asked.default),) if asked.default else (),
    )
