"""The pages of the documentation, as tests look at them: blocks, headings and links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(
    r"^(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)$", re.M | re.S
)
_HEADING = re.compile(r"^(?P<level>#+) (?P<title>.+)$", re.M)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block; `line` is that of its first line of text, from 1."""

    language: str
    text: str
    line: int
    end: int
    """The line of the closing fence."""

    @property
    def file(self) -> str:
        """The name of the file that a block is to be saved as, where its first line says so."""
        found = re.match(r"# (\w+\.py)\n", self.text)
        return found[1] if found else ""


class Page:
    """One Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path.relative_to(ROOT))
        self.text = path.read_text("utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        """Its fenced blocks, in order."""
        return [
            Block(found["language"], found["text"], self._line(found, "text"), self._end(found))
            for found in _FENCE.finditer(self.text)
        ]

    @cached_property
    def prose(self) -> str:
        """The text without its fenced blocks and code spans."""
        return re.sub(r"`[^`\n]+`", "``", _FENCE.sub("", self.text))

    @cached_property
    def headings(self) -> list[tuple[int, str]]:
        """Level and title of each heading."""
        text = _FENCE.sub("", self.text)
        return [(len(found["level"]), found["title"]) for found in _HEADING.finditer(text)]

    @cached_property
    def anchors(self) -> set[str]:
        """What links to a heading of the page are called, as GitHub makes them."""
        seen: Counter[str] = Counter()
        found = set()
        for _, title in self.headings:
            slug = slug_of(title)
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
        return found

    def links(self) -> Iterator[str]:
        """The targets of its links and pictures."""
        for found in _LINK.finditer(self.prose):
            yield found["target"]

    def sections(self, level: int = 2) -> dict[str, str]:
        """The text below each heading of a level, by title."""
        parts = re.split(rf"^{'#' * level} (.+)$", self.text, flags=re.M)
        return dict(zip(parts[1::2], parts[2::2], strict=True))

    def _line(self, found: re.Match[str], group: str) -> int:
        return self.text.count("\n", 0, found.start(group)) + 1

    def _end(self, found: re.Match[str]) -> int:
        return self.text.count("\n", 0, found.end()) + 1


def slug_of(title: str) -> str:
    """The anchor of a heading: lower case, without punctuation, with dashes for spaces."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


PAGES = {page.name: page for page in map(Page, [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))])}
"""Every page, by its path from the top."""
