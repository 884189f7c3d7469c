"""Which addresses are public."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.flows.builtins.addresses import special

PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
    *("126.255.255.255", "128.0.0.1", "172.15.255.255", "172.32.0.0", "192.167.0.1"),
    *("223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8"),
    *("64:ff9b::808:808", "2002:808:808::1"),
)

SPECIAL = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "100.64.0.1": "private",
    "100.100.100.200": "private",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "reserved",
    "192.168.1.1": "private",
    "198.18.0.1": "for benchmarks",
    "203.0.113.7": "for documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::1%lo": "loopback",
    "::7f00:1": "reserved",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.1.2.3": "private",
    "::ffff:169.254.169.254": "link-local",
    "::ffff:0:7f00:1": "reserved",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a9fe:a9fe": "link-local",
    "64:ff9b:1::808:808": "private",
    "2001:0:53aa:64c:0:7ffe:f5ff:fffe": "reserved",
    "2001:db8::1": "for documentation",
    "2002:7f00:1::1": "loopback",
    "2002:c0a8:101::": "private",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "private",
    "ff02::1": "multicast",
    "5f00::1": "reserved",
    "localhost": "reserved",
    "127.1": "reserved",
    "": "reserved",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_nothing_special(address: str) -> None:
    """An address that everybody can reach is public, also one of IPv4 inside one of IPv6."""
    assert special(address) == ""


@pytest.mark.parametrize(("address", "kind"), SPECIAL.items())
def test_other_addresses_say_what_they_are(address: str, kind: str) -> None:
    """An address of this machine, of its networks or of nobody is not public, however written."""
    assert special(address) == kind


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_python_takes_for_special_is(address: IPv4Address) -> None:
    """No address that Python knows not to be global is public, nor one that stands for it."""
    mapped, nat64 = (prefix | int(address) for prefix in (0xFFFF << 32, 0x64_FF9B << 96))
    kind = special(str(address))
    assert kind or (address.is_global and not address.is_multicast)
    assert special(str(IPv6Address(mapped))) == special(str(IPv6Address(nat64))) == kind
