"""Any plain data that a document may say."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TRAPS = ["", "no", "on", "null", "~", "true", "1", "1e5", "0o17", "0x1f", ".inf", ".5", "+1", "-"]
TRAPS += [
    "<<",
    "a: b",
    "# c",
    "a #b",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "'",
    '"',
    "\\",
    "---",
    "...",
    "?",
]
TRAPS += [
    "a\nb\n",
    " a",
    "a ",
    "\t",
    "\n",
    "a\n\n",
    "\u2028",
    "\x85",
    "\ufeff",
    "\U0001f600",
    "\x00",
]

TEXTS = st.sampled_from(TRAPS) | st.text(max_size=20)


def mappings() -> st.SearchStrategy[dict[str, Any]]:
    """Mappings of what JSON can say."""
    numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    values = st.recursive(
        st.none() | st.booleans() | numbers | TEXTS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(TEXTS, values, max_size=4)
