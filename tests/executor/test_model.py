"""The executor against its model: whatever is done to it, in whichever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from dagger import (
    Agent,
    ChannelFull,
    Config,
    Context,
    DaggerError,
    Executor,
    Immediate,
    LiveRun,
    MemoryStore,
    Store,
    agent,
)
from dagger.state.state import State
from dagger.views.report import Report
from tests.conftest import PROVE, Figures
from tests.executor.model import ATTEMPTS, CAPACITY, Message, Model, Run, Step
from tests.patience import PATIENCE
from tests.state import meaning

OVERFLOW = {"block": "block", "reject": "reject"}
GATED = ["drop", "block", "reject", "free"]

JOBS = ["", "", "add", "work", "forget"]

done: Counter[str] = Counter()
"""What a test has done, over all its examples."""

dice = st.randoms(use_true_random=True)
"""What is done is hypothesis's to choose; what with, evenly, the dice's."""


@agent(subscribe="start")
async def opener() -> None:
    """Hears the first message of each run, of which the model knows nothing."""


class House:
    """An executor with five agents, of which all but the fan wait at a gate."""

    def __init__(self, store: Store, config: Config) -> None:
        self.said: list[Step] = []
        self.gates: dict[str, anyio.Event] = {}
        self.executor: Executor
        self.store = store
        self.config = config

    async def start(self) -> Executor:
        """Made in the loop, where its events belong."""
        self.said.clear()
        self.gates = {name: anyio.Event() for name in GATED}
        agents = [opener, *map(self.agent, CAPACITY)]
        self.executor = Executor(agents, store=self.store, config=self.config)
        return self.executor

    def agent(self, name: str) -> Agent:
        """One of the five, made anew."""
        handler = self.fan if name == "fan" else self.work
        options: dict[str, Any] = {"overflow": OVERFLOW.get(name, "drop_oldest")}
        make = agent(
            name=name, subscribe=name, publish="*", capacity=CAPACITY[name],
            on_failure="continue", **options,
        )  # fmt: skip
        return make(handler)

    async def work(self, payload: dict[str, Any], ctx: Context) -> None:
        """Write, claim, wait at the gate, and fail as often as one is told to."""
        self._say("begin", payload, ctx)
        name = ctx.channel
        task = None
        ctx.cache.increment("sum", payload["id"])
        ctx.cache.append(name, payload["id"])
        if payload["job"] == "add":
            ctx.tasks.add_task("task", payload["id"], ATTEMPTS)
        elif payload["job"]:
            task = ctx.tasks.claim_task("task")
        await self.gates[name].wait()
        if task is not None and payload["job"] == "work":
            ctx.tasks.complete_task(task.id, success=True)
        self._say("end", payload, ctx)
        if ctx.attempt <= payload["fails"]:
            raise ValueError("not yet")

    async def fan(self, payload: dict[str, Any], ctx: Context) -> None:
        """Pass on what is in the message."""
        self._say("begin", payload, ctx)
        for each in payload["sends"]:
            ctx.publish(each["agent"], each)
        self._say("end", payload, ctx)

    def _say(self, what: Any, payload: dict[str, Any], ctx: Context) -> None:
        self.said.append(Step(what, ctx.run_id, payload["id"], ctx.attempt))

    async def settle_down(self) -> list[Step]:
        """Everything that handlers have said, once nothing moves any more."""
        quiet, before = 0, -1
        while quiet < 8:
            await self.store.flush()
            await anyio.lowlevel.checkpoint()
            quiet = quiet + 1 if self.store.position == before else 0
            before = self.store.position
        said, self.said = self.said, []
        return said


def payload_of(message: Message) -> dict[str, Any]:
    """A message as it is published."""
    return message._asdict() | {"sends": [payload_of(each) for each in message.sends]}


class ExecutorMachine(RuleBasedStateMachine):
    """Rules do one thing each, let it come to rest, and compare."""

    backend = "asyncio"
    config = Config(retry_strategy=Immediate(), max_attempts=ATTEMPTS)

    def __init__(self) -> None:
        super().__init__()
        self.house = House(self.new_store(), self.config)
        self.model = Model()
        self.live: dict[str, LiveRun] = {}
        self.publishing: dict[int, tuple[Run, Future[Any]]] = {}
        self.ids = 0
        self.worn = False  # whether anything was done to this executor
        self.stack = ExitStack()
        self.portal = self.stack.enter_context(start_blocking_portal(self.backend))
        self.running = self.stack.enter_context(ExitStack())
        self.open()

    def new_store(self) -> Store:
        """Where the executor keeps its runs."""
        return MemoryStore()

    def open(self) -> None:
        """An executor over the store as it is."""
        executor = self.portal.call(self.house.start)
        entering = self.portal.wrap_async_context_manager(executor)
        self.executor = self.running.enter_context(entering)

    def teardown(self) -> None:
        """Let everything end, and look at the whole of it once more."""
        done["examples"] += 1
        for name in GATED:
            self.after(self.house.gates[name].set)
        for run in self.held():
            self._let_go(run)
        self.contents_are_as_they_should_be()
        for run in self.model.runs.values():
            assert self.live[run.name].report().ended is not None
        self.portal.call(self.agree, self.house.executor._engine.state, self.house.store)  # type: ignore[union-attr]
        self.stack.close()

    def agree(self, state: State, store: Store) -> None:
        """What is stored gives the live state again."""
        meaning.agree(state, store)

    def after(self, call: Callable[..., Any], *args: Any) -> Any:
        """Do something in the loop, and let the model hear what came of it."""
        result = self.portal.call(call, *args)
        self.worn = True
        self.listen()
        return result

    def listen(self) -> None:
        """Let everything come to rest."""
        for step in self.portal.call(self.house.settle_down):
            self.model.step(step)

    def message(self, agent: str, **what: Any) -> Message:
        """A message with an id of its own."""
        self.ids += 1
        return Message(self.ids, agent, **what)

    # -- rules -----------------------------------------------------------------------

    @initialize()
    def open_first_run(self) -> None:
        """There is always something to do something to."""
        self.open_run()

    @precondition(lambda self: sum(run.held for run in self.model.runs.values()) < 3)
    @rule()
    def open_run(self) -> None:
        """A run that is held open, and about whose first message nobody cares."""
        name = f"run{len(self.live)}"
        self.model.runs[name] = Run(name)

        async def start() -> LiveRun:
            live = await self.executor.start("start", {}, run_id=name)
            return await live.__aenter__()

        self.live[name] = self.after(start)

    @precondition(lambda self: self.held())
    @rule(dice=dice)
    def publish(self, dice: Random) -> None:
        """From outside: each enters, is refused, or waits in line."""
        run, agent = dice.choice(self.held()), dice.choice(GATED)
        for _ in range(dice.randint(1, 5)):
            fails, job = dice.choice([0, 0, 0, 1, 2, 3]), dice.choice(JOBS)
            self._publish(run, self.message(agent, fails=fails, job=job))

    @precondition(lambda self: self.held())
    @rule(dice=dice)
    def fan_out(self, dice: Random) -> None:
        """Through an agent, whose messages enter together or wait together."""
        run, agent = dice.choice(self.held()), dice.choice(GATED)
        for _ in range(dice.randint(1, 2)):
            sends = tuple(self.message(agent) for _ in range(dice.randint(0, 4)))
            self._publish(run, self.message("fan", sends=sends))

    @rule(dice=dice)
    def open_gate(self, dice: Random) -> None:
        """All that waits at it goes through; all that comes too, unless it is shut again."""
        name = dice.choice(GATED)
        self.after(self.house.gates[name].set)
        if dice.random() < 0.8:
            self.house.gates[name] = self.portal.call(anyio.Event)

    @precondition(lambda self: self.held())
    @rule(dice=dice)
    def write_from_outside(self, dice: Random) -> None:
        """Cache and tasks of an open run are anybody's."""
        run = dice.choice(self.held())
        live, amount = self.live[run.name], dice.randint(-5, 5)
        self.portal.call(live.cache.increment, "sum", amount)
        run.cache["sum"] += amount
        for _ in range(dice.randint(0, 3)):
            self.portal.call(live.tasks.add_task, "task", {}, ATTEMPTS)
            self.model.add_task(run)

    @precondition(lambda self: self.busy())
    @rule(dice=dice)
    def cancel(self, dice: Random) -> None:
        """All that is left of a run ends, and others go on."""
        run = dice.choice(self.busy())
        self.model.cancel(run)
        self.after(self.live[run.name].cancel)

    @precondition(lambda self: self.held())
    @rule(dice=dice)
    def let_go(self, dice: Random) -> None:
        """A run that nobody holds open ends as soon as nothing of it is left."""
        self._let_go(dice.choice(self.held()))

    @rule(dice=dice)
    def unregister(self, dice: Random) -> None:
        """What is pending for it is discarded; what it has in hand goes on."""
        name = dice.choice(list(CAPACITY))
        if self.model.crews[name] >= 0:
            self.model.unregister(name)
            self.after(self.executor.unregister, name)

    @rule(dice=dice)
    def register(self, dice: Random) -> None:
        """It comes back, or its successor takes over what is pending."""
        name = dice.choice(list(CAPACITY))
        self.ids += 1
        self.model.register(name, self.ids)
        self.after(lambda: self.executor.register(self.house.agent(name), replace=True))

    @precondition(lambda self: self.worn)
    @rule()
    def restart(self) -> None:
        """The executor is stopped, and another one goes on."""
        done["stops"] += 1
        self.running.close()
        self.go_on(killed=False)

    def go_on(self, killed: bool) -> None:
        """Another executor takes over the store; runs that have not ended are held open again."""
        for _, future in self.publishing.values():
            assert isinstance(future.exception(PATIENCE), DaggerError)
        self.publishing.clear()
        self.ids += 1
        self.model.restart(killed, self.ids)
        self.open()
        self.listen()
        self.worn = False
        for run in self.model.runs.values():
            self.live[run.name] = self.executor.live(run.name)
            run.held = self.model.open(run) > 0
            if run.held:
                self.portal.call(self.live[run.name].__aenter__)

    def held(self) -> list[Run]:
        """Runs that anybody may still publish into."""
        return [run for run in self.model.runs.values() if run.held]

    def busy(self) -> list[Run]:
        """Runs that have not ended."""
        return [run for run in self.model.runs.values() if run.held or self.model.open(run)]

    def _publish(self, run: Run, message: Message) -> None:
        expected = self.model.publish(run, message)
        call = partial(self.live[run.name].publish, message.agent, payload_of(message))
        if expected == "waits":
            self.publishing[message.id] = run, self.portal.start_task_soon(call)
            self.listen()
            return
        try:
            self.after(call)
        except ChannelFull:
            assert expected == "refused"
        else:
            assert expected == "entered"

    def _let_go(self, run: Run) -> None:
        run.held = False
        self.after(self.live[run.name].__aexit__, None, None, None)

    # -- what must be true -----------------------------------------------------------

    @invariant()
    def contents_are_as_they_should_be(self) -> None:
        """Counts, queues, cache, tasks and outputs of every run are those of the model."""
        done["comparisons with the model"] += 1
        self.portal.call(self._compare_all)

    @invariant()
    def nobody_is_idle_while_there_is_work(self) -> None:
        """A worker without anything in hand has nothing to take, in any run."""
        for name, crew in self.model.crews.items():
            if crew >= 0 and self.model.idle(name):
                for run in self.model.runs.values():
                    assert not run.queue(name)
                    assert not run.again.get(name)

    @invariant()
    def waiting_publishers_wait_and_others_are_done(self) -> None:
        """Who is in line has not returned; who entered has; who cannot any more was told."""
        waiting = {
            each.id for waiter in self.model.line if not waiter.hand for each in waiter.messages
        }
        for number, (run, future) in list(self.publishing.items()):
            if number in waiting:
                assert not future.done()
                continue
            error = future.exception(PATIENCE)
            assert isinstance(error, DaggerError) if run.cancelled else error is None
            del self.publishing[number]

    def _compare_all(self) -> None:
        for run in self.model.runs.values():
            self._compare(run)

    def _compare(self, run: Run) -> None:
        live = self.live[run.name]
        report = live.report()
        ends = dispositions(report)
        assert ends == {pair: count for pair, count in run.ends.items() if count}
        assert report.open == self.model.open(run)
        assert (report.ended is None) == (run.held or self.model.open(run) > 0)
        assert live.cache.get("sum", 0) == run.cache["sum"]
        for name in GATED:
            assert live.cache.get(name, []) == run.lists.get(name, [])
            queue = live.state.queues.get(name)
            assert (queue.depth if queue else 0) == len(run.queue(name))
        found = [each for outputs in report.outputs.values() for each in outputs]
        assert sorted(each["id"] for each in found) == sorted(run.outputs)
        tasks = [
            (task.status.value, task.attempts) for task in live.tasks.get_tasks_by_type("task")
        ]
        assert tasks == [(task.status, task.attempts) for task in run.tasks]
        if report.ended is not None:
            assert report.status == self.model.verdict(run)


def dispositions(report: Report) -> dict[tuple[str, str], int]:
    """How deliveries of a report ended, by agent and disposition."""
    return {
        (name, disposition): count
        for name, counts in report.agents.items()
        if name in CAPACITY
        for disposition, count in counts.dispositions.items()
    }


class TrioMachine(ExecutorMachine):
    """The same on the other loop."""

    backend = "trio"


@pytest.fixture(autouse=True)
def counted(figures: Figures) -> Iterator[None]:
    """Tell what was done."""
    done.clear()
    yield
    what = ["examples", "comparisons with the model", "stops", "kills"]
    figures(", ".join(f"{done[each]:,} {each}" for each in what if done[each]))


TestOnAsyncio = ExecutorMachine.TestCase
TestOnTrio = TrioMachine.TestCase
TestOnAsyncio.settings = TestOnTrio.settings = settings(
    max_examples=100 if PROVE else 50, stateful_step_count=50 if PROVE else 30
)
