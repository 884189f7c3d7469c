"""Forms: what others write for a text that is in what they write."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.words.forms import FEW, LINE, forms

WRITERS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: f"<{text}>",
    "stripped": str.strip,
    "json": json.dumps,
    "json of any characters": lambda text: json.dumps([f"<{text}>"], ensure_ascii=False),
    "json in json": lambda text: json.dumps({"a": json.dumps({"b": text})}),
    "repr": repr,
    "repr among quotes": lambda text: repr(f"""<"{text}'>"""),
    "ascii": lambda text: ascii([text]),
    "repr of bytes": lambda text: repr(text.encode()),
    "repr in json": lambda text: json.dumps(repr(text)),
    "json in repr": lambda text: repr(json.dumps(text)),
    "key error": lambda text: str(KeyError(text)),
    "quote": quote,
    "quote all": lambda text: quote(text, safe=""),
    "small digits": lambda text: re.sub("%..", lambda x: x[0].lower(), quote(text, safe="")),
    "quote plus": quote_plus,
    "a form": lambda text: urlencode({"a": text}),
    "a path": lambda text: str(httpx.URL(f"http://h/{text}")),
    "a query": lambda text: str(httpx.URL("http://h/", params={"a": text})),
}

TEXTS = st.text(
    st.characters(codec="utf-8") | st.sampled_from("'\"\\\n /+=%?#€"), min_size=FEW, max_size=12
)


@pytest.mark.parametrize("writer", WRITERS)
@given(text=TEXTS.filter(lambda text: len(text.strip()) >= FEW))
def test_what_others_write_has_one_of_its_forms(writer: str, text: str) -> None:
    """In JSON, in a repr, in a URL, and in one of these within another, it is found."""
    if writer == "a path":  # which ends at some, and has none of others
        text = "".join(each if each.isprintable() and each not in "?#%" else "-" for each in text)
    written = WRITERS[writer](text)
    assert any(form in written for form in forms(text)), written


@given(text=TEXTS)
def test_the_longest_form_comes_first(text: str) -> None:
    """One form may be a part of another, and is looked for after it; none is empty or twice."""
    found = forms(text)
    assert text in found
    assert [*map(len, found)] == sorted(map(len, found), reverse=True)
    assert len({*found, ""}) == len(found) + 1


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("hunter22", []),
        ("ab€", []),
        ("Hunter22", ["hunter22"]),
        ("a-b_c~d", []),
    ],
)
def test_most_texts_have_few(text: str, others: list[str]) -> None:
    """A token is looked for as it is; a very short text is no part of anything."""
    assert {*forms(text)} == {text, *others}


def test_each_line_stands_for_the_whole() -> None:
    """Lines of some length are forms, plain and escaped; shorter ones could be anything."""
    long, odd, short = "M" * LINE, "Q'uo\"te\\" + "d" * LINE, "x" * (LINE - 1)
    found = forms(f"{short}\n  {long}\r\n{odd}")
    assert long in found
    assert odd in found
    assert json.dumps(odd)[1:-1] in found
    assert short not in found


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://Ada:pw@Hooks.Example:443/T0/B0/x?y=1#z", "https://hooks.example/T0/B0/x?y=1"),
        ("https://ada@hooks.example:8443/T0/B0/x?y=1", "https://hooks.example:8443/T0/B0/x"),
        ("https://ada@example.com?y=1", "https://example.com/?y=1"),
        ("http://ada@[::1/x", None),
        ("https://ada:pw@example.com/", None),
    ],
)
def test_a_url_stands_for_what_it_leads_to(url: str, told: str | None) -> None:
    """Without user, fragment, usual port, and perhaps the query; a mere host is no secret."""
    assert told is None or told in forms(url)
    assert {"https://example.com", "https://example.com/"}.isdisjoint(forms(url))
