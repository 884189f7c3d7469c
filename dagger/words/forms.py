"""Forms: how a text stands in others, such as JSON, what Python's `repr` says, and URLs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

FEW = 4
"""Characters below which a text has no other forms: they might be a part of anything."""

LINE = 8
"""Characters of a line, at least, that is hidden also where the others are not beside it."""

_PRINTABLE = {*map(chr, range(0x21, 0x7F))}

_LEFT_IN_URLS = (
    "",  # quote(text, safe=""), and forms
    "/",  # quote(text)
    "!'()*",  # encodeURIComponent
    "!#$&'()*+,/:;=?@",  # encodeURI
    "".join(_PRINTABLE - {*'"#<>'}),  # in a query, as httpx has it
    "".join(_PRINTABLE - {*'"#<>?`{}'}),  # in a path, likewise
)
"""What is not escaped, beside letters and digits, by who writes the URL."""

_SAID_AS_IT_IS = re.compile(r"[ !#-&(-\[\]-~]*")
"""Texts that nobody escapes between quotes."""

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[\w.-]+", re.ASCII)
_ENDS_IN_URLS = re.compile("[?#@]")
_UNRESERVED = re.compile(r"[\w.~-]*", re.ASCII)
_ESCAPE = re.compile("%[0-9A-F]{2}")


def forms(text: str) -> tuple[str, ...]:
    """A text and what others write for it, the longest first.

    - Without the space around it.
    - Escaped once or twice, as in JSON, in a `repr`, and in one of these within the other.
    - In a URL: with more or less of it escaped, by capitals or not, or "+" for a space; in small
      letters where it may be a host; where it is a URL itself, without its user and fragment; and
      what is before and behind "?", "#" and "@", where URLs are taken apart.
    - Each of its lines.
    - As who takes UTF-8 for Latin-1 reads it.

    Of parts only those of at least `LINE` characters. Most forms are the same: a token of letters
    and digits has two.
    """
    if len(text) < FEW:
        return (text,)
    wholes = {text, text.strip(), *_as_url(text.strip())} - {""}
    parts = {each for each in map(str.strip, _parts(text)) if len(each) >= LINE}
    found = {twice for whole in wholes for once in _escaped(whole) for twice in _escaped(once)}
    for each in {*wholes, *parts, *map(_misread, wholes), *map(_misread, parts)}:
        found |= {each, *_escaped(each)}
    for each in wholes if "\n" in text.strip() else wholes | parts:
        for written in _in_url(each):
            found |= {written, *_escaped(written)}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _parts(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield line
        if "://" not in line:
            yield from _ENDS_IN_URLS.split(line)


def _misread(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _escaped(text: str) -> set[str]:
    """As it stands between quotes: of JSON, and of Python with and without `'` escaped."""
    if _SAID_AS_IT_IS.fullmatch(text):
        return {text}
    parts = text.split("'")
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    found = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    for escaped in (
        [repr(part)[1:-1] for part in parts],
        [ascii(part)[1:-1] for part in parts],
        [repr(part)[2:-1] for part in encoded],
    ):
        found |= {"'".join(escaped), "\\'".join(escaped)}
    return found


def _in_url(text: str) -> Iterator[str]:
    """As it stands in a URL."""
    if _HOST.fullmatch(text):
        yield text.lower()
    if _UNRESERVED.fullmatch(text):  # nobody escapes anything of it
        return
    for left in _LEFT_IN_URLS:
        capitals = quote(text, safe=left, errors="surrogatepass")
        for escaped in (capitals, _ESCAPE.sub(lambda found: found[0].lower(), capitals)):
            yield escaped
            yield escaped.replace("%20", "+")


def _as_url(text: str) -> Iterator[str]:
    """As it is told where it is a URL of a page: scheme, host, path, and perhaps the query."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return
    place = host if port in (None, _PORTS.get(parts.scheme)) else f"{host}:{port}"
    page = f"{parts.scheme}://{place}{parts.path or '/'}"
    if host and parts.query:
        yield f"{page}?{parts.query}"
    if host and parts.path.strip("/"):
        yield page
