"""A writer of the DOT language that is right for any text.

Source: https://graphviz.org/doc/info/lang.html and .../shapes.html#html. Labels with
more than one kind of text are HTML-like; everything else is a quoted string.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping

from dagger.views.wording import clean, cut

LONGEST = 400
"""Characters of a label that are drawn."""

INK, QUIET, PALE = "#1f2328", "#59636e", "#8c959f"
"""Colours of names, of what is said about them, and of edges."""

_FONT = "Helvetica,Arial,sans-serif"

_LOOK: dict[str, dict[str, str | float]] = {
    "graph": {
        "fontname": _FONT,
        "rankdir": "LR",
        "nodesep": 0.22,
        "ranksep": 0.65,
        "bgcolor": "white",
        "pad": 0.3,
        "labeljust": "l",
    },
    "node": {
        "fontname": _FONT,
        "fontsize": 11,
        "fontcolor": INK,
        "shape": "box",
        "margin": "0.14,0.07",
        "height": 0.3,
    },
    "edge": {
        "fontname": _FONT,
        "fontsize": 9,
        "fontcolor": QUIET,
        "color": PALE,
        "arrowsize": 0.6,
    },
}

NOTE: dict[str, str | float] = {
    "shape": "note",
    "style": "filled",
    "fillcolor": "#fffdf5",
    "color": QUIET,
}
"""How an output looks."""

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "&": "&amp;", "\n": "\\n"})

# Graphviz obeys escapes (\N is the node's name) in HTML-like labels too, and its parser
# stumbles over a bracket right before a tag.
_MARKUP = str.maketrans({"\\": "\\\\", "\n": "<BR/>", "]": "&#93;"})

_NAME = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": " "})


class Html(str):
    """An HTML-like label, made by `text`, `lines` and `legend`."""

    __slots__ = ()


def quote(value: str, limit: int = LONGEST) -> str:
    """A quoted string that shows exactly `value`, cleaned and cut at `limit` characters."""
    return '"' + cut(clean(value), limit).translate(_ESCAPES) + '"'


def text(value: str, *, size: float = 0, colour: str = "", bold: bool = False) -> Html:
    """`value` as a piece of an HTML-like label, shown as it is."""
    piece = html.escape(cut(clean(value), LONGEST)).translate(_MARKUP) or " "
    if bold:
        piece = f"<B>{piece}</B>"
    if size or colour:
        style = f' POINT-SIZE="{size:g}"' * bool(size) + f' COLOR="{colour}"' * bool(colour)
        piece = f"<FONT{style}>{piece}</FONT>"
    return Html(piece)


def lines(*pieces: Html) -> Html:
    """Pieces below each other."""
    return Html("<BR/>".join(pieces))


def node(name: str, **attributes: str | float) -> str:
    """The statement that declares a node."""
    return f"{_name(name)}{_attributes(attributes)}"


def edge(tail: str, head: str, **attributes: str | float) -> str:
    """The statement that declares an edge from `tail` to `head`."""
    return f"{_name(tail)} -> {_name(head)}{_attributes(attributes)}"


def preamble(**graph: str | float) -> Iterator[str]:
    """The statements that give our pictures their common look, from left to right."""
    for kind, common in _LOOK.items():
        yield kind + _attributes(common | graph if kind == "graph" else common)


def legend(title: str, entries: Iterable[tuple[str, str, str]]) -> Html:
    """A label for the whole graph: a title, and a swatch for each (name, fill, line)."""
    cells = [f"<TD>{text(title, size=10, bold=True)}</TD>"]
    for name, fill, line in entries:
        cells.append('<TD WIDTH="8"></TD>')
        swatch = 'BORDER="1" WIDTH="18" HEIGHT="11" FIXEDSIZE="TRUE"'
        cells.append(f'<TD {swatch} COLOR="{line}" BGCOLOR="{fill}"></TD>')
        cells.append(f"<TD>{text(name, size=10)}</TD>")
    return Html(f'<TABLE BORDER="0" CELLSPACING="3"><TR>{"".join(cells)}</TR></TABLE>')


def digraph(name: str, statements: Iterable[str]) -> str:
    """A whole directed graph."""
    body = "".join(f"  {statement};\n" for statement in statements)
    return f"digraph {_name(name)} {{\n{body}}}\n"


def _name(value: str) -> str:
    """A quoted string as an identity: not cut, so that different names stay different."""
    return '"' + clean(value).translate(_NAME) + '"'


def _attributes(attributes: Mapping[str, str | float]) -> str:
    pairs = [f"{key}={_value(value)}" for key, value in attributes.items()]
    return f" [{', '.join(pairs)}]" if pairs else ""


def _value(value: str | float) -> str:
    if isinstance(value, Html):
        return f"<{value}>"
    return quote(value) if isinstance(value, str) else f"{value:g}"
