"""Messages as callers make them and handlers see them."""

from __future__ import annotations

import dataclasses
import time

import pytest

from dagger.words.message import Message


def test_new_fills_in_id_and_time() -> None:
    """A new message has an id of its own, the time of its making, and no place in a run."""
    before = time.time()
    message = Message.new("importer", {"n": 1})
    assert (message.source, message.payload) == ("importer", {"n": 1})
    assert before <= message.timestamp <= time.time()
    assert (message.run_id, message.parent_id, message.task_id, message.key) == (None,) * 4
    assert message.headers == {}


def test_with_task_id_names_the_task() -> None:
    """A message made for a task carries the task's id."""
    message = Message.with_task_id("importer", "task-1", [1])
    assert (message.source, message.task_id, message.payload) == ("importer", "task-1", [1])


def test_no_two_messages_share_an_id() -> None:
    """Equal payloads make different messages."""
    assert Message.new("a", 1).id != Message.new("a", 1).id


def test_messages_do_not_share_headers() -> None:
    """Each message has headers of its own."""
    assert Message.new("a", 1).headers is not Message.new("a", 1).headers


def test_a_message_is_immutable() -> None:
    """No field of a message can be set again."""
    message = Message.new("a", 1)
    for field in dataclasses.fields(message):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(message, field.name, "other")
