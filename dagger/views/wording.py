"""How numbers, durations and other people's text are written for people."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f"  # controls, but not the newline
    "\u2028\u2029\u202a-\u202e\u2066-\u2069"  # separators; overrides of the writing direction
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"  # surrogates and noncharacters
)


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` characters; the last one is an ellipsis if more was there."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean(text: str) -> str:
    """`text` without anything that a terminal obeys or that XML and UTF-8 cannot carry.

    Control characters become their pictures (NUL is ␀), line ends become newlines,
    and the rest the replacement character.
    """
    return _UNPRINTABLE.sub(_picture, text.replace("\r\n", "\n"))


def one_line(text: str, limit: int) -> str:
    """`text` clean, on one line of at most `limit` characters."""
    return cut(clean(" ".join(text[: 4 * limit].split())), limit)


def times(count: int) -> str:
    """How often, with a multiplication sign; nothing for once."""
    return f" \N{MULTIPLICATION SIGN} {count:,}" if count > 1 else ""


def plural(count: int, noun: str) -> str:
    """`count` with its noun: "1 attempt", "1,802 attempts"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def price(cost: float) -> str:
    """A cost in whatever currency: "0.000002", "1,250.5"."""
    return f"{cost:,.9f}".rstrip("0").rstrip(".")


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best: "43 µs", "420 ms", "1.8 s", "2 m 05 s", "3 h 07 m"."""
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02} m"


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"
