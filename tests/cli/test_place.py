"""Which step of a flow a message is for."""

from __future__ import annotations

import pytest

from dagger.cli.place import Place, place_of


@pytest.mark.parametrize(
    ("channel", "request_key", "place", "title"),
    [
        ("shop", "", Place("shop", "", None, False), "flow shop"),
        ("shop.store", "store", Place("shop", "store", None, False), "step store"),
        ("shop.store", "store[3]", Place("shop", "store", 3, False), "step store[3]"),
        (
            *("shop.store:undo", "undo:store[3]"),
            *(Place("shop", "store", 3, True), "undoing of step store[3]"),
        ),
        ("shop.ship.pack", "2:pack", Place("shop", "ship.pack", None, False), "step ship.pack"),
    ],
)
def test_places_are_told(channel: str, request_key: str, place: Place, title: str) -> None:
    """The channel names flow and step, the key of the request the item."""
    assert place_of(channel, request_key, ["shop"]) == place
    assert place.title == title


def test_other_channels_are_no_places() -> None:
    """They may begin as a flow is called."""
    assert place_of("shopping", "", ["shop"]) is None
