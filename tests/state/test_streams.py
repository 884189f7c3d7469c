"""Streams: whatever attempts say, consumers are left with what the last of them has said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dagger.state.streams import Meaning, Stream
from dagger.words.ids import STREAMED

ATTEMPTS = st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=5)
"""What each attempt says, one letter an item."""


def digest(letter: str) -> bytes:
    """One of 8 bytes."""
    return letter.encode() * 8


class Consumer:
    """Believes what it is told: an item takes the place of all that was there from its index on."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.told: list[tuple[int, int, bool]] = []  # attempt, index, restarted

    def hear(self, attempt: int, index: int, restarted: bool, letter: str) -> None:
        assert restarted == (index < len(self.text))  # nothing is void unless it is told
        self.text[index:] = [letter]
        self.told.append((attempt, index, restarted))


def say(stream: Stream, consumer: Consumer, attempt: int, letters: list[str]) -> None:
    """One attempt, as far as it gets."""
    for index, letter in enumerate(letters):
        match stream.look(attempt, index, digest(letter)):
            case Meaning.NEXT | Meaning.ANEW as meaning:
                consumer.hear(attempt, index, meaning is Meaning.ANEW, letter)
                stream.say(attempt, index, digest(letter))
            case Meaning.DIFFERS:
                raise AssertionError("an attempt that is not executed again cannot differ")


@given(said=ATTEMPTS)
def test_consumers_have_what_the_attempts_said(said: list[list[str]]) -> None:
    """Each attempt overwrites those before it from where it differs, and repeats none of them."""
    stream, consumer, model = Stream(), Consumer(), list[str]()
    for attempt, letters in enumerate(said, 1):
        before = len(consumer.told)
        common = 0
        while common < min(len(letters), len(model)) and letters[common] == model[common]:
            common += 1
        model = [*letters, *model[len(letters) :]] if common == len(letters) else letters
        say(stream, consumer, attempt, letters)
        assert consumer.text == model
        assert len(consumer.told) - before == len(letters) - common
    assert stream.length == len(model)


@given(said=ATTEMPTS, cut=st.integers(0, 6), other=st.sampled_from("abc"))
def test_an_attempt_that_goes_on_repeats_none(said: list[list[str]], cut: int, other: str) -> None:
    """Executed again after any item it says nothing twice; and nothing else where it had spoken."""
    stream, consumer = Stream(), Consumer()
    *earlier, last = said
    for attempt, letters in enumerate(earlier, 1):
        say(stream, consumer, attempt, letters)
    say(stream, consumer, len(said), last[:cut])
    told = len(consumer.told)
    spoken = stream.attempt == len(said)
    say(stream, consumer, len(said), last[:cut])
    assert len(consumer.told) == told
    say(stream, consumer, len(said), last)
    for index, letter in enumerate(last[:cut]):
        found = stream.look(len(said), index, digest(other))
        if letter == other:
            assert found is Meaning.SAID
        elif spoken:
            assert found is Meaning.DIFFERS


@given(said=ATTEMPTS, cut=st.integers(0, 6))
def test_places_are_given_once(said: list[list[str]], cut: int) -> None:
    """Each message that is published has a place of its own, by which its item is known."""
    stream, places = Stream(), list[int]()
    for attempt, letters in enumerate(said, 1):
        for index, letter in enumerate(letters):
            if stream.look(attempt, index, digest(letter)) is not Meaning.SAID:
                places.append(stream.next)
                stream.say(attempt, index, digest(letter))
                assert stream.place(index) == places[-1]
        stream.cut(cut)
        stream = Stream(stream.flow())
    assert places == list(range(STREAMED, STREAMED + len(places)))
