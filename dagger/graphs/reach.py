"""Which nodes may lead to which: worked out when it is asked for, and known from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Targets = Callable[[str], Iterable[str]]


class Reach:
    """Of the nodes of one graph; `targets` says where a branch may go from a node."""

    __slots__ = ("_from", "_known", "_to")

    def __init__(self, names: Iterable[str], targets: Targets) -> None:
        self._known: dict[tuple[str, str], frozenset[str]] = {}
        self._to = {name: frozenset(targets(name)) for name in names}
        self._from: dict[str, list[str]] = {}
        for name, ahead in self._to.items():
            for target in ahead:
                self._from.setdefault(target, []).append(name)

    def who_reaches(self, node: str, split: str = "") -> frozenset[str]:
        """The nodes from which a branch may come to a node, by one step or by several.

        Of branches that have split at `split`, ways that go through it again do not count where
        they are another round: where the node leads back to it, and is passed again behind the
        join of this one; or where only one of the branches leads there by itself, so that
        nobody is to be joined.
        """
        known = self._known.get((node, split))
        if known is None:
            again = split != "" and split != node and self._comes_again(node, split)
            known = self._known[node, split] = self._found(node, split if again else "")
        return known

    def _comes_again(self, node: str, split: str) -> bool:
        if node in self.who_reaches(split):
            return True
        leading = {node, *self._found(node, split)}
        return len(leading & self._to.get(split, frozenset())) < 2

    def _found(self, node: str, without: str) -> frozenset[str]:
        found: dict[str, None] = {}
        ahead = list(self._from.get(node, ()))
        while ahead:
            name = ahead.pop()
            if name not in found and name != without:
                found[name] = None
                ahead += self._from.get(name, ())
        return frozenset(found)
