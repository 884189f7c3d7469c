"""Which nodes may lead to which: worked out when it is asked for, and known from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Targets = Callable[[str], Iterable[str]]


class Reach:
    """Of the nodes of one graph; `targets` says where a branch may go from a node."""

    __slots__ = ("_from", "_names", "_to")

    def __init__(self, names: Iterable[str], targets: Targets) -> None:
        self._names = list(names)
        self._to: dict[tuple[str, str], frozenset[str]] = {}
        self._from: dict[str, list[str]] = {}
        for name in self._names:
            for target in targets(name):
                self._from.setdefault(target, []).append(name)

    def who_reaches(self, node: str, but_by: str = "") -> frozenset[str]:
        """The nodes from which a branch may come to a node, by one step or by several; but not by
        the node `but_by`.
        """
        known = self._to.get((node, but_by))
        if known is None:
            found: dict[str, None] = {}
            ahead = list(self._from.get(node, ()))
            while ahead:
                name = ahead.pop()
                if name not in found and name != but_by:
                    found[name] = None
                    ahead += self._from.get(name, ())
            known = self._to[node, but_by] = frozenset(found)
        return known
