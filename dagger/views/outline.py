"""An execution tree as indented text for terminals: merged groups, one a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dagger.views.merge import FORGOTTEN, OUTSIDE, Group, Merged
from dagger.views.wording import one_line, plural, times


class _Branch(NamedTuple):
    text: str
    group: int | None
    """The group whose branches come below; None for a leaf."""


def outline(merged: Merged, run_id: str, *, forgotten: int = 0, limit: int = 200) -> str:
    """The tree as text; what comes after the first `limit` lines is only counted."""
    total = sum(group.count for group in merged.groups) + sum(merged.joins.values())
    head = f"run {one_line(run_id, 80)} · {plural(total, 'node')}"
    body = list(_walk(_branches(merged, forgotten)))
    if len(body) > limit:
        body[limit:] = [f"… {plural(len(body) - limit, 'more line')}"]
    return "\n".join([head, *body])


def _walk(branches: dict[int, list[_Branch]]) -> Iterator[str]:
    """Depth first, over a stack of its own: a run may be deeper than Python's."""
    stack = [("", iter(_marked(branches.get(OUTSIDE, ()))))]
    while stack:
        indent, rest = stack[-1]
        for branch, last in rest:
            yield f"{indent}{'└── ' if last else '├── '}{branch.text}"
            if branch.group is not None:
                below = indent + ("    " if last else "│   ")
                stack.append((below, iter(_marked(branches.get(branch.group, ())))))
                break
        else:
            stack.pop()


def _marked(branches: Sequence[_Branch]) -> list[tuple[_Branch, bool]]:
    return [(branch, branch is branches[-1]) for branch in branches]


def _branches(merged: Merged, forgotten: int) -> dict[int, list[_Branch]]:
    """What hangs under each group: groups, loops back to a group, and outputs."""
    found: dict[int, list[_Branch]] = {}
    for (source, target), count in merged.links.items():
        group = merged.groups[target]
        own = group.parent == source
        text = _line(group) if own else f"↺ {_title(group, count)}"
        found.setdefault(source, []).append(_Branch(text, target if own else None))
    for (source, target, channel), count in merged.joins.items():
        text = (
            f"{one_line(channel, 60)} → {one_line(merged.groups[target].agent, 60)}{times(count)}"
        )
        found.setdefault(source, []).append(_Branch(f"{text} joined", None))
    for (source, channel), count in merged.outputs.items():
        text = f"{one_line(channel, 60)} → output{times(count)}"
        found.setdefault(source, []).append(_Branch(text, None))
    if forgotten or FORGOTTEN in found:
        what = plural(forgotten, "earlier node") if forgotten else "earlier nodes"
        branch = _Branch(f"… {what}, no longer kept", FORGOTTEN)
        found.setdefault(OUTSIDE, []).append(branch)
    return found


def _line(group: Group) -> str:
    parts = [_title(group, group.count), *group.figures(), group.reason(80)]
    return " · ".join(part for part in parts if part)


def _title(group: Group, count: int) -> str:
    status = "" if group.status == "ok" else f" {group.status}"
    return f"{one_line(group.channel, 60)} → {one_line(group.agent, 60)}{times(count)}{status}"
