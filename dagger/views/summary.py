"""A report as text for terminals: what happened, in the order in which one asks.

How it ended; who did how much; what came out; what went wrong and what to do about
it; what is still owed. Plain text of at most 100 columns: what is empty is left out,
what is long is cut, and what is not shown is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from json import JSONEncoder
from textwrap import wrap
from typing import TYPE_CHECKING, Any, TypeVar

from dagger.views.table import Row, table
from dagger.views.wording import duration, one_line, plural, price, times

if TYPE_CHECKING:
    from dagger.views.budgets import MessageBudget
    from dagger.views.letters import DeadLetter
    from dagger.views.questions import OpenQuestion
    from dagger.views.report import OpenTask, Report
    from dagger.views.waiting import Waiting
    from dagger.words.budget import Budget

WIDTH = 100
"""Columns of the widest line."""

ITEMS = 5
"""Dead letters, tasks and the like that are shown; the rest is counted."""

QUOTED = 500
"""Characters that are shown of an error's message, over several lines."""

NAMED = ("ok", "rejected", "dead", "dropped")
"""Dispositions with a column of their own; so has another one where it is the only other."""

_DROPS = """\
Pushed out of full queues: raise capacity=, or let publishers wait with overflow="block". \
A loss is only counted, and fails no run, where overflow="drop_oldest" is written down."""

_ABANDONED = """\
Still going on longer than cancel_grace after they were cancelled, so they were given up: \
nothing they do takes effect any more."""

_Item = TypeVar("_Item")


def text(report: Report) -> str:
    """The whole summary, without a newline at its end."""
    sections = (
        _head(report),
        _budgets(report),
        _agents(report),
        _channels(report),
        _outputs(report),
        _error(report),
        _dead_letters(report),
        _drops(report),
        _abandoned(report),
        _open_tasks(report),
        _questions(report),
        _waiting(report),
        _waited(report),
    )
    bodies = ["\n".join(line.rstrip() for line in section) for section in sections]
    return "\n\n".join(body for body in bodies if body)


def _head(report: Report) -> Iterator[str]:
    took = duration(report.seconds)
    when = f", opened {took} ago" if report.ended is None else f" after {took}"
    yield f"run {one_line(report.run_id, 60)} · {report.status}{when}"
    yield from _wrapped(report.reason)
    if report.changed:
        yield from _wrapped(f"begun under other code of: {', '.join(report.changed)}")
    yield f"  {' · '.join(_figures(report))}"
    ends = [f"{count:,} {name}" for name, count in report.dispositions.items()]
    ends += [f"{report.open:,} open"] if report.open else []
    if ends:
        whole = _count(report.handled + report.open, "delivery", "deliveries")
        yield from _wrapped(f"{whole} = {' + '.join(ends)}")


def _figures(report: Report) -> Iterator[str]:
    yield plural(report.messages, "message")
    if report.handled >= max(10, report.seconds) and report.seconds:
        yield f"{report.handled / report.seconds:,.0f} deliveries/s"
    if report.retries:
        yield _count(report.retries, "retry", "retries")
    if report.tokens:
        yield plural(report.tokens, "token")
    if report.spent.cost:
        yield f"cost {price(float(report.spent.cost))}"


def _budgets(report: Report) -> Iterator[str]:
    """The run's own, and of its messages those that most was spent of."""
    own = report.budget
    if any(each is not None for each in (own.limits.tokens, own.limits.cost)):
        yield f"budget: {_of(own.used, own.limits)}"
    fullest = sorted(own.messages, key=_share, reverse=True)
    yield from _listed(f"budgets of messages ({own.total:,})", fullest, _budget, count=own.total)


def _budget(budget: MessageBudget) -> Iterator[str]:
    by = one_line(budget.agent, 28) or "outside"
    way = f"{by} → {one_line(budget.channel, 28)}"
    yield f"{way} · {_of(budget.used, budget.limits)} · {budget.message}"


def _of(used: Budget, limits: Budget) -> str:
    """What was spent of what there was: "7 of 10 tokens, cost 0.5 of 2"."""
    parts = []
    if limits.tokens is not None:
        parts.append(f"{used.tokens:,} of {plural(limits.tokens, 'token')}")
    if limits.cost is not None:
        parts.append(f"cost {price(float(used.cost or 0))} of {price(float(limits.cost))}")
    if limits.messages is not None:
        parts.append(f"{used.messages:,} of {plural(limits.messages, 'message')}")
    if limits.seconds is not None:
        parts.append(f"{duration(used.seconds or 0.0)} of {duration(limits.seconds)}")
    return ", ".join(parts)


def _share(budget: MessageBudget) -> float:
    """How much was spent of the part of it that most was spent of."""
    limits, used = budget.limits.amounts, budget.used.amounts
    pairs = zip(used, limits, strict=True)
    return max(float(part or 0) / (limit or 1) for part, limit in pairs if limit is not None)


def _agents(report: Report) -> list[str]:
    others = [name for name in report.dispositions if name not in NAMED]
    other = others[0] if len(others) == 1 else "other"
    rows: list[Row] = []
    for name, counts in report.agents.items():
        ends = [counts.dispositions.get(kind, 0) for kind in NAMED]
        rest = sum(counts.dispositions.values()) - sum(ends)
        rows.append((name, (counts.delivered, *ends, rest, counts.retries, counts.open)))
    return table(("agent", "delivered", *NAMED, other, "retries", "open"), rows, WIDTH)


def _channels(report: Report) -> list[str]:
    rows: list[Row] = [
        (name, (counts.messages, counts.delivered, counts.outputs, counts.open))
        for name, counts in report.channels.items()
    ]
    return table(("channel", "messages", "delivered", "outputs", "open"), rows, WIDTH)


def _outputs(report: Report) -> Iterator[str]:
    """How many came out of each channel, and the last of them."""
    totals = report.outputs_total

    def lines(channel: str) -> Iterator[str]:
        kept = report.outputs[channel]
        last = f": {_json(kept[-1])}" if kept else ""
        some = f" ({len(kept):,} kept)" if len(kept) < totals[channel] else ""
        yield f"{one_line(channel, 40)}{times(totals[channel])}{some}{last}"

    return _listed(f"outputs ({sum(totals.values()):,})", tuple(totals), lines)


def _error(report: Report) -> Iterator[str]:
    error = report.error
    if error is None:
        return
    yield "first error"
    yield from _wrapped(f"{error.type}: {error.message}")
    if error.trace:
        yield from _wrapped(f"at {error.trace}", indent=4)
    for cause in error.causes[:ITEMS]:
        yield from _wrapped(f"caused by {cause}", indent=4)
    if len(error.causes) > ITEMS:
        yield f"    … and {plural(len(error.causes) - ITEMS, 'more cause')}"


def _dead_letters(report: Report) -> Iterator[str]:
    kept, total = len(report.dead_letters), report.dead_letters_total
    hint = "" if kept == total else f"report.dead_letters holds {kept:,} of them."
    title = f"dead letters ({total:,})"
    return _listed(title, report.dead_letters, _letter, count=total, hint=hint)


def _letter(letter: DeadLetter) -> Iterator[str]:
    failure = letter.failure
    tried = f" after {plural(letter.attempts, 'attempt')}" if letter.attempts else ""
    way = f"{one_line(letter.channel, 28)} → {one_line(letter.agent, 28)}"
    yield f"{way} · {letter.disposition}{tried} · {letter.node_id}"
    yield f"{failure.type}: {failure.message}"
    yield _json(letter.payload)


def _drops(report: Report) -> Iterator[str]:
    counts = {name: each.dispositions.get("dropped", 0) for name, each in report.agents.items()}
    losers = [f"{one_line(name, 60)}{times(count)}" for name, count in counts.items() if count]
    return _listed(f"dropped ({report.dropped:,})", losers, _name, hint=_DROPS)


def _abandoned(report: Report) -> Iterator[str]:
    title = f"abandoned ({len(report.abandoned):,})"
    return _listed(title, report.abandoned, _name, hint=_ABANDONED)


def _name(name: str) -> Iterator[str]:
    yield name


def _open_tasks(report: Report) -> Iterator[str]:
    return _listed(f"open tasks ({len(report.open_tasks):,})", report.open_tasks, _task)


def _task(task: OpenTask) -> Iterator[str]:
    tried = f" · {plural(task.attempts, 'attempt')}" if task.attempts else ""
    owner = f" · {task.claimed_by}" if task.claimed_by else ""
    yield f"{one_line(task.id, 40)} · {one_line(task.type, 24)} · {task.status}{tried}{owner}"


def _questions(report: Report) -> Iterator[str]:
    title = f"unanswered questions ({len(report.questions):,})"
    return _listed(title, report.questions, _question)


def _question(question: OpenQuestion) -> Iterator[str]:
    to = f" of {one_line(question.to, 40)}" if question.to else ""
    yield f"{one_line(question.id, 80)} · asked{to} by {question.node_id}"
    yield _json(question.question)


def _waiting(report: Report) -> Iterator[str]:
    title = f"waiting ({len(report.waiting):,})"
    return _listed(title, report.waiting, lambda each: [_wait(each, report)])


def _wait(each: Waiting, report: Report) -> str:
    made = report.started + report.seconds
    since = "" if each.since is None else f" since {duration(max(0.0, made - each.since))}"
    until = "" if each.until is None else f", {duration(max(0.0, each.until - made))} to go"
    return f"{each.node_id} · for {each.what}{since}{until}"


def _waited(report: Report) -> Iterator[str]:
    """Turns that were waited for."""
    waits = sorted(report.waited.items(), key=lambda each: each[1][1], reverse=True)
    many = sum(count for _, (count, _) in waits)
    return _listed(f"have waited ({many:,})", waits, _have_waited, count=len(waits))


def _have_waited(each: tuple[str, tuple[int, float]]) -> Iterator[str]:
    what, (count, seconds) = each
    yield f"{one_line(what, 60)}{times(count)} · {duration(seconds)} in all"


def _listed(
    title: str,
    items: Sequence[_Item],
    lines: Callable[[_Item], Iterable[str]],
    *,
    count: int | None = None,
    hint: str = "",
) -> Iterator[str]:
    """A section: its title, the first items, how many more there are, and what to do.

    Each item is a line, and further ones that are indented below it. `count` is how
    many items there are, where more than those at hand; of none, nothing is written.
    """
    count = len(items) if count is None else count
    if not count:
        return
    yield title
    for item in items[:ITEMS]:
        for at, line in enumerate(lines(item)):
            indent = "    " if at else "  "
            yield indent + one_line(line, WIDTH - len(indent))
    more = count - len(items[:ITEMS])
    if more:
        yield f"  … and {more:,} more"
    yield from _wrapped(hint)


def _wrapped(text: str, indent: int = 2) -> list[str]:
    """Any text on a few lines, which are indented."""
    return wrap(
        one_line(text, QUOTED), WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent
    )


def _json(payload: Any) -> str:
    """A payload as JSON, of a big one at least as much as fits on a line."""
    found, size = [], 0
    for piece in JSONEncoder(ensure_ascii=False).iterencode(payload):
        found.append(piece)
        size += len(piece)
        if size > WIDTH:
            break
    return "".join(found)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
