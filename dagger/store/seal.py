"""Seals: a checksum in front of a value, over the value and the key that it stands under.

A sealed value that has changed is found out, and so is one that has got under another key.
The checksum is CRC-32, little-endian, of the key and then the value.
"""

from __future__ import annotations

from struct import Struct
from zlib import crc32

_SUM = Struct("<I")

SEAL = _SUM.size
"""Bytes in front of a value."""


def seal(key: bytes, value: bytes) -> bytes:
    """What to store of a value under a key."""
    return _SUM.pack(crc32(value, crc32(key))) + value


def unseal(key: bytes, sealed: bytes) -> bytes | None:
    """The value that was sealed under that key; None if this is not what was stored."""
    if len(sealed) < _SUM.size:
        return None
    value = sealed[_SUM.size :]
    return value if _SUM.unpack_from(sealed)[0] == crc32(value, crc32(key)) else None
