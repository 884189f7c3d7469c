"""Secrets: what is hidden, and for how long."""

from __future__ import annotations

from dagger.words.payload import decode, encode
from dagger.words.secrets import LATELY, MASK, Secrets

SAID = "it is hunter22, of course"


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


def test_the_longest_goes_first() -> None:
    """One may be a part of another, among few and among very many."""
    secrets = Secrets()
    for text in ("hunter", "hunter22", "er22"):
        secrets.add(text)
    assert secrets.masked("hunter22 hunter er22") == "*** *** ***"
    secrets.add([f"many {number:03}" for number in range(300)])
    assert secrets.masked("hunter22 hunter er22 many 007") == "*** *** *** ***"
    blob = encode({"many 299": "er22", "n": 1})
    assert decode(secrets.masked(blob)) == {MASK: MASK, "n": 1}
