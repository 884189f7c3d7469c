"""What comes back: bytes that are bounded while they arrive, as text and as JSON.

Bodies are unpacked here and not by httpx, which unpacks each piece whole: from packings in
packings, a few kilobytes become more than there is memory.
"""

from __future__ import annotations

import json
import zlib
from codecs import lookup
from collections.abc import AsyncIterable
from email.message import Message
from typing import Any

import anyio

from dagger.words.errors import SerializationError
from dagger.words.payload import encode

_EITHER = zlib.MAX_WBITS | 32
"""To zlib: gzip or its own format, as the stream says."""

_SLACK = 64 * 1024
"""Bytes that a packed body may be longer than what is in it, beside as much again."""

_ODD = frozenset(
    {
        *("idna", "mbcs", "oem", "punycode", "raw_unicode_escape", "undefined"),
        *("unicode_escape", "utf-7"),
    }
)
"""Codecs that no response is written in: some take very long, some give what is no text."""


class TooLarge(Exception):
    """A body has more bytes than are taken."""


class Undecodable(Exception):
    """A body is not packed as its headers say."""


class Unasked(Exception):
    """A body is packed in a way that was not asked for."""


class Packed:
    """A body that is packed with gzip or zlib, unpacked piece by piece."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_EITHER)
        self._begun = False

    def unpacked(self, piece: bytes, room: int) -> bytes:
        """What a piece holds, at most `room` bytes of it. Raises Undecodable."""
        found = b""
        self._begun = self._begun or bool(piece)
        while piece and len(found) < room:
            if self._member.eof:  # gzip may be several, one after the other
                self._member = zlib.decompressobj(_EITHER)
            try:
                found += self._member.decompress(piece, room - len(found))
            except zlib.error:
                raise Undecodable("the body is not packed as its headers say") from None
            piece = self._member.unused_data
        return found

    def end(self) -> None:
        """There is no more of it. Raises Undecodable if there should be."""
        if self._begun and not self._member.eof:
            raise Undecodable("the body broke off")


class Plain:
    """A body that is not packed."""

    def unpacked(self, piece: bytes, room: int) -> bytes:
        return piece[:room]

    def end(self) -> None:
        """Whether it is whole has been seen before."""


def packing(encoding: str) -> Packed | Plain:
    """How a body of this content encoding is unpacked. Raises Unasked."""
    match encoding.strip().lower():
        case "" | "identity":
            return Plain()
        case "gzip" | "x-gzip" | "deflate":
            return Packed()
        case _:
            raise Unasked("its body is packed in another way than gzip, which alone is understood")


class Body:
    """What has arrived of a body, unpacked and counted."""

    def __init__(self, packing: Packed | Plain, max_bytes: int) -> None:
        self._packing = packing
        self._most = max_bytes
        self._content = bytearray()
        self._arrived = 0

    def take(self, piece: bytes) -> None:
        """Add a piece. Raises TooLarge, Undecodable; then nothing more may be added."""
        self._arrived += len(piece)
        self._content += self._packing.unpacked(piece, self._most + 1 - len(self._content))
        # What arrives counts too: packings of nothing could go on for ever.
        if len(self._content) > self._most or self._arrived > 2 * self._most + _SLACK:
            raise TooLarge

    def whole(self) -> bytes:
        """All of it. Raises Undecodable if there should be more."""
        self._packing.end()
        return bytes(self._content)


async def content_of(pieces: AsyncIterable[bytes], encoding: str, max_bytes: int) -> bytes:
    """A whole body, unpacked. Raises TooLarge as soon as it has more than `max_bytes`,
    whatever its headers say; Undecodable; Unasked.
    """
    body = Body(packing(encoding), max_bytes)
    trouble: TooLarge | Undecodable | None = None
    # A stream that is given up is cancelled: then the generators of httpcore end from within,
    # and none is left for the garbage collector, of which trio complains.
    with anyio.CancelScope() as stream:
        async for piece in pieces:
            try:
                if trouble is None:
                    body.take(piece)
            except (TooLarge, Undecodable) as wrong:
                trouble = wrong
                stream.cancel()
    if trouble is not None:
        raise trouble
    return body.whole()


def text_of(content: bytes, content_type: str) -> str | None:
    """A body as text, in the character set that it says or in UTF-8; None if it is not text."""
    try:
        text = content.decode(_codec(content_type))
        text.encode()  # a payload, too, has to be UTF-8
    except UnicodeError:
        return None
    return None if "\0" in text else text


def json_of(text: str | None, content_type: str) -> Any:
    """What a body says as JSON; None if its type is not JSON, or what it says is no payload: not
    what its type says, deeper than one may be, with a number that no 64 bits hold, or with half of
    a surrogate pair. The request has been sent, so that it must not fail by what came back.
    """
    kind = _header(content_type).get_content_type()
    if text is None or not (kind == "application/json" or kind.endswith("+json")):
        return None
    try:
        found = json.loads(text, parse_constant=_no_constant)
        encode({"json": found})  # as what is given has it
    except (ValueError, RecursionError, SerializationError):
        return None
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _codec(content_type: str) -> str:
    """Python's name of a character set; that of UTF-8 where there is none that can be used."""
    try:
        charset = _header(content_type).get_content_charset("utf-8")
        name = lookup(charset).name
        b"?".decode(name, "ignore")  # a LookupError where a codec is not for text
    except (LookupError, ValueError):
        name = "utf-8"
    return "utf-8-sig" if name == "utf-8" or name in _ODD else name


def _header(content_type: str) -> Message:
    message = Message()
    message["content-type"] = content_type
    return message
