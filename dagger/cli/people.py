"""Questions in a store: read, described, and answered by whoever owns it, or else here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from dagger.authoring.questions import refusal
from dagger.cli.payloads import read_text
from dagger.cli.sending import send
from dagger.cli.stored import stored_run, stored_runs
from dagger.cli.stores import opened
from dagger.cli.times import moment
from dagger.cli.visiting import done_here
from dagger.rules.schema import schema
from dagger.views.questions import open_questions
from dagger.views.wording import clean
from dagger.words.errors import AnswerRefused, QuestionNotFound

if TYPE_CHECKING:
    from dagger.store.reader import StoreReader
    from dagger.views.questions import OpenQuestion


def stored_questions(store: Path, run_id: str | None = None) -> list[OpenQuestion]:
    """The open questions of one run, or of all, oldest first. Raises Refused, DatabaseError."""
    with opened(store) as reader, reader.still():
        return _questions(reader, run_id)


def _questions(reader: StoreReader, run_id: str | None) -> list[OpenQuestion]:
    runs = stored_runs(reader) if run_id is None else [stored_run(reader, run_id)]
    return sorted((each for run in runs for each in open_questions(run)), key=lambda each: each.at)


def described(question: OpenQuestion) -> Iterator[str]:
    """What there is to know of a question, a line each."""
    to = f" · to {clean(question.to)}" if question.to else ""
    due = f" · by {moment(question.due)}" if question.due is not None else ""
    yield f"{clean(question.id)}{to} · asked {moment(question.at)}{due}"
    yield f"  {clean(words(question.question))}"
    for name, value in _terms(question):
        yield f"  {name}: {clean(value)}"


def _terms(question: OpenQuestion) -> Iterator[tuple[str, str]]:
    """What an answer has to be, and what is one if nobody gives any."""
    if question.choices:
        yield "one of", ", ".join(words(each) for each in question.choices)
    elif question.schema is not None:
        yield "schema", json.dumps(question.schema, ensure_ascii=False)
    for each in question.default:
        yield "default", words(each)


def words(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def meant(question: OpenQuestion, text: str) -> Any:
    """The value that a typed text stands for: of JSON and mere text what the question takes,
    JSON if it takes both or neither.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if question.schema is None:
        return value
    fits = schema(question.schema, question.id)
    return text if refusal(fits, None, value) and not refusal(fits, None, text) else value


def answer(store: Path, id: str, given: str, by: str) -> None:
    """Answer a question. Raises QuestionNotFound, AnswerRefused, Refused, StoreTrouble."""
    text = read_text(given, "VALUE")
    with opened(store) as reader, reader.still():
        question = _find(_questions(reader, None), id)
        owned = reader.owner() is not None
    value = meant(question, text)
    _check(question, value)
    if owned or not done_here(store, lambda executor: executor.answer(id, value, by=by)):
        with opened(store) as reader:
            anyio.run(_ask, reader, id, value, by)


def _find(questions: list[OpenQuestion], id: str) -> OpenQuestion:
    found = next((each for each in questions if each.id == id), None)
    if found is None:
        raise QuestionNotFound(id, tuple(each.id for each in questions))
    return found


def _check(question: OpenQuestion, value: Any) -> None:
    """Find out here what its schema has against it."""
    if question.schema is not None:
        problem = refusal(schema(question.schema, question.id), None, value)
        if problem:
            raise AnswerRefused(question.id, problem)


async def _ask(reader: StoreReader, id: str, value: Any, by: str) -> None:
    await send(reader, "answer", "", {"question": id, "value": value, "by": by})
