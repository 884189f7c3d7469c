"""YAML text to a tree that knows its places.

The events are those of PyYAML, by libyaml where it is compiled in; the tree is our own, so that
what a document must not have (anchors, tags, merge keys, keys twice, a second document) is refused
where it stands, and scalars mean what YAML 1.2 says. Why it is done so is told in
docs/decisions/0018-yaml.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dagger.rules.documents.limits import MAX_DEPTH, MAX_NODES, MAX_PROBLEMS
from dagger.rules.documents.scalars import NoValue, value_of
from dagger.rules.documents.tree import UNREAD, Mapping, Node, Place, Problem, Scalar, Sequence

_HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, which libyaml lets nobody escape, and PyYAML does."""

_TAGS = "tag:yaml.org,2002:"
"""What `!!` stands for."""


def parse_tree(text: str, what: str = "document") -> tuple[Node | None, list[Problem]]:
    """The tree of a document, if it can be made, and all that is wrong with its YAML.

    The text is one that `limits` lets pass; `what` is written in it, "flow" or "graph".
    """
    import yaml

    builder = _Builder(text, what, yaml)
    try:
        return builder.document(), builder.problems
    except _Stop:
        return None, builder.problems
    except yaml.YAMLError as error:
        return None, [*builder.problems, _syntax_error(error)]


def _syntax_error(error: Any) -> Problem:
    """What the parser says, and where it met it."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = (getattr(error, "context", None), getattr(error, "problem", None))
    text = ", ".join(each for each in said if each) or str(error).partition("\n")[0]
    return Problem(_place(mark) if mark else Place(1, 1), f"this is not YAML: {text}")


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


class _Stop(Exception):
    """The document is too much: what follows is not looked at."""


class _Builder:
    """Makes nodes of events; it goes as deep as they nest, which is not far."""

    def __init__(self, text: str, what: str, yaml: Any) -> None:
        self.problems: list[Problem] = []
        self._what = what
        self._path: list[str | int] = []
        self._yaml = yaml
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events: Iterator[Any] = yaml.parse(text, Loader=loader)
        self._nodes = self._depth = 0

    def document(self) -> Node | None:
        """The tree of the one document there may be."""
        root = None
        for event in self._events:
            if isinstance(event, self._yaml.DocumentStartEvent):
                place = _place(event.start_mark)
                if root is not None:
                    self._problem(
                        place, f"a second document begins here; a file holds one {self._what}"
                    )
                    return root
                self._directives(event, place)
                root = self._node(next(self._events))
        if root is None:
            self._problem(Place(1, 1), "the document is empty")
        return root

    def _directives(self, event: Any, place: Place) -> None:
        if event.version is not None and tuple(event.version) != (1, 2):
            said = ".".join(map(str, event.version))
            self._problem(place, f"this says that it is YAML {said}; a {self._what} is YAML 1.2")
        if event.tags:
            self._problem(place, "%TAG is not allowed: values have no tags")

    def _node(self, event: Any) -> Node:
        """The node that begins with an event; its other events are taken."""
        mark = event.start_mark
        place = Place(mark.line + 1, mark.column + 1)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._problem(place, f"the document has more than {MAX_NODES:,} values")
            raise _Stop
        if isinstance(event, self._yaml.AliasEvent):
            self._problem(place, f"the alias *{event.anchor} is not allowed; write the value again")
            return Scalar(UNREAD, place, (event.start_mark.index, event.end_mark.index))
        if event.anchor is not None:
            self._problem(
                place, f"the anchor &{event.anchor} is not allowed, as there are no aliases"
            )
        if event.tag is not None:
            tag = event.tag.replace(_TAGS, "!!", 1)
            self._problem(place, f"the tag {tag} is not allowed; quote a value to make it a text")
        if isinstance(event, self._yaml.ScalarEvent):
            return self._scalar(event, place)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._problem(place, f"this is nested deeper than {MAX_DEPTH}")
            raise _Stop
        is_mapping = isinstance(event, self._yaml.MappingStartEvent)
        node = self._mapping(place) if is_mapping else self._sequence(place)
        self._depth -= 1
        return node

    def _scalar(self, event: Any, place: Place) -> Scalar:
        span = (event.start_mark.index, event.end_mark.index)
        value = event.value
        if not event.style and event.tag is None:
            try:
                value = value_of(value)
            except NoValue as error:
                self._problem(place, str(error))
        elif event.style == '"' and _HALF.search(value):
            self._problem(place, "this is not YAML: it has half of a character as an escape")
        return Scalar(value, place, span)

    def _sequence(self, place: Place) -> Sequence:
        node, over = Sequence(place), self._yaml.SequenceEndEvent
        while not isinstance(event := next(self._events), over):
            self._path.append(len(node.items))
            node.items.append(self._node(event))
            self._path.pop()
        return node

    def _mapping(self, place: Place) -> Mapping:
        node, over = Mapping(place), self._yaml.MappingEndEvent
        while not isinstance(event := next(self._events), over):
            key = self._key(event)
            # What stands under a key that is none has the path of the mapping.
            self._path += () if key is None else (key.value,)
            value = self._node(next(self._events))
            if key is not None:
                if self._is_first(node, key):
                    node.items[key.value] = value
                    node.keys[key.value] = key.place
                self._path.pop()
        return node

    def _key(self, event: Any) -> Scalar | None:
        """A key, if it is one that a document may have."""
        key = self._node(event)
        if not isinstance(key, Scalar):
            self._problem(key.place, "a key is a text, not a list or mapping")
        elif type(key.value) is str:
            if key.value != "<<" or event.style:
                return key
            self._problem(key.place, "the merge key << is not allowed; write the keys themselves")
        elif key.value is not UNREAD:
            written = event.value or "null"
            self._problem(key.place, f'the key {written} is not a text; quote it: "{written}"')
        return None

    def _is_first(self, node: Mapping, key: Scalar) -> bool:
        if key.value not in node.items:
            return True
        line = node.keys[key.value].line
        self._problem(key.place, f"the key {key.value!r} is here twice; it was on line {line}")
        return False

    def _problem(self, place: Place, text: str) -> None:
        self.problems.append(Problem(place, text, tuple(self._path)))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Stop
