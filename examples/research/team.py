"""The team: six agents, and what they tell each other.

    questions ─> supervisor ─> assignments ─> planner ─> queries ─> searcher ─> found ─> reader
                  ^      └─> answers                                                       │
               verdicts <─ evaluator <─ drafts <─ reasoner <─ all evidence of a round <────┘

It goes round until the evaluator has nothing to object to, or the supervisor has had enough.
"""

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from library import Passage, library, stems, windows

from dagger import Context, agent, gather

ROUNDS = 4
"""So many at the most."""

FIT = {1: 0.6, 2: 0.5, 3: 0.4, 4: 0.3}
"""By round, how much of a query a sentence has to have: in the end something is better than
nothing.
"""

PASSAGES, QUOTES, ENOUGH = 8, 8, 0.25
"""Passages for a query, quotes in an answer, and how much of the first quote the last must add."""


@dataclass
class Quote:
    """A sentence, where it stands, and what of the question is in it."""

    text: str
    document: str
    section: str
    words: list[str]
    fit: float
    """How much of the query that it was found by is in it, or above it."""


@dataclass
class Case:
    """The file that goes round: a question, and all that is known about it so far."""

    question: str
    folder: str
    round: int = 0
    quotes: list[Quote] = field(default_factory=list)
    """The answer, best first."""
    covered: float = 0
    """The share of the question that has a quote, by the weight of its words."""
    lacking: list[str] = field(default_factory=list)
    """Words of the question that are in the documents, and in no quote."""
    unknown: list[str] = field(default_factory=list)
    """Words of the question that no document has: no search will find them."""


@dataclass
class Query:
    """Words to look for; stems."""

    case: Case
    words: list[str]


@dataclass
class Found:
    """The passages that are best for a query."""

    query: Query
    passages: list[Passage]


@dataclass
class Evidence:
    """What is worth quoting of them."""

    case: Case
    quotes: list[Quote]


@agent(subscribe=["questions", "verdicts"], publish=["assignments", "answers"])
async def supervisor(payload: Case, ctx: Context) -> None:
    """Begin, and go on until nothing is lacking, or it has been tried often enough."""
    begun = payload.round > 0
    if begun and (not payload.lacking or payload.round == ROUNDS):
        ctx.publish("answers", payload)
    else:
        ctx.publish("assignments", replace(payload, round=payload.round + 1))


@agent(subscribe="assignments", publish="queries", publish_each=True)
def planner(payload: Case) -> list[Query]:
    """First the question and its parts; then each word that is lacking, in its usual company."""
    if payload.round == 1:
        return [Query(payload, words) for words in [stems(payload.question), *parts(payload)]]
    books, more = library(payload.folder), payload.round
    return [Query(payload, [word, *books.company(word, more)]) for word in payload.lacking]


def parts(case: Case) -> list[list[str]]:
    """What a question asks one after the other, in two telling words or more each."""
    found: list[list[str]] = [[]]
    for part in re.split(r"[,;:?]|\band\b|\bor\b", case.question):
        if len(found[-1]) > 1:
            found.append([])
        found[-1] += stems(part)
    return [words for words in found if words]


@agent(subscribe="queries", publish="found", concurrency=4, overflow="block")
def searcher(payload: Query) -> Found:
    """Rank the library. A plain `def` runs in a thread, so that nobody waits for it."""
    books = library(payload.case.folder)
    return Found(payload, books.search(payload.words, best=PASSAGES))


@agent(subscribe="found", publish="evidence", concurrency=4, overflow="block")
async def reader(payload: Found) -> Evidence:
    """Of each passage quote what has most of the query, if together with its heading that is
    enough.
    """
    case, wanted = payload.query.case, payload.query.words
    weight, asked = library(case.folder).weight, dict.fromkeys(stems(case.question))

    def share(words: set[str]) -> float:
        return sum(weight(word) for word in wanted if word in words) / sum(map(weight, wanted))

    quotes = []
    for each in payload.passages:
        text = max(windows(each.text), key=lambda text: share(set(stems(text))))
        near = {*stems(text), *stems(each.section)}
        words = [word for word in asked if word in near]
        if words and share(near) >= FIT[case.round]:
            fit = round(share(near), 3)
            quotes.append(Quote(text, each.document, each.section, words, fit))
    return Evidence(case, quotes)


@agent(subscribe=gather("evidence"), scope="assignments", publish="drafts")
def reasoner(payload: list[Evidence]) -> Case:
    """Of all that was ever quoted, choose again and again what adds most to what is chosen."""
    case = payload[0].case
    found = [*case.quotes, *(quote for each in payload for quote in each.quotes)]
    found.sort(key=lambda each: (each.fit, each.document, each.section, each.text))
    left = list({each.text: each for each in found}.values())  # of equal ones, what fits best
    weight, said = library(case.folder).weight, Counter[str]()
    chosen: list[Quote] = []
    first = 0.0
    while left and len(chosen) < QUOTES:
        # A word that was said once is worth half as much the second time.
        gains = [each.fit * sum(weight(it) / 2 ** said[it] for it in each.words) for each in left]
        best = max(gains)
        quote = left.pop(gains.index(best))
        if best < ENOUGH * first and all(said[word] for word in quote.words):
            break
        first = first or best
        chosen.append(quote)
        said.update(chosen[-1].words)
    return replace(case, quotes=chosen)


@agent(subscribe="drafts", publish="verdicts")
def evaluator(payload: Case) -> Case:
    """Say how much of the question has been answered, and what is lacking."""
    weight, asked = library(payload.folder).weight, dict.fromkeys(stems(payload.question))
    said = {word for quote in payload.quotes for word in quote.words}
    known = [word for word in asked if weight(word)]
    covered = sum(weight(word) for word in known if word in said)
    covered /= sum(map(weight, known)) or 1
    lacking = [word for word in known if word not in said]
    unknown = [word for word in asked if word not in known]
    return replace(payload, covered=covered, lacking=lacking, unknown=unknown)


team = [supervisor, planner, searcher, reader, reasoner, evaluator]
