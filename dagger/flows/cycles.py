"""Steps that wait for each other in a circle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

Needs = Mapping[str, Sequence[str]]


def circles(needs: Needs) -> list[tuple[str, ...]]:
    """One circle of each group of steps that can never start, since they wait for each other.

    Each is the names along it, of which the first comes first in `needs`: every one of them
    needs the one behind it, and the last one the first. It is the shortest through its first.
    What is needed is a key of `needs` too.
    """
    left = _stuck(needs)
    if not left:
        return []
    order = {name: number for number, name in enumerate(needs)}
    groups = _groups({name: needs[name] for name in needs if name in left})
    found = [_circle(min(group, key=order.__getitem__), group, needs) for group in groups]
    return sorted(found, key=lambda circle: order[circle[0]])


def _stuck(needs: Needs) -> set[str]:
    """The steps that never start: those in a circle, and those that need them."""
    missing = {name: len(each) for name, each in needs.items()}
    wanted_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, each in needs.items():
        for need in each:
            wanted_by[need].append(name)
    ready = [name for name, count in missing.items() if not count]
    for name in ready:
        for other in wanted_by[name]:
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    return {name for name, count in missing.items() if count}


def _groups(needs: Needs) -> Iterator[set[str]]:
    import networkx

    graph = networkx.DiGraph()
    graph.add_edges_from(_edges(needs))
    for group in networkx.strongly_connected_components(graph):
        if len(group) > 1 or graph.has_edge(*group, *group):
            yield group


def _edges(needs: Needs) -> Iterable[tuple[str, str]]:
    return ((name, need) for name, each in needs.items() for need in each if need in needs)


def _circle(first: str, group: set[str], needs: Needs) -> tuple[str, ...]:
    """The shortest way from a step back to itself, within its group."""
    came: dict[str, str] = {}
    ahead = [first]
    for name in ahead:
        for need in needs[name]:
            if need == first:
                return _way(name, first, came)
            if need in group and need not in came:
                came[need] = name
                ahead.append(need)
    raise AssertionError(f"{first!r} is in no circle")


def _way(last: str, first: str, came: Mapping[str, str]) -> tuple[str, ...]:
    way = [last]
    while way[-1] != first:
        way.append(came[way[-1]])
    return tuple(reversed(way))
