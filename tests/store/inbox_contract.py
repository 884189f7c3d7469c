"""What every inbox must do: subclass `InboxContract` and say how an empty one is opened."""

from __future__ import annotations

import pytest

from dagger.store.inbox import Command, Inbox, Taken
from dagger.words.errors import DatabaseError, SerializationError

ODD = Command(
    "answer",
    "r\u00e9sum\u00e9",
    {"": None, "list": [1, 2.5, {"deep": [True, "x" * 1000]}]},
    1e9,
    "",
)
"""A command with every kind of value in it."""


def command(index: int, size: int = 0) -> Command:
    """A command that says which it is, and has so many bytes of ballast."""
    return Command("cancel", f"run-{index}", {"ballast": "x" * size}, float(index), "1@here")


def drained(inbox: Inbox, after: int = 0) -> list[Taken]:
    """All commands behind a number, however many calls it takes."""
    found: list[Taken] = []
    while batch := inbox.take(found[-1][0] if found else after):
        found += batch
    return found


class InboxContract:
    """The promises of `dagger.store.inbox.Inbox`; `opened` is the one thing to provide."""

    def opened(self) -> Inbox:
        """An empty inbox."""
        raise NotImplementedError

    def test_an_empty_inbox_has_nothing_to_take(self) -> None:
        """Nothing was posted, so nothing is taken, and there is nothing to drop."""
        inbox = self.opened()
        assert inbox.take(0) == inbox.take(7) == []
        inbox.drop(0)
        assert inbox.post(ODD) == 1
        inbox.close()

    def test_commands_are_numbered_from_one(self) -> None:
        """Each command gets the number after that of the one before."""
        inbox = self.opened()
        assert [inbox.post(command(index)) for index in range(5)] == [1, 2, 3, 4, 5]
        inbox.close()

    def test_commands_are_taken_as_they_were_posted(self) -> None:
        """In order, whole, and behind whichever number is asked for; they stay until dropped."""
        inbox = self.opened()
        posted = [command(1), ODD, command(3), ODD]
        rows = [(inbox.post(each), each) for each in posted]
        for after in range(6):
            assert inbox.take(after) == rows[after:]
        assert inbox.take(0) == rows
        assert all(type(each) is Command for _, each in inbox.take(0))
        inbox.close()

    def test_what_is_dropped_is_gone(self) -> None:
        """Commands up to the number are let go of, those behind it are not, and twice is once."""
        inbox = self.opened()
        for index in range(1, 6):
            inbox.post(command(index))
        for _ in range(2):
            inbox.drop(3)
            assert inbox.take(0) == [(4, command(4)), (5, command(5))]
        inbox.drop(0)
        assert inbox.take(4) == [(5, command(5))]
        inbox.close()

    def test_no_number_is_given_twice(self) -> None:
        """Dropping everything does not set the numbers back, and they go on behind it."""
        inbox = self.opened()
        assert [inbox.post(ODD) for _ in range(3)] == [1, 2, 3]
        inbox.drop(3)
        assert inbox.take(0) == []
        assert inbox.post(ODD) == 4
        inbox.drop(2)
        assert inbox.post(ODD) == 5
        inbox.close()

    def test_an_owner_who_remembers_more_hears_again(self) -> None:
        """Numbers go on behind what was dropped, even if the inbox knew nothing of it."""
        inbox = self.opened()
        inbox.post(ODD)
        inbox.drop(1000)
        assert inbox.take(0) == []
        assert inbox.post(ODD) == 1001
        assert inbox.take(1000) == [(1001, ODD)]
        inbox.close()

    def test_at_most_a_hundred_are_taken_at_a_time(self) -> None:
        """However many wait, one call returns a hundred, and the next the next hundred."""
        inbox = self.opened()
        for index in range(1, 251):
            inbox.post(command(index))
        assert [len(inbox.take(after)) for after in (0, 100, 200)] == [100, 100, 50]
        assert drained(inbox) == [(index, command(index)) for index in range(1, 251)]
        inbox.close()

    def test_what_is_posted_is_the_inboxs_own(self) -> None:
        """Changing the fields afterwards, or those of what was taken, changes no command."""
        inbox = self.opened()
        fields = {"reason": ["old"]}
        inbox.post(Command("cancel", "r", fields, 1.0, "1@here"))
        fields["reason"].append("new")
        for _ in range(2):
            ((_, taken),) = inbox.take(0)
            assert isinstance(taken, Command)
            assert taken.fields == {"reason": ["old"]}
            taken.fields.clear()
        inbox.close()

    @pytest.mark.parametrize(
        "value",
        [{1}, b"", float("nan"), 2**64, "\ud800", "x" * 2**24],
        ids=["set", "bytes", "nan", "integer", "surrogate", "size"],
    )
    def test_what_cannot_be_sent_is_not_posted(self, value: object) -> None:
        """A command that is not plain, or too big, raises, and uses up no number."""
        inbox = self.opened()
        with pytest.raises(SerializationError, match=r"command 'answer' at \$"):
            inbox.post(ODD._replace(fields={"value": value}))
        assert inbox.take(0) == []
        assert inbox.post(ODD) == 1
        inbox.close()

    def test_a_closed_inbox_refuses(self) -> None:
        """Once closed it raises whatever it is asked, but for being closed again."""
        inbox = self.opened()
        inbox.close()
        inbox.close()
        with pytest.raises(DatabaseError):
            inbox.post(ODD)
        with pytest.raises(DatabaseError):
            inbox.take(0)
        with pytest.raises(DatabaseError):
            inbox.drop(1)
