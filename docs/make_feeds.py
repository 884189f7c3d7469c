"""The feeds of this project: decisions and changes, as RSS 2.0, from the pages that tell of them.

    python -m docs.make_feeds

writes both anew into feeds/. A test fails while they say anything else than this. No entry has a
date: the pages have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

HERE = Path(__file__).parent


class Item(NamedTuple):
    """One entry of a feed, as texts without markup; what is empty is left out."""

    guid: str
    title: str
    link: str
    description: str


def decisions() -> str:
    """A feed of the pages in decisions/: what each is about, and its context."""
    return _feed("Dagger: decisions", "What was decided, and why", _decisions())


def changes() -> str:
    """A feed of the changelog: an entry for each of its items."""
    return _feed("Dagger: changes", "What is new", _changes())


FEEDS = {"decisions.rss": decisions, "changes.rss": changes}
"""By file, what is in it."""


def _decisions() -> Iterator[Item]:
    for page in sorted((HERE / "decisions").glob("*.md")):
        title, _, text = page.read_text("utf-8").partition("\n")
        context = text.partition("## Context")[2].partition("##")[0].strip().partition("\n\n")[0]
        name = re.sub(r"^# \d+\. ", "", title)
        yield Item(
            f"decision {page.stem[:4]}", name, f"docs/decisions/{page.name}", _plain(context)
        )


def _changes() -> Iterator[Item]:
    text = (HERE.parent / "CHANGELOG.md").read_text("utf-8")
    parts = re.split(r"^## \[(.+?)\].*$", text, flags=re.M)
    for version, section in zip(parts[1::2], parts[2::2], strict=True):
        for item in re.findall(r"^- (.+(?:\n  .+)*)", section, re.M):
            said = _plain(item)
            title = re.split(r"[.:;](?:\s|$)", said)[0]
            yield Item(f"change {version} {title}", title, "", said)


def _plain(markdown: str) -> str:
    """A paragraph on one line: of links their text, and no marks of code."""
    return " ".join(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "").split())


def _feed(title: str, description: str, items: Iterator[Item]) -> str:
    root = ElementTree.Element("rss", version="2.0")
    channel = ElementTree.SubElement(root, "channel")
    _texts(channel, title=title, link="docs/index.md", description=description)
    for item in items:
        inner = ElementTree.SubElement(channel, "item")
        _texts(inner, title=item.title, link=item.link, description=item.description)
        ElementTree.SubElement(inner, "guid", isPermaLink="false").text = item.guid
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, "unicode")}' + "\n"


def _texts(parent: ElementTree.Element, **texts: str) -> None:
    for tag, text in texts.items():
        if text:
            ElementTree.SubElement(parent, tag).text = text


def main() -> None:
    """Write the feeds."""
    for name, make in FEEDS.items():
        (HERE / "feeds" / name).write_text(make(), "utf-8")


if __name__ == "__main__":
    main()
