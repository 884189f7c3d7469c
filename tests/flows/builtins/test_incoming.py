"""Bodies on their way in: bounded, whatever they are packed in."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from json import dumps

import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.flows.builtins.incoming import Packed, TooLarge, content_of, json_of, text_of
from dagger.words.payload import encode


@given(
    st.binary(),
    st.text() | st.text("abcdeiu-_*'=\";/ 0").map("text/plain; charset={}".format),
)
def test_whatever_a_type_says_there_is_text_or_none(content: bytes, kind: str) -> None:
    """A body is text that UTF-8 can say or None, whatever the server says it is."""
    text = text_of(content, kind)
    assert text is None or text.encode().decode() == text
    encode({"json": json_of(text, kind)})


@given(
    st.text()
    | st.builds(
        dumps,
        st.recursive(
            st.none() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_what_json_says_is_a_payload_or_nothing(text: str) -> None:
    """Whatever a server sends as JSON, the step can give what has become of it."""
    encode({"json": json_of(text, "application/json")})


def test_no_more_is_unpacked_than_there_is_room_for() -> None:
    """Few bytes that hold very many cost no more memory than may be used."""
    piece = gzip.compress(b"0" * 1_000_000)
    assert Packed().unpacked(piece, 10) == b"0" * 10


async def test_packings_of_nothing_have_an_end() -> None:
    """A stream that holds nothing, and goes on, is given up as well."""
    arrived = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal arrived
        while True:
            await anyio.lowlevel.checkpoint()
            arrived += 1000
            yield gzip.compress(b"") * 50  # of 20 bytes each

    with pytest.raises(TooLarge):
        await content_of(endless(), "gzip", 1000)
    assert arrived < 100_000


async def test_pieces_may_be_cut_anywhere() -> None:
    """What comes byte by byte is unpacked like what comes at once."""

    async def bytewise() -> AsyncIterator[bytes]:
        for byte in gzip.compress(b"some ") + gzip.compress(b"text"):
            yield bytes([byte])

    assert await content_of(bytewise(), "gzip", 9) == b"some text"
