"""The library: a folder of texts, cut into passages, ranked by BM25.

Nothing in here knows of agents. The ranking is that of bm25s, the stems of words are those of
Snowball: two kept libraries. Who ranks and who reads agree on what a word is.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

import snowballstemmer

SUFFIXES = {".md", ".rst", ".txt"}

SILENT = frozenset(
    re.findall(
        r"\w+",
        """
        a about after all an and any are as at be been before but by can could did do
        does for from had happen happened happens has have how i if in into is it its
        may might more most must no not of on once one or other should so than that the
        their them then there these they this those to up was were what when where which
        while who whom whose why will with would you your
        """,
    )
)
"""Words that are everywhere, or ask, and tell nothing."""

ENGLISH = snowballstemmer.stemmer("english")


@dataclass(frozen=True)
class Passage:
    """A paragraph, and where it stands."""

    document: str
    """Its file, from the folder on."""
    section: str
    """The heading above it; "" at the beginning."""
    text: str


class Library:
    """The texts of a folder. What it says depends on the files alone."""

    def __init__(self, folder: str) -> None:
        files = sorted(each for each in Path(folder).rglob("*") if each.suffix in SUFFIXES)
        texts = {each.relative_to(folder): each.read_text("utf-8", "replace") for each in files}
        self.passages = [each for path, text in texts.items() for each in passages(path, text)]
        self._words = [stems(f"{each.section} {each.text}") for each in self.passages]
        self._spread = Counter(word for words in self._words for word in set(words))

    def search(self, words: list[str], best: int) -> list[Passage]:
        """The passages that are best for these words, best first."""
        known = [each for each in words if each in self._spread]
        if not known:
            return []
        scores = [round(float(score), 4) for score in self._ranking.get_scores(known)]
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        return [self.passages[place] for place in order[:best] if scores[place] > 0]

    def weight(self, word: str) -> float:
        """How much a word tells: more, the fewer passages have it; 0 if none has."""
        spread = self._spread[word]
        return log(1 + len(self.passages) / spread) if spread else 0.0

    def company(self, word: str, most: int) -> list[str]:
        """The words that are oftener where this one is than elsewhere: what it is about here."""
        near = Counter(each for words in self._words if word in words for each in set(words))
        near.pop(word, None)
        shares = {each: count * self.weight(each) for each, count in near.items() if count > 1}
        return sorted(shares, key=lambda each: (-shares[each], each))[:most]

    @cached_property
    def _ranking(self) -> Any:
        import bm25s

        ranking = bm25s.BM25()
        ranking.index(self._words, show_progress=False)
        return ranking


library = cache(Library)
"""The library of a folder, made when it is first asked for: each process reads for itself."""


def passages(path: Path, text: str) -> Iterator[Passage]:
    """The paragraphs and items of a text, without code, tables and pictures."""
    section = ""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.)\s)", text):
        if heading := re.match(r"#+ (.+)", block):
            section = plain(heading[1])
            block = block[heading.end() :]
        if words := plain(block):
            yield Passage(path.as_posix(), section, words)


def plain(text: str) -> str:
    """A text on one line, of its markup only the words."""
    kept = (line for line in text.splitlines() if not re.match(r"\s*(\||!\[|<!--)", line))
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", " ".join(kept))
    return " ".join(re.sub(r"(^|\s)([-*]|\d+\.)\s", " ", text.replace("**", "")).split())


def windows(text: str) -> list[str]:
    """What can be quoted of a passage: each sentence, and each two that follow each other."""
    single = re.split(r"(?<=[.!?:])\s+(?=[A-Z`\"])", text)
    return [*single, *(f"{one} {two}" for one, two in pairwise(single))]


def stems(text: str) -> list[str]:
    """The words of a text that tell something, as their stems: "killed" is "kill"."""
    return [stem(each) for each in re.findall(r"[a-z0-9_]{2,}", text.lower()) if each not in SILENT]


@cache
def stem(word: str) -> str:
    """The stem of an English word, after Porter."""
    return str(ENGLISH.stemWord(word))
