"""Undoing what the steps of a run have done: what was begun, in which order, and how far it is.

What has to be undone is registered as it is sent, which is on disk before anybody acts: the
order and the state are `dagger.rules.undo`'s.
"""

from __future__ import annotations

from collections import ChainMap, deque
from collections.abc import Iterable
from typing import Any

from dagger.flows.running.arguments import Scope
from dagger.flows.running.facts import Error, error_of
from dagger.flows.running.orders import Forget, Halt, Order, Send, key_of
from dagger.flows.running.program import Program, Work
from dagger.flows.running.report import UndoneReport
from dagger.rules import undo
from dagger.rules.undo import Action
from dagger.words.errors import ExpressionError, RequestTimeout

PREFIX = "undo:"
"""Of the keys of compensations."""


class _Begun:
    """A step, or an item of it, that was sent."""

    __slots__ = ("after", "completed", "key", "name", "result", "scope", "work")

    def __init__(
        self, key: str, work: Work | None, after: tuple[str, ...], scope: Scope | None
    ) -> None:
        self.key = key
        self.work = work  # None for what only hands on who came after whom
        self.after = after
        self.scope = scope
        self.completed: int | None = None
        self.name: str | None = None  # its idempotency key
        self.result: Any = None

    def action(self) -> Action:
        wanted = self.work is not None and self.work.undo is not None
        return Action(self.key, self.after, self.completed, wanted)


class Undoing:
    """The undoing of one run; of a flow without compensations it does nothing."""

    def __init__(self, program: Program, steps: dict[str, dict[str, Any]]) -> None:
        self._program = program
        self._steps = steps
        self._begun: dict[str, _Begun] = {}
        self._tails: dict[str, tuple[str, ...]] = {}  # by step: what came last of it
        self._items: dict[str, list[str]] = {}  # by step: those of its items that were sent
        self._completed = 0
        self._out: set[str] = set()  # compensations that were sent, and not heard of
        self._state: undo.Undoing | None = None

    # -- what is done ----------------------------------------------------------------

    def begin_step(self, work: Work, item: int | None, scope: Scope, name: str | None) -> None:
        """A step, or an item of it, is sent, under an idempotency key perhaps."""
        if not self._program.undoes:
            return
        owner = work.owner
        if owner is not None:  # what it rescues has ended, as far as that can be undone
            self.end(self._program.works[owner])
        after = self._ends_of(work.needs if owner is None else (owner,))
        key = key_of(work.id, item)
        begun = self._begun[key] = _Begun(key, work, after, None if work.undo is None else scope)
        begun.name = name
        if item is None:
            self._tails[work.id if owner is None else owner] = (key,)
        else:
            self._items.setdefault(work.id, []).append(key)

    def complete(self, step: str, item: int | None, result: Any, *, reused: bool) -> None:
        """It has given a result; one that others have made is not this run's to undo."""
        begun = self._begun.get(key_of(step, item))
        if begun is None:
            return
        begun.completed, begun.result = self._completed, result
        self._completed += 1
        if reused:
            begun.work = None

    def never(self, key: str) -> None:
        """It was not sent after all."""
        if key in self._begun:
            self._begun[key].work = None

    def end(self, work: Work) -> None:
        """A step has ended, or is rescued from now on: who comes later comes after it, after all
        of its items, or else after what it would have come after.
        """
        if not self._program.undoes or work.id in self._tails:
            return
        sent = self._items.get(work.id)
        if sent is None:
            self._tails[work.id] = self._ends_of(work.needs)
            return
        group = f"{work.id}[]"
        self._begun[group] = _Begun(group, None, tuple(sent), None)
        self._tails[work.id] = (group,)

    def _ends_of(self, steps: Iterable[str]) -> tuple[str, ...]:
        """What came last of some steps, each once."""
        return tuple(dict.fromkeys(key for each in steps for key in self._tails.get(each, ())))

    # -- and undone ------------------------------------------------------------------

    def begin(self) -> list[Order]:
        """Undo all of it."""
        actions = [each.action() for each in self._begun.values()]
        if not any(each.compensated for each in actions):
            return []
        self._state = undo.undoing(actions)
        return self._go_on(undo.Start())

    def awaits(self, key: str) -> bool:
        """Whether a compensation was sent under a key, and not heard of."""
        id = key.removeprefix(PREFIX)
        return id != key and id in self._out

    def heard(self, key: str, error: Exception | None) -> list[Order]:
        """A compensation has ended that was sent, well or with an error."""
        id = key.removeprefix(PREFIX)
        self._out.discard(id)
        begun = self._begun[id]
        work = begun.work
        assert work is not None
        assert work.undo is not None
        if error is None:
            freed: list[Order] = []
            if begun.name is not None:
                freed.append(Forget(work.channel, begun.name))
            return [*freed, *self._go_on(undo.Undone(id))]
        late: list[Order] = [Halt((key,))] if isinstance(error, RequestTimeout) else []
        told = _told(error_of(error, work.undo.awaited))
        return [*late, *self._go_on(undo.UndoFailed(id, told))]

    def give_up(self) -> None:
        """There is no more time."""
        if self._state is not None and not self._state.over:
            self._go_on(undo.Stop())

    @property
    def over(self) -> bool:
        """Whether there is nothing to wait for."""
        return self._state is None or self._state.over

    def report(self) -> UndoneReport | None:
        """What was undone so far; None if nothing had to be."""
        if self._state is None:
            return None
        report = self._state.report()
        return UndoneReport(report.undone, dict(report.failed), report.left)

    def _go_on(self, event: undo.Event) -> list[Order]:
        """What is to be sent after an event, and after those that follow from it at once: what
        cannot be worked out has failed.
        """
        orders, events = list[Order](), deque([event])
        while events:
            assert self._state is not None
            self._state, commands = undo.step(self._state, events.popleft())
            for each in commands:
                try:
                    orders.append(self._compensation(self._begun[each.id]))
                    self._out.add(each.id)
                except ExpressionError as error:
                    events.append(undo.UndoFailed(each.id, _told(error_of(error))))
        return orders

    def _compensation(self, begun: _Begun) -> Send:
        """What undoes it. It knows its own step's output, of an item that item's. Raises
        ExpressionError.
        """
        work, scope = begun.work, begun.scope
        assert work is not None
        assert work.undo is not None
        assert scope is not None
        own = {"status": "succeeded", "error": None, **self._steps.get(work.id, {})}
        own["output"] = begun.result
        known = {**scope, "steps": ChainMap({work.id: own}, self._steps)}
        undo, payload = work.undo, work.undo.arguments.sent(known)
        return Send(
            f"{PREFIX}{begun.key}",
            undo.channel,
            payload,
            message_key=undo.key_for(payload),
            timeout=undo.patience_for(payload),
            cleanup=True,
            stops=undo.is_flow,
        )


def _told(error: Error) -> str:
    return f"{error.type}: {error.message}"
