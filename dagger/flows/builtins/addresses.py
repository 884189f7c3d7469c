"""Which IP addresses are public: pure, from the special-purpose registries of IANA.

Python's own `is_global` knows other addresses in each of its versions, so it is not asked.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

RESERVED = "reserved"

SPECIAL = {
    ip_network(network): kind
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "private"),  # of a provider
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),  # clouds give machines their credentials here
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", RESERVED),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", RESERVED),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", RESERVED),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "private"),  # NAT64 of one network
        ("2001::/23", RESERVED),  # Teredo among them
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
}
"""Networks that are not public, and what their addresses are."""

PUBLIC_6 = IPv6Network("2000::/3")
"""All that there is of public IPv6 so far."""

INSIDE = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)
"""Networks whose addresses stand for one of IPv4, and the bits behind that."""


def special(address: str) -> str:
    """What an address is that is not public, such as "loopback"; "" for a public one.

    One of IPv6 that stands for one of IPv4 is what that is. What is no address is reserved.
    """
    try:
        found = _stands_for(ip_address(address))
    except ValueError:
        return RESERVED
    for network, kind in SPECIAL.items():
        if found in network:
            return kind
    return RESERVED if isinstance(found, IPv6Address) and found not in PUBLIC_6 else ""


def _stands_for(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    for network, behind in INSIDE:
        if address in network:
            return IPv4Address(int(address) >> behind & 0xFFFF_FFFF)
    return address
