"""Feeds: RSS and Atom as files. feedparser reads whatever there is; what we write is Atom."""

import io
import re
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import feedparser

SUFFIXES = {".atom", ".rss", ".xml"}


@dataclass
class Entry:
    """What a feed tells. The text has no markup."""

    id: str
    link: str
    title: str
    text: str
    when: str
    """ISO 8601, in UTC; "" if the feed does not say."""
    source: str
    """What the feed calls itself."""
    topic: str = ""
    """Which of ours it belongs to, once that is known."""


def read(path: str) -> tuple[list[Entry], str]:
    """What a feed tells, and what is wrong with it; "" for nothing. ValueError if it is none."""
    # From a stream: of a text feedparser would think that it may be an address.
    feed = feedparser.parse(io.BytesIO(Path(path).read_bytes()))
    name = Path(path).name
    if not feed.version:
        raise ValueError(f"{name} is no feed")
    source = plain(feed.feed.get("title", "")) or name
    damage = str(feed.bozo_exception).rpartition(": ")[2] if feed.bozo else ""
    entries = [entry(each, source) for each in feed.entries]
    return [each for each in entries if each.title or each.text], damage


def entry(told: Any, source: str) -> Entry:
    """An entry as it is kept."""
    link, title, text = (plain(told.get(each, "")) for each in ("link", "title", "summary"))
    when = told.get("published_parsed") or told.get("updated_parsed")
    return Entry(
        id=told.get("id") or link or f"{source}: {title or text}",
        link="" if link.startswith("urn:") else link,
        title=title or text[:60],
        text=text,
        when=datetime.fromtimestamp(timegm(when), UTC).isoformat() if when else "",
        source=source,
    )


def plain(html: str) -> str:
    """A text without markup, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def write(entries: list[Entry], path: str) -> None:
    """A digest as an Atom feed. Nobody ever sees half of it."""
    newest = max(it.when for it in entries) or "1970-01-01T00:00:00+00:00"
    feed = ElementTree.Element("feed", xmlns="http://www.w3.org/2005/Atom")
    said = {"id": f"urn:digest:{Path(path).stem}", "title": "Digest", "updated": newest}
    for it in entries:
        inner = ElementTree.SubElement(feed, "entry")
        told = {"id": it.id, "title": it.title, "updated": it.when or newest, "summary": it.text}
        for tag, text in told.items():
            ElementTree.SubElement(inner, tag).text = text
        ElementTree.SubElement(inner, "category", term=it.topic)
        if it.link:
            ElementTree.SubElement(inner, "link", href=it.link)
        ElementTree.SubElement(ElementTree.SubElement(inner, "author"), "name").text = it.source
    for place, (tag, text) in enumerate(said.items()):
        child = ElementTree.Element(tag)
        child.text = text
        feed.insert(place, child)
    draft = Path(f"{path}.draft")
    draft.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(feed).write(draft, "utf-8", xml_declaration=True)
    draft.replace(path)
