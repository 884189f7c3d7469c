"""The context: what a handler holds of its run, its memory, and the world.

Plain calls (`publish`, `reply`, `log`, cache and tasks) are held back, or told, without
waiting; `step`, `sleep`, `ask`, `request`, `scatter`, `emit` and `spend` are awaited, happen
at once, and are kept across attempts.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from functools import wraps
from math import isfinite
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, Unpack

from dagger.authoring.cache import CacheView
from dagger.authoring.calls import Calls
from dagger.authoring.origin import RunPlace
from dagger.authoring.publishing import Sending, budgeted, published_by, sent
from dagger.authoring.questions import NO_DEFAULT, asked
from dagger.authoring.requests import at_once, made
from dagger.authoring.reserving import Reservation, inside
from dagger.authoring.steps import Step, bound, digest
from dagger.authoring.tasks import TaskView
from dagger.rules.retry import strategy
from dagger.words.budget import Budget, written
from dagger.words.clock import epoch
from dagger.words.effects import E, Reply, is_request
from dagger.words.errors import ContextClosed, ExecutionError
from dagger.words.ids import message_id
from dagger.words.message import Message
from dagger.words.replies import replied

if TYPE_CHECKING:
    from decimal import Decimal

    from dagger.authoring.invocation import Invocation
    from dagger.state.cache import Cache
    from dagger.words.strategy import RetryStrategy

P = ParamSpec("P")
R = TypeVar("R")

_NONE: set[tuple[str, str | None]] = set()  # stays empty: most handlers await no two things
_KEYS = tuple(f"#{number}" for number in range(100))  # made once: very many hold on to theirs
_LEVELS = logging.getLevelNamesMapping()
_HIGHEST_LEVEL = 1_000


def _awaited(
    method: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Context, P], Coroutine[Any, Any, R]]:
    """A call that waits: refused at once where nobody could await it."""

    @wraps(method)
    def call(self: Context, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        self._guard()
        if self._invocation.agent.plan.kind.threaded:
            raise ExecutionError(
                f"{self.node_id} called ctx.{method.__name__} in a plain def handler, which "
                "cannot await it; write the handler as async def"
            )
        return method(self, *args, **kwargs)

    return call


class Context:
    """What a handler is given as `ctx`; it ends with the attempt it belongs to.

    Every call raises ContextClosed once the handler has returned or was given up.
    """

    __slots__ = (
        *("_blocks", "_cache", "_counts", "_flights", "_invocation", "_known", "_shared"),
        "_tasks",
    )

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._cache: CacheView | None = None
        self._shared: CacheView | None = None
        self._tasks: TaskView | None = None
        self._counts: dict[str, int] = {}
        self._flights = _NONE  # what is awaited: its name and key
        self._blocks = False  # it may have something set aside
        self._known = 0  # the journal position that it last learned something from; 0 before a step

    @property
    def run_id(self) -> str:
        """The id of the run that the invocation is of."""
        return self._invocation.run.id

    @property
    def node_id(self) -> str:
        """The invocation's id, `<agent>:<run>.<number>`."""
        return self._invocation.node_id

    @property
    def channel(self) -> str:
        """The channel the message came on."""
        return self._invocation.channel

    @property
    def message(self) -> Message:
        """The message that is handled; of a join the last part, with the payloads of all."""
        return self._invocation.message

    @property
    def delivery(self) -> int:
        """The number of the delivery within its run: the last part of `node_id`."""
        return self._invocation.delivery.number

    @property
    def run_here(self) -> RunPlace:
        """The run among all in this process, of whichever executor; ids are those of one."""
        return RunPlace(self._invocation.host.serial, self._invocation.run.id)

    def now(self) -> float:
        """The wall time, epoch seconds."""
        return self._invocation.host.now()

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        return self._invocation.attempt

    @property
    def cache(self) -> CacheView:
        """The run's cache: committed state and own writes."""
        if self._cache is None:
            run = self._invocation.run
            self._cache = self._view(lambda: run.cache, shared=False)
        return self._cache

    @property
    def shared(self) -> CacheView:
        """The cache that all runs of the executor share."""
        if self._shared is None:
            host = self._invocation.host
            self._shared = self._view(lambda: host.shared, shared=True)
        return self._shared

    @property
    def tasks(self) -> TaskView:
        """The run's tasks."""
        if self._tasks is None:
            held = self._invocation
            self._tasks = TaskView(
                lambda: held.run.tasks,
                self._commit,
                new_id=lambda: f"{self.run_id}.{held.delivery.number}.t{self._next('task')}",
                now=lambda: held.started,
                held=held.effects,
                guard=self._look,
                holder=held.delivery.number,
                agent=held.agent.name,
            )
        return self._tasks

    def publish(
        self,
        channel: str,
        payload: Any,
        *,
        key: str | None = None,
        task: str | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **sending: Unpack[Sending],
    ) -> str:
        """Publish when the invocation settles; the message's id.

        `payload` is JSON data, a model, or a Message. `task` is a task id, or a mapping
        with `id` and perhaps `type` and `status`: the task is created or updated and the
        message stamped with it. `delay` (seconds) or `at` (a moment) say when it is
        delivered, `ttl` for how many seconds from then on it is of use. What has the same
        `idempotency_key` is handled by each agent once, in whichever runs it comes: later
        ones are duplicates, and get the result of the first. `budget` is what all that
        descends from the message may spend (see `Budget`).

        Raises ChannelUndeclared, SerializationError, ValidationError, ExecutionError or
        BudgetExceeded (in a block of `ctx.budget`) here and now.
        """
        self._guard()
        held = self._invocation
        link = _link(task)
        task_id = link["id"] if link else None
        ready = published_by(held, channel, payload, key=key, task_id=task_id, headers=headers)
        if sending:
            ready = sent(ready, sending, held.host.now())
        if link:
            self.tasks.link(
                link["id"],
                ready.payload,
                channel=channel,
                task_type=link.get("type"),
                status=link.get("status"),
            )
        block = inside(held) if self._blocks else None
        if block is not None:
            block.check("messages", 1)
            block.publish(held_back=True)
        held.effects.append(ready)
        place = held.seats
        held.seats = place + 1
        return ready.id or message_id(held.run.id, held.delivery.number, place)

    def reply(self, value: Any) -> None:
        """Reply to the request that is being handled, when the invocation settles.

        What the handler returns is then published as for any other message; without this
        call it is the reply. Raises ExecutionError where the message is no request or was
        replied to already, SerializationError for what is not JSON.
        """
        self._guard()
        held = self._invocation
        if not is_request(held.publication):
            raise ExecutionError(
                f"{self.node_id} replies to a message that is no request, so that nobody waits "
                "for it; publish or return the value instead"
            )
        if any(type(each) is Reply for each in held.effects):
            raise ExecutionError(
                f"{self.node_id} replies twice to one request; reply once, with all there is to say"
            )
        held.effects.append(Reply(replied(value, self.node_id)))

    def log(self, text: str, *, level: str | int = "INFO") -> None:
        """Say something: to watchers of the run, and to standard logging."""
        self._guard()
        self._invocation.host.log(self._invocation, _level(level), str(text))

    @_awaited
    async def step(
        self,
        name: str,
        call: Callable[..., Any],
        *args: Any,
        key: str | None = None,
        retry: RetryStrategy | str | Mapping[str, Any] | None = None,
    ) -> Any:
        """The result of `call(*args)`, kept: a later attempt or re-execution gets it back.

        `call` may be async; a plain one runs in a worker thread. It is called once all
        that led to it is on disk, and its result is on disk before it is returned. If it
        has a parameter `idempotency_key`, it is given one that is the same each time it is
        called for this step. Steps of one name are told apart by `key`, or else by their
        order; then only one of them may be in flight.

        `retry` says whether a call that raised is followed by another (see the agent's
        own); without it there is one call. Raises StepFailed where that is the end of it:
        whoever goes on after a restart meets it again, a new attempt of the handler calls
        again. Raises NonDeterminism if the arguments are not those of the kept result, and
        ExecutionError for a second step of the name, or of name and key, in flight.
        """
        held = self._invocation
        mine = key is None
        key = self._nth(f"step {name}") if key is None else str(key)
        bound_call = bound(call, args, f"{held.node_id}/{name}/{key}")
        again = None if retry is None else strategy(retry)
        step = Step(name, key, digest(args), bound_call, again, self._known or self._learn())
        flight = self._fly(f"steps {name!r}", None if mine else key)
        try:
            return await held.host.step(held, step)
        finally:
            self._flights.discard(flight)

    @_awaited
    def sleep(
        self,
        seconds: float | None = None,
        *,
        until: datetime | float | None = None,
        name: str = "sleep",
    ) -> Coroutine[Any, Any, None]:
        """Wait `seconds`, or until a moment, without holding a worker.

        `until` is a datetime with a timezone, or epoch seconds. When it is over is kept: a
        restart does not begin anew, and where it was over meanwhile, it is. What counts is
        the wall clock, also if somebody sets it. Raises ExecutionError for what is no time.
        """
        held = self._invocation
        moment = _moment(held.host.now(), seconds, until)
        key = self._nth(f"sleep {name}")
        return held.host.sleep(held, name, key, moment)

    @_awaited
    async def ask(
        self,
        prompt: Any,
        *,
        name: str | None = None,
        schema: Mapping[str, Any] | str | bool | None = None,
        type: Any = None,
        choices: Iterable[Any] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  it outlives any scope
        default: Any = NO_DEFAULT,
        validator: Callable[[Any], Any] | None = None,
        to: str = "",
    ) -> Any:
        """Ask people, and wait for their answer (`executor.answer`) without a worker.

        `prompt` is any JSON data. An answer has to fit `schema` (JSON Schema), `type` (an
        annotation, of which a value is built) or `choices`, and `validator`, which gets that
        value and raises ValueError, saying why, or returns False; until one does, the
        question stays open. `to` says whom it is for. Questions of one invocation are told
        apart by `name`, or else by their order; the answer is kept, as that of a step.

        When `timeout` seconds are over (math.inf for never; else it is Config.human_wait),
        Config.human_timeout_action says what comes: "autopilot" takes `default` for an
        answer, which the tree tells, or raises TimeoutExceeded where there is none; "pause"
        pauses the run until somebody answers.
        """
        held = self._invocation
        name = str(name or f"question-{self._next('ask')}")
        question = asked(
            self.node_id,
            name,
            prompt,
            schema=schema,
            type=type,
            choices=choices,
            timeout=timeout,
            default=default,
            validator=validator,
            to=to,
        )
        answer = await held.host.ask(held, question)
        self._learn()
        return answer

    @_awaited
    async def request(
        self,
        channel: str,
        payload: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  it outlives any scope
        key: str | None = None,
        idempotency_key: str | None = None,
        budget: Budget | None = None,
    ) -> Any:
        """Publish at once and wait for the reply: what the first handler to end returns, or
        says with `ctx.reply`.

        The reply is kept, as the result of a step. `timeout` is in seconds by the wall clock,
        from the first call on: a restart does not begin anew. Requests are told apart by
        `key`, or else by their order; then only one of them may be in flight.
        `idempotency_key` and `budget` are those of `publish`: a duplicate gets the reply of the
        first.

        Raises NoResponder, RequestTimeout, RequestDropped or ResponderFailed, all of them
        RequestFailed: whoever goes on after a restart meets it again, a new attempt of the
        handler asks again. Raises ExecutionError for a second request of the key in flight.
        """
        held = self._invocation
        mine = key is None
        key = self._nth("request") if key is None else str(key)
        request = made(held, channel, payload, key, timeout)
        options: Sending = {"idempotency_key": idempotency_key, "budget": budget}
        request = request._replace(publication=sent(request.publication, options, 0.0))
        flight = self._fly("requests", None if mine else key)
        try:
            reply = await held.host.request(held, request)
            self._learn()
            return reply
        finally:
            self._flights.discard(flight)

    @_awaited
    async def scatter(
        self,
        channel: str,
        payloads: Iterable[Any],
        *,
        limit: int | None = None,
        first_failure: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109  it outlives any scope
        key: str | None = None,
        budget: Budget | None = None,
    ) -> list[Any]:
        """Request each payload, and wait for the replies: a list in the order of the payloads.

        At most `limit` requests are in flight at once; all payloads are checked before the
        first goes out. `timeout` is that of each request, from when it is its turn, and
        `budget` is what may be spent on each. Replies are kept under the place of their
        payload, so that an attempt after a failure asks only for those that it has not got.
        Calls are told apart by `key`, or else by their order; then only one of them may be
        in flight.

        Where some have no reply it waits for all the others, and raises ScatterFailed, which
        has the replies in `results` and the errors in `failures`, by place. With
        `first_failure` it raises the error of the first that fails (see `request`), as soon
        as it does: no more requests go out, and replies that still come are not read.
        """
        held = self._invocation
        mine = key is None
        key = self._nth("scatter") if key is None else str(key)
        requests = [
            made(held, channel, each, f"scatter {key}[{place}]", timeout)
            for place, each in enumerate(payloads)
        ]
        if budget is not None:
            requests = [
                each._replace(publication=budgeted(each.publication, budget)) for each in requests
            ]
        limit = at_once(limit, len(requests))
        flight = self._fly("scatters", None if mine else key)
        try:
            replies = await held.host.scatter(held, requests, limit, first_failure)
            self._learn()
            return replies
        finally:
            self._flights.discard(flight)

    @_awaited
    async def emit(
        self,
        channel: str,
        payload: Any,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Publish now, before the invocation settles: the next item of its stream; its id.

        Items are counted, 0, 1, 2, ... An attempt that says the same as one before, or as
        itself before a restart, repeats none. From where a new attempt says something else
        on, what was said before is void: its message is `restarted` (see `Message.stream`).

        Waits for room where a queue is full under "block". Raises what `publish` does, and
        ChannelFull, ChannelClosed, ChannelDeadlock, BudgetExceeded or RunCancelled;
        StreamDiffers if it goes on after a restart and says something else; ExecutionError
        if another item is still on its way.
        """
        held = self._invocation
        ready = published_by(held, channel, payload, key=key, headers=headers)
        flight = self._fly("items of its stream", None, "emit one after the other")
        try:
            return await held.host.emit(held, ready)
        finally:
            self._flights.discard(flight)

    def calls(self) -> Calls:
        """Requests that are in flight together, as a block: `with ctx.calls() as calls:`.

        See `Calls`; for a list of payloads on one channel `ctx.scatter` is simpler.
        """
        self._guard()
        return Calls(self._invocation, self._invocation.host.calls(self._invocation))

    @_awaited
    async def spend(self, tokens: int = 0, *, cost: float | Decimal = 0) -> None:
        """Count tokens, and a cost in whatever currency, against all that bounds the invocation:
        a block of `ctx.budget` that this is in, the budgets of messages that it descends from,
        and the run's `max_tokens` and `max_cost`.

        What is spent is spent, also if the attempt fails. A cost is counted in whole billionths,
        so that sums are exact. Raises BudgetExceeded where that was not there: the run then
        ends, or what descends from the message; that of a block may be caught.
        """
        if type(tokens) is not int or not 0 <= tokens <= sys.maxsize:
            raise ValueError(f"tokens must be a whole number and not negative, not {tokens!r}")
        spent = Budget(cost=cost).amounts.cost or 0
        await self._invocation.host.spend(self._invocation, tokens, spent)

    def budget(
        self,
        *,
        tokens: int | None = None,
        cost: float | Decimal | None = None,
        messages: int | None = None,
        seconds: float | None = None,
    ) -> Reservation:
        """Set so much aside before it is spent: `async with ctx.budget(tokens=100) as budget:`.

        Entering raises BudgetExceeded if less than that is left to this invocation, what
        others have set aside not counted as left. Within the block `ctx.spend` and what is
        published draw on it, and so do blocks within; more than is there raises
        BudgetExceeded, which the handler may catch, and so do `seconds` that are over. As the
        block is left, or the invocation ends in whatever way, what was not used is free again.
        `budget.left` and `budget.used` can be read at any time.

        Raises ExecutionError for amounts that make no sense.
        """
        self._guard()
        wanted = Budget(tokens, cost, messages, seconds)
        if not written(wanted):
            raise ExecutionError("ctx.budget takes tokens=, cost=, messages= or seconds=")
        self._blocks = True
        return Reservation(self._invocation, wanted.amounts)

    def _guard(self) -> None:
        if self._invocation.closed:
            raise ContextClosed(self._invocation.node_id)

    def _look(self) -> None:
        """The handler is about to see what others have done."""
        self._guard()
        if self._known:
            self._learn()

    def _learn(self) -> int:
        """What there is now is known: a step that comes of it waits until that is on disk."""
        self._known = self._invocation.host.position()
        return self._known

    def _fly(
        self, name: str, key: str | None, hint: str = "give each a key= of its own"
    ) -> tuple[str, str | None]:
        """From now on there is nothing else of that name and key, or of that name without one,
        until this is taken out of the flights.
        """
        flight = name, key
        if flight in self._flights:
            of = f" with key {key!r}" if key is not None else ""
            raise ExecutionError(
                f"{self.node_id} has two {name}{of} in flight at once, which could be "
                f"taken for each other after a restart; {hint}"
            )
        if self._flights is _NONE:
            self._flights = set()
        self._flights.add(flight)
        return flight

    def _nth(self, what: str) -> str:
        """The key of what has none: "#0", "#1", ... for each `what`."""
        number = self._next(what)
        return _KEYS[number] if number < len(_KEYS) else f"#{number}"

    def _next(self, what: str) -> int:
        """0, 1, 2, ... for each `what`: the same on a re-execution."""
        number = self._counts.get(what, 0)
        self._counts[what] = number + 1
        return number

    def _view(self, committed: Callable[[], Cache], *, shared: bool) -> CacheView:
        held = self._invocation.effects
        return CacheView(committed, self._commit, shared=shared, held=held, guard=self._look)

    def _commit(self, decide: Callable[[], tuple[E, ...]], /) -> tuple[E, ...]:
        written = self._invocation.host.write_now(self._invocation, decide)
        self._learn()
        return written


def _level(level: str | int) -> int:
    """A number of the standard logging module; what is none counts as INFO."""
    if isinstance(level, int) and 0 <= level <= _HIGHEST_LEVEL:
        return level
    return _LEVELS.get(str(level).upper(), logging.INFO)


def _moment(now: float, seconds: float | None, until: datetime | float | None) -> float:
    """Epoch seconds. Raises ExecutionError for what is none, or both."""
    if (seconds is None) is (until is None):
        raise ExecutionError("ctx.sleep takes seconds, or until=, and not both")
    if isinstance(seconds, (int, float)) and type(seconds) is not bool and isfinite(seconds):
        return now + seconds
    if seconds is not None:
        raise ExecutionError(f"ctx.sleep takes a number of seconds, not {seconds!r}")
    return epoch(until, "until")


def _link(task: str | Mapping[str, str] | None) -> Mapping[str, str] | None:
    """`task=` in its full form. Raises ExecutionError for what is none."""
    if task is None:
        return None
    if isinstance(task, str):
        return {"id": task}
    names: Any = getattr(task, "keys", tuple)()  # whatever the annotation says
    if "id" in names and set(names) <= {"id", "type", "status"}:
        return task
    raise ExecutionError(
        "task= takes a task id, or a mapping with 'id' and perhaps 'type' and 'status', "
        f"not {task!r}"
    )
