"""Secrets: what is hidden of values, what is left of them, and for how long."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.words.payload import decode, encode
from dagger.words.secrets import LATELY, MASK, WHOLE, Secrets, hidden, masked, named

SAID = "it is hunter22, of course"


def secrets(*values: Any) -> Secrets:
    """Those that hide these."""
    found = Secrets()
    for each in values:
        found.add(each)
    return found


@pytest.mark.parametrize(
    ("hides", "text", "left"),
    [
        (["sesame"], "open sesame, sesame!", "open ***, ***!"),
        (["sesame"], "sesamesesame", "******"),
        (["abcd", "cdef"], "<abcdef>", "<***>"),
        (["abcdef", "bcde"], "<abcdef>", "<***>"),
        (["abab"], "<ababab>", "<***>"),
        (["it's"], "it\\'s, it's", "***, ***"),
        (["no"], "no", "***"),
        (["no"], "not no", "not no"),
        ([4321], "pin 4321", "pin ***"),
        ([{"a": ["deep"]}], "how deep", "how ***"),
    ],
)
def test_nothing_of_a_secret_is_left(hides: list[Any], text: str, left: str) -> None:
    """Where it occurs there is a mask, or one for all that overlap; a very short one has to be all
    of a text.
    """
    assert secrets(*hides).masked(text) == left
    assert masked(text, [secrets(each) for each in hides]) == left
    assert decode(secrets(*hides).masked(encode({"a": [text]}))) == {"a": [left]}


@given(st.lists(st.text("ab", min_size=WHOLE), min_size=1, max_size=4), st.text("abc"))
def test_no_piece_that_was_a_secret_stays(hides: list[str], text: str) -> None:
    """Whatever they have in common, and whoever hides them, no place that was in one stays."""
    kept = [True] * len(text)
    for each in hides:
        for start in range(len(text)):
            if text.startswith(each, start):
                kept[start : start + len(each)] = [False] * len(each)
    left = masked(text, [secrets(each) for each in hides])
    assert left.replace(MASK, "") == "".join(
        c for c, stays in zip(text, kept, strict=True) if stays
    )


@pytest.mark.parametrize(
    ("secret", "key", "left"),
    [
        ("admin", "admin", "admin"),
        ("admin", "admin_name", "admin_name"),
        ("no", "no", "no"),
        ("k1", "k1", "***"),
        ("hunter22", "user hunter22", "user ***"),
        ("a" * 16, "a" * 16, "***"),
        ("Admin", "Admin", "***"),
    ],
)
def test_keys_are_names(secret: str, key: str, left: str) -> None:
    """In a key a plain word stays, as programs know it by that; in a value it does not."""
    known = secrets(secret)
    assert named(key, [known]) == left
    assert known.masked({key: [secret]}) == {left: [MASK]}


def test_what_has_none_is_the_same() -> None:
    """Nothing is made anew where nothing is hidden."""
    known, blob, text = secrets("sesame"), encode({"a": "b"}), "open"
    pair = (text, 1)
    assert known.masked(pair) is pair
    assert known.masked(blob) is blob
    assert masked(text, []) is text


def test_what_is_secret_anywhere_is_hidden_before_a_cut() -> None:
    """Whoever cuts a text need not know whose secrets there are; those of nobody are forgotten."""
    one, other = secrets("Zq7-a-1"), secrets("Zq7-a-12")
    assert hidden("Zq7-a-1 Zq7-a-12 Zq7-a-123") == "*** *** ***3"
    del other
    gc.collect()
    assert hidden(["Zq7-a-12"]) == ["***2"]
    del one
    gc.collect()
    assert hidden("Zq7-a-1") == "Zq7-a-1"


def test_a_text_is_hidden_until_nobody_holds_it_and_a_while_longer() -> None:
    """Two runs may be given the same; what was written for good stays."""
    secrets = Secrets()
    secrets.add("for ever")
    secrets.add({"password": "hunter22"}, "one")
    secrets.add(["hunter22"], "two")
    secrets.let_go("one")
    for number in range(LATELY):
        secrets.add(f"other {number}", number)
        secrets.let_go(number)
    assert secrets.masked(SAID) == "it is ***, of course"
    secrets.let_go("two")
    assert secrets.masked(SAID) == "it is ***, of course"
    for number in range(LATELY):
        secrets.add(f"yet another {number}", number)
        secrets.let_go(number)
    assert secrets.masked(SAID) == SAID
    assert decode(secrets.masked(encode([SAID, "for ever"]))) == [SAID, MASK]
    secrets.let_go("nobody")


def test_what_one_holder_says_twice_it_holds_once() -> None:
    """It lets go of all at once, and what else it held before stays hidden as long."""
    secrets = Secrets()
    for value in ("hunter22", "hunter23", "hunter22", "abc"):
        secrets.add(value, "one")
    secrets.let_go("one")
    secrets.add("hunter22", "one")
    for number in range(LATELY + 1):
        secrets.add("x", number)
        secrets.let_go(number)
    assert secrets.masked(("hunter22", "hunter23", "abc", "x")) == (MASK, "hunter23", "abc", MASK)
