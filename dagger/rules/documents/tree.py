"""A YAML document as a tree that knows where each of its values stands."""

from __future__ import annotations

from typing import Any, NamedTuple

Path = tuple[str | int, ...]
"""Keys and indices that lead from the top of a document to a value in it."""


class Place(NamedTuple):
    """Where something stands in a text; lines and columns are counted from 1."""

    line: int
    column: int
    path: str = ""
    """Of what is written in no text, such as "steps[0].needs"; its line and column are 0."""


class Problem(NamedTuple):
    """One thing wrong with a document, and where."""

    place: Place
    text: str
    path: Path = ()
    """What leads to it from the top, as far as it was read; of what is wrong with a key, to that.
    """
    unknown: str = ""
    """As in what was found."""


class Found(NamedTuple):
    """One thing wrong with what is at a path of a document, or worth knowing of it."""

    path: Path
    text: str
    offset: int | None = None
    """Where in the text at that path, if it is about a part of it."""
    key: bool = False
    """Whether it is about the key, and not about what stands under it."""
    unknown: str = ""
    """The name of what should be there besides the document, and is not, if that is it."""


UNREAD: Any = object()
"""The value of a scalar that has none, of which that has been said already."""


class Scalar:
    """A text, number, boolean or null; `span` is where it is written, from offset to offset."""

    __slots__ = ("place", "span", "value")

    def __init__(self, value: Any, place: Place, span: tuple[int, int]) -> None:
        self.value = value
        self.place = place
        self.span = span


class Sequence:
    """A list of nodes."""

    __slots__ = ("items", "place")

    def __init__(self, place: Place) -> None:
        self.items: list[Node] = []
        self.place = place


class Mapping:
    """Nodes by key; `keys` has the place of each key itself."""

    __slots__ = ("items", "keys", "place")

    def __init__(self, place: Place) -> None:
        self.items: dict[str, Node] = {}
        self.keys: dict[str, Place] = {}
        self.place = place


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """The value of a node as plain JSON data."""
    if isinstance(node, Scalar):
        return None if node.value is UNREAD else node.value
    if isinstance(node, Sequence):
        return [plain(each) for each in node.items]
    return {key: plain(each) for key, each in node.items.items()}


def node_of(value: Any, path: str = "") -> Node:
    """Plain JSON data as a tree, though it is written in no text."""
    place = Place(0, 0, path)
    if isinstance(value, list):
        sequence = Sequence(place)
        sequence.items = [node_of(each, f"{path}[{at}]") for at, each in enumerate(value)]
        return sequence
    if not isinstance(value, dict):
        return Scalar(value, place, (0, 0))
    mapping = Mapping(place)
    for key, each in value.items():
        inner = f"{path}.{key}" if path else key
        mapping.items[key] = node_of(each, inner)
        mapping.keys[key] = Place(0, 0, inner)
    return mapping


def place_of(root: Node, finding: Found, source: str) -> Place:
    """The place of a finding in the document that `root` is, written in `source`.

    Where there is nothing at its path, that of the last thing on the way there.
    """
    holder = node = root
    for part in finding.path:
        inner = _under(node, part)
        if inner is None:
            return node.place
        holder, node = node, inner
    if finding.key and isinstance(holder, Mapping):
        return holder.keys[str(finding.path[-1])]
    return node.place if finding.offset is None else _within(node, finding.offset, source)


def _under(node: Node, part: str | int) -> Node | None:
    if isinstance(node, Mapping):
        return node.items.get(str(part))
    if isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
        return node.items[part]
    return None


def _within(node: Node, offset: int, source: str) -> Place:
    """The place of the character at `offset` of a text that `source` has at `node`.

    It is exact where the text is written as it is: plain, quoted without escapes, or in a block.
    Where it is folded or escaped, it is the place at which the text begins.
    """
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not source:
        return node.place
    written = source[node.span[0] : node.span[1]].splitlines()
    is_block = written[0][:1] in ("|", ">")
    above = node.value.count("\n", 0, offset)
    start = node.value.rfind("\n", 0, offset) + 1
    line = node.value[start:].partition("\n")[0]
    row = above + is_block
    column = written[row].find(line) if row < len(written) and line else -1
    if column < 0:
        return node.place
    before = node.place.column - 1 if row == 0 else 0
    return Place(node.place.line + row, before + column + offset - start + 1)
