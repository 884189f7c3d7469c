"""Connections to checked addresses, so that a request cannot be led into the own network.

What is checked is the address that is connected to, not the name: a name may have another
address a moment later (DNS rebinding). TLS goes on to ask the server for the name.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cache, partial

import anyio
import httpcore
import httpx

from dagger.flows.builtins.addresses import special
from dagger.flows.builtins.texts import Malformed

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Connect = Callable[[str], Awaitable[httpcore.AsyncNetworkStream]]


class AddressRefused(Exception):
    """A name has an address that is not public."""

    def __init__(self, host: str, address: str, kind: str) -> None:
        self.host = host
        self.address = address
        self.kind = kind
        what = address if host == address else f"the address {address} of {host}"
        super().__init__(f"{what} is not public but {kind}")


async def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host, the best first, as the system knows them. Raises OSError."""
    # As bytes it is taken as it is, which is right: httpx has encoded it for DNS.
    found = await anyio.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


@cache
def trusted() -> ssl.SSLContext:
    """Whom to trust: certifi, or what SSL_CERT_FILE and SSL_CERT_DIR name. Takes some 20 ms.

    Raises Malformed.
    """
    try:
        return httpx.create_ssl_context()
    except OSError:
        raise Malformed("what SSL_CERT_FILE or SSL_CERT_DIR names cannot be read") from None


class Dialer(httpcore.AsyncNetworkBackend):
    """Makes connections for httpcore: resolves a name once, and connects to what it found there.

    Unless `private`, one address that is not public is enough to refuse a name: which of
    its addresses answers must not decide about it.
    """

    def __init__(
        self,
        *,
        private: bool,
        resolve: Resolve = resolved,
        beneath: httpcore.AsyncNetworkBackend | None = None,
        tls: Callable[[], ssl.SSLContext] = trusted,
    ) -> None:
        self._private = private
        self._resolve = resolve
        self._beneath = beneath or httpcore.AnyIOBackend()
        self.tls = tls

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's own
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to a checked address, within `timeout` seconds in all, of which each address
        gets its share.

        Raises AddressRefused, and what httpcore raises.
        """
        try:
            with anyio.fail_after(timeout):
                addresses = await self._checked(host, port)
                share = None if timeout is None else timeout / max(1, len(addresses))
                connect = partial(
                    self._beneath.connect_tcp,
                    port=port,
                    timeout=share,
                    local_address=local_address,
                    socket_options=socket_options,
                )
                return await _first(connect, addresses)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except OSError as error:
            raise httpcore.ConnectError from error

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        addresses = await self._resolve(host, port)
        for address in () if self._private else addresses:
            if kind := special(address):
                raise AddressRefused(host, address, kind)
        return addresses


async def _first(connect: Connect, addresses: Sequence[str]) -> httpcore.AsyncNetworkStream:
    """A connection to the first address that can be reached."""
    failure: Exception = httpcore.ConnectError()
    for address in addresses:
        try:
            return await connect(address)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            failure = error
    raise failure
