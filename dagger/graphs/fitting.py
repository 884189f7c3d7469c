"""Whether a graph goes together with its state, and with those of graphs within it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dagger.graphs.model import Definition, Node, Question
from dagger.graphs.shape import Shape
from dagger.rules.documents.tree import Found, Path
from dagger.words.errors import SerializationError, StateRefused
from dagger.words.payload import plain


def misfits(definition: Definition, shape: Shape, within: Mapping[str, Shape]) -> Iterator[Found]:
    """All that a state could not have, and where it stands; `within` are those of the graphs in
    it, by what its nodes call them.
    """
    for key in definition.reducers:
        if not shape.has(key):
            problem = f"there is a reducer for {key!r}, which the state has no key for"
            yield Found(("reducers", key), problem, key=True)
    for number, node in enumerate(definition.nodes.values()):
        at = ("nodes", number)
        if node.question is not None:
            yield from _answers(node, node.question, shape, (*at, "question"))
        if node.uses in within:
            inner = within[node.uses]
            names = {shape: definition.name, inner: definition.subgraphs[node.uses].name}
            yield from _mapped(node, shape, inner, names, at)
            yield from _changing(node, inner, at)


def _answers(node: Node, asked: Question, shape: Shape, at: Path) -> Iterator[Found]:
    """What keeps the answers to a question out of the state."""
    key = asked.key
    if not shape.has(key):
        problem = f"node {node.name!r} asks for {key!r}, which the state has no key for"
        yield Found((*at, "key"), problem)
        return
    answers: list[tuple[Path, Any]] = [
        ((*at, "choices", place), each) for place, each in enumerate(asked.choices or ())
    ]
    if asked.has_default:
        answers.append(((*at, "default"), asked.default))
    for way, answer in answers:
        try:
            shape.check(key, plain(answer), node.name)
        except SerializationError:  # which is told of the question itself
            continue
        except StateRefused as error:
            told = f"the answer {answer!r} of node {node.name!r} is nothing that {key!r} of"
            yield Found(way, f"{told} the state can be: {error.problem}")


def _mapped(
    node: Node, shape: Shape, inner: Shape, names: Mapping[Shape, str], at: Path
) -> Iterator[Found]:
    """Keys that a graph within is given or gives, and that a state has not."""
    for part, keys in (("inputs", node.inputs), ("outputs", node.outputs)):
        for own, ours in keys.items():
            for of, key in ((inner, own), (shape, ours)):
                if not of.has(key):
                    told = f"{part} of node {node.name!r} name {key!r}, which the state of graph"
                    problem = f"{told} {names[of]!r} has no key for"
                    yield Found((*at, part, own), problem)


def _changing(node: Node, inner: Shape, at: Path) -> Iterator[Found]:
    """Defaults of a graph within that would be others after a restart."""
    for key in inner.changing():
        if key not in node.inputs:
            problem = (
                f"node {node.name!r} is graph {node.uses!r}, whose default of {key!r} is another "
                f"one each time; give it by inputs={{{key!r}: ...}}"
            )
            yield Found((*at, "uses"), problem)
