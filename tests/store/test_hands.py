"""What workers have in hand is known afterwards, even to the next process."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.store.hands import NOBODY, PAIR, SIZE, SLOTS, Hands, open_hands

ROOT = Path(__file__).parents[2]

DYING = """
import sys
from pathlib import Path
from dagger.store.hands import open_hands

hands = open_hands(Path(sys.argv[1]))
first, second, third, fourth = (hands.seat() for _ in range(4))
hands.hold(first, 1, 1)
hands.hold(second, 1, 2)
hands.hold(third, 2, 3)
hands.hold(fourth, 2, 4)
hands.hold(first, 2**40, 2**41)
hands.free(second)
hands.leave(third)
print("holding", flush=True)
sys.stdin.readline()
"""

Open = Callable[[], Hands]


@pytest.fixture(params=["in memory", "in a file"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same hands, as the next process would."""
    memory, every = bytearray(SIZE), list[Hands]()

    def open_again() -> Hands:
        in_memory = request.param == "in memory"
        every.append(Hands(memory) if in_memory else open_hands(tmp_path / "hands"))
        return every[-1]

    yield open_again
    for hands in every:
        hands.close()


def test_new_hands_are_empty(opened: Open) -> None:
    """Nothing is left behind by nobody."""
    assert opened().left_behind() == ()


def test_what_is_in_hand_is_left_behind(opened: Open) -> None:
    """The next one sees the last thing held in each seat: each once, in order."""
    hands = opened()
    first, second, third = hands.seat(), hands.seat(), hands.seat()
    hands.hold(first, 5, 1)
    hands.hold(first, 2, 70)
    hands.hold(second, 2, 9)
    hands.hold(third, 2, 70)
    assert opened().left_behind() == ((2, 9), (2, 70))


def test_what_was_let_go_is_not_left_behind(opened: Open) -> None:
    """A freed slot holds nothing, and neither does a seat given back."""
    hands = opened()
    first, second = hands.seat(), hands.seat()
    hands.hold(first, 1, 1)
    hands.hold(second, 1, 2)
    hands.free(first)
    assert opened().left_behind() == ((1, 2),)
    hands.leave(second)
    assert opened().left_behind() == ()


def test_the_past_is_forgotten_at_a_word(opened: Open) -> None:
    """After `clear` nothing is left behind, until something is held again."""
    hands = opened()
    seat = hands.seat()
    hands.hold(seat, 1, 1)
    again = opened()
    again.clear()
    assert opened().left_behind() == ()
    again.hold(again.seat(), 3, 4)
    assert opened().left_behind() == ((3, 4),)


def test_seats_are_ones_own_and_come_back(opened: Open) -> None:
    """No two workers sit in one seat, and one that was given back is given out again."""
    hands = opened()
    seats = [hands.seat() for _ in range(SLOTS - 1)]
    assert len({*seats, NOBODY}) == SLOTS
    hands.leave(seats[17])
    assert hands.seat() == seats[17]


def test_those_without_a_seat_leave_nothing_behind(opened: Open) -> None:
    """When all seats are taken workers go on as usual, and what they hold is not kept."""
    hands = opened()
    for _ in range(SLOTS - 1):
        hands.hold(hands.seat(), 1, 1)
    for delivery in (8, 9):
        seat = hands.seat()
        assert seat == NOBODY
        hands.hold(seat, 1, delivery)
    hands.leave(NOBODY)
    assert hands.seat() == NOBODY
    hands.hold(NOBODY, 1, 10)
    assert opened().left_behind() == ((1, 1),)


def test_numbers_are_as_long_as_they_get(opened: Open) -> None:
    """Runs and deliveries count to 2**64; a greater number raises and changes nothing else."""
    hands = opened()
    seat, other = hands.seat(), hands.seat()
    hands.hold(seat, 2**64 - 1, 2**64 - 1)
    assert opened().left_behind() == ((2**64 - 1, 2**64 - 1),)
    with pytest.raises((OverflowError, struct.error)):
        hands.hold(other, 1, 2**64)
    assert opened().left_behind() == ((2**64 - 1, 2**64 - 1),)


@pytest.mark.parametrize(("run", "delivery"), [(7, 0), (0, 7)])
def test_half_of_a_pair_is_nothing(run: int, delivery: int) -> None:
    """A process that died between the two numbers of a pair has not got it in hand."""
    memory = bytearray(SIZE)
    PAIR.pack_into(memory, PAIR.size, run, delivery)
    assert Hands(memory).left_behind() == ()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(1, 9))))
def test_hands_are_a_table_of_seats(steps: list[tuple[int, int, int]]) -> None:
    """Whatever is held and let go: what is left behind is the last of each seat (run 0 frees)."""
    hands = Hands(bytearray(7 * PAIR.size))
    seats = [hands.seat() for _ in range(6)]
    held: dict[int, tuple[int, int]] = {}
    for place, run, delivery in steps:
        if run == 0:
            hands.free(seats[place])
            held.pop(place, None)
        else:
            hands.hold(seats[place], run, delivery)
            held[place] = (run, delivery)
        assert hands.left_behind() == tuple(sorted(set(held.values())))


# -- in a file -----------------------------------------------------------------------


def test_hands_survive_a_kill(tmp_path: Path) -> None:
    """After a `kill -9` the next process knows what the dead one had in hand."""
    path = tmp_path / "hands"
    with subprocess.Popen(
        [sys.executable, "-c", DYING, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        process.kill()
    hands = open_hands(path)
    assert hands.left_behind() == ((2, 4), (2**40, 2**41))
    hands.close()


@pytest.mark.parametrize("size", [0, 16, SIZE - 1, SIZE + 1, 3 * SIZE])
def test_a_file_of_another_size_is_made_anew(tmp_path: Path, size: int) -> None:
    """What another version left behind is not guessed at."""
    path = tmp_path / "hands"
    path.write_bytes(b"\x01" * size)
    hands = open_hands(path)
    assert hands.left_behind() == ()
    assert path.read_bytes() == bytes(SIZE)
    hands.close()


def test_closed_hands_hold_nothing(tmp_path: Path) -> None:
    """Holding after `close` raises; closing twice does not, and what was held stays."""
    hands = open_hands(tmp_path / "hands")
    seat = hands.seat()
    hands.hold(seat, 1, 2)
    hands.close()
    hands.close()
    with pytest.raises((TypeError, ValueError)):
        hands.hold(seat, 1, 3)
    again = open_hands(tmp_path / "hands")
    assert again.left_behind() == ((1, 2),)
    again.close()
