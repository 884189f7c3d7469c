"""What tests of what acts on the outside world may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.builtins.server import Server, serving


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Server, Server]]:
    """Two servers, which are two origins."""
    with serving() as one, serving() as other:
        yield one, other


@pytest.fixture
def server(servers: tuple[Server, Server]) -> Server:
    """The first of them, of which nothing was asked yet."""
    server, _ = servers
    server.asked.clear()
    server.hanging.clear()
    server.left.clear()
    return server


@pytest.fixture
def elsewhere(servers: tuple[Server, Server]) -> Server:
    """The other one."""
    _, other = servers
    other.asked.clear()
    return other
