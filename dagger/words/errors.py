"""Every error Dagger raises on purpose.

DaggerError
├── DefinitionError           an agent, channel or registry is declared wrongly
│   ├── SchemaError           a JSON Schema is not one
│   ├── DuplicateAgent        two agents of one name
│   ├── ResourceUnavailable   an agent needs more than there can ever be
│   ├── GraphError            a graph is written wrongly
│   └── ScheduleError         a time, an interval, a cron expression or a timezone is not one
├── FlowError                 a flow is written wrongly: all that is wrong with it
├── ConfigError               a setting is unknown or out of range
├── AgentNotFound             no agent of that name
├── ToolNotFound              no tool of that name
├── ChannelNotFound           no channel of that name
├── RunNotFound               no run of that id
├── TaskNotFound              no task of that id
├── LetterNotFound            no dead letter of that node
├── InvocationNotFound        no open invocation of that node
├── QuestionNotFound          nobody asked that
├── MessageNotFound           no message of that id
├── ScheduleNotFound      no schedule of that id
├── NoAgentsRegistered        a run was asked of an executor without agents
├── SerializationError        a payload that is not JSON, too deep or too big
├── ValidationError           a payload that breaks its schema
│   └── ArgumentsRefused      or the arguments of a step, or its result
├── ToolRefused               the arguments of a tool, or its result, are not what it says
├── ChannelError
│   ├── ChannelFull           overflow="reject" and the queue has no room
│   ├── ChannelClosed         the channel was shut down
│   ├── ChannelInUse          a shutdown was refused
│   ├── ChannelUndeclared     an agent published where it said it would not
│   └── ChannelDeadlock       blocking channels wait for each other
├── TransitionError           a task cannot go from this status to that one
├── CacheConflict             set(if_version=) met another version
├── CacheTypeError            append to what is no list, increment of what is no number
├── CacheKeyNotFound          no cache value at that path; a LookupError too
├── ExpressionError           an expression is none, or cannot be worked out
├── ExecutionError            a call that is not possible now
│   ├── AnswerRefused         an answer that its question does not take
│   ├── ContextClosed         a context used after its handler returned
│   ├── RequestFailed         a request has no reply
│   │   ├── NoResponder       no agent hears it
│   │   ├── RequestRefused    it could not be sent
│   │   ├── RequestTimeout    none came in time
│   │   ├── RequestDropped    it was dropped, expired, cancelled or discarded
│   │   ├── ResponderFailed   who handled it failed for good
│   │   └── ScatterFailed     some of several requests have none
│   ├── DuplicateDeadlock     a duplicate and its first one wait for each other
│   ├── StepFailed            the function of a step raised
│   ├── FlowEventRefused      a flow was told something that cannot have happened
│   ├── FlowFailed            a flow has failed; what was undone of it
│   ├── CheckpointRefused     a checkpoint of a graph cannot be gone on from
│   ├── RouteUnknown          the router of a node says what it has no edge for
│   ├── TargetUnknown         a node goes where it does not say that it may
│   ├── StateRefused          a node gives the state of a graph what it cannot have
│   │   └── InputsRefused     or a graph within it
│   ├── GraphEventRefused     a graph was told something that cannot have happened
│   ├── GraphFailed           a graph has failed; what was undone of it
│   ├── MergeConflict         branches of a graph have set one key to different values
│   ├── SecretMissing         a flow needs a secret that is not there
│   ├── HttpFailed            an HTTP request failed, and another attempt may help
│   │   └── HttpRefused       or would not
│   ├── ShellFailed           a program failed, or could not be started
│   ├── WorkerCrashed         the worker process of a handler died
│   ├── HookFailed            the hook around attempts raised, or ended too early
│   ├── NonDeterminism        a handler that goes on asks for something else than before
│   │   └── StreamDiffers     or streams something else
│   ├── RunConflict           a run id used again with another payload
│   ├── RunClosed             the run has ended
│   ├── BudgetExceeded        what a run, a message or a block may spend is spent
│   ├── ConservationError     the counts of a run do not add up: a bug in Dagger
│   ├── ExecutorBusy          as many runs are open as may be
│   └── ExecutorStopped       the executor is not running
├── SimulationError           a test with dagger.testing cannot go on
│   ├── SimulationStuck       nothing can happen any more, or it never ends
│   └── ScriptOver            a scripted agent was called once more than its script says
├── RunCancelled              the run was cancelled while being waited for
├── TimeoutExceeded           an attempt or a run took longer than allowed
│   └── ResourceTimeout       resources were not free in time
└── DatabaseError             the store cannot do what was asked
    ├── LockError             the store is owned by another process
    ├── NotAStore             the folder is not a store
    │   └── StoreNewer        or is one that a newer version of Dagger wrote
    ├── OutcomeUnknown        a write failed: what waited for it may be kept or not
    ├── StoreCorrupt          what is on disk is not what was written
    ├── StoreForked           the process that uses it is a copy of its owner
    ├── StoreReadOnly         this process may not write to it
    └── StoreUnavailable      it cannot write at the moment, and takes nothing
        ├── DiskFull          since its disk has no room
        └── MapFull           since its file cannot be mapped into memory

Each class composes its own message from typed fields, so that a caller can
match on the fields and a person can act on the text.
"""

from __future__ import annotations

import re
from signal import Signals
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from dagger.words.secrets import hidden

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dagger.words.records import Failure

VALUE_SHOWN = 200
"""Characters of an offending value that an error repeats."""

STDERR_SHOWN = 500
"""Characters that a program wrote last to stderr, which an error repeats."""


def shortened(text: str) -> str:
    """A text as an error repeats it: without secrets, and cut at 200 characters."""
    text = hidden(text)
    return text if len(text) <= VALUE_SHOWN else text[:VALUE_SHOWN] + "..."


class DaggerError(Exception):
    """The root: catching it catches everything Dagger raises on purpose."""

    again = True
    """Whether another attempt could come to something else: if not, there is none."""


class DefinitionError(DaggerError):
    """Something was declared wrongly; `where` is "function (file:line)" if known."""

    def __init__(self, problem: str, where: str | None = None) -> None:
        self.problem = problem
        self.where = where
        super().__init__(f"{where}: {problem}" if where else problem)


class SchemaError(DefinitionError):
    """A schema is not valid JSON Schema, or refers to something outside itself."""


class DuplicateAgent(DefinitionError):
    """Two agents of one name were brought together."""

    def __init__(self, name: str, where: str, existing: str) -> None:
        self.name = name
        self.existing = existing
        super().__init__(
            f"an agent named {name!r} exists already, from {existing}; "
            "rename one, or register it with replace=True",
            where,
        )


class ResourceUnavailable(DefinitionError):
    """An agent needs more of a resource than the pool has, or than its quota allows."""

    def __init__(
        self, agent: str, resource: str, needed: float, total: float, quota: bool = False
    ) -> None:
        self.agent = agent
        self.resource = resource
        self.needed = needed
        self.total = total
        whose = "its quota in the pool is" if quota else "the executor's pool has"
        super().__init__(
            f"it needs {resource}={needed:g} of which {whose} {total:g}, so that it could never "
            "begin; ask for less, or give the executor more: "
            "Executor(resources=ResourcePool(...))",
            f"agent {agent!r}",
        )


class ScheduleError(DefinitionError):
    """What should say when something happens does not; `given` is its text, cut at 200
    characters.
    """

    def __init__(self, given: str, problem: str) -> None:
        self.given = shortened(given)
        super().__init__(problem, f"schedule {self.given}")


class FlowProblem(NamedTuple):
    """One thing wrong with a flow, and where."""

    path: str
    """Its file."""
    line: int
    """From 1; 0 in a flow that was made in Python."""
    column: int
    """From 1; 0 in a flow that was made in Python."""
    problem: str
    """What is wrong, and what was probably meant."""
    part: str = ""
    """Which part of a flow that was made in Python it is about, such as "steps[0].needs"."""
    unknown: str = ""
    """The agent or step function that nobody knows, if that is what is wrong."""

    def __str__(self) -> str:
        if self.line:
            return f"{self.path}:{self.line}:{self.column}: {self.problem}"
        return f"{self.path}{self.part and f', {self.part}'}: {self.problem}"


class FlowError(DaggerError):
    """A flow is written wrongly; `problems` are all that is wrong with it, by path and place.

    Its message has a line for each, such as "flow.yml:12:5: unknown step 'fetsh' in needs; did
    you mean 'fetch'?".
    """

    def __init__(self, problems: Sequence[FlowProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class ConfigError(DaggerError):
    """A setting is unknown, misspelt or out of range; `key` names it."""

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(f"config {key!r}: {problem}")


class _NotFound(DaggerError):
    """Shared shape of the four "no such name" errors."""

    noun = "name"

    def __init__(self, name: str, known: tuple[str, ...] = (), hint: str = "") -> None:
        self.name = name
        self.known = known
        text = f"no {self.noun} {name!r}"
        if known:
            text += "; known: " + ", ".join(repr(each) for each in known[:8])
            text += ", ..." if len(known) > 8 else ""
        super().__init__(f"{text}; {hint}" if hint else text)


class AgentNotFound(_NotFound):
    """No agent of that name is registered."""

    noun = "agent"


class ToolNotFound(_NotFound):
    """No tool of that name is in the registry."""

    noun = "tool"


class ChannelNotFound(_NotFound):
    """No channel of that name exists."""

    noun = "channel"


class RunNotFound(_NotFound):
    """No run of that id is known."""

    noun = "run"


class TaskNotFound(_NotFound):
    """No task of that id exists in this run."""

    noun = "task"


class LetterNotFound(_NotFound):
    """No dead letter of that node id is kept."""

    noun = "dead letter"


class InvocationNotFound(_NotFound):
    """No invocation of that node id is open in this run."""

    noun = "open invocation"


class QuestionNotFound(_NotFound):
    """No question of that name is open in this run."""

    noun = "open question"


class MessageNotFound(_NotFound):
    """No message of that id was published in this run."""

    noun = "message"


class ScheduleNotFound(_NotFound):
    """No schedule of that id is there."""

    noun = "schedule"


class NoAgentsRegistered(DaggerError):
    """A run was asked of an executor that has no agents."""

    def __init__(self) -> None:
        super().__init__("no agents are registered; pass some: Executor([my_agent])")


class SerializationError(DaggerError):
    """A payload cannot be a message: not JSON, too deep, or too big.

    `path` is the JSON path of the offending value, `producer` who made it.
    """

    def __init__(self, path: str, problem: str, producer: str | None = None) -> None:
        self.path = path
        self.problem = problem
        self.producer = producer
        by = f" from {producer}" if producer else ""
        super().__init__(f"payload{by} at {path}: {problem}")


class ValidationError(DaggerError):
    """A payload breaks a schema.

    `agent`, `channel` and `direction` ("input" or "output") say where; `path` is the
    JSON path, `rule` the schema keyword, `value` the offending value's text, without
    secrets and cut at 200 characters.
    """

    def __init__(
        self,
        path: str,
        rule: str,
        problem: str,
        value: str,
        *,
        agent: str | None = None,
        channel: str | None = None,
        direction: str = "input",
    ) -> None:
        self.path = path
        self.rule = rule
        self.problem = problem
        self.value = shortened(value)
        self.agent = agent
        self.channel = channel
        self.direction = direction
        whose = f"{direction} of agent {agent!r}" if agent else direction
        where = f" on channel {channel!r}" if channel else ""
        super().__init__(
            f"{whose}{where} at {path} breaks {rule!r}: {problem} (value: {self.value})"
        )


class ArgumentsRefused(ValidationError):
    """What a step of a flow is given, or has come to, is not what its function says."""

    again = False


class ToolRefused(DaggerError):
    """What a tool is given, or has come to, is not what its function says.

    `tool` is its name; the other fields are those of ValidationError.
    """

    def __init__(
        self, tool: str, path: str, rule: str, problem: str, value: str, direction: str = "input"
    ) -> None:
        self.tool = tool
        self.path = path
        self.rule = rule
        self.problem = problem
        self.value = shortened(value)
        self.direction = direction
        super().__init__(
            f"{direction} of tool {tool!r} at {path} breaks {rule!r}: {problem} "
            f"(value: {self.value})"
        )


class ChannelError(DaggerError):
    """Something about one channel; `channel` names it."""

    def __init__(self, channel: str, problem: str) -> None:
        self.channel = channel
        self.problem = problem
        super().__init__(f"channel {channel!r}: {problem}")


class ChannelFull(ChannelError):
    """A queue under overflow="reject" has no room; the attempt may be retried."""

    def __init__(self, channel: str, agent: str, capacity: int, messages: int) -> None:
        self.agent = agent
        self.capacity = capacity
        self.messages = messages
        super().__init__(
            channel,
            f"the queue of agent {agent!r} (capacity {capacity}) has no room for "
            f"{messages} more; retry later, raise capacity=, or choose another overflow=",
        )


class ChannelClosed(ChannelError):
    """The channel was shut down; declaring it again reopens it."""

    def __init__(self, channel: str) -> None:
        super().__init__(channel, "it is closed; executor.channel(name) opens it again")


class ChannelInUse(ChannelError):
    """A shutdown without force was refused."""

    def __init__(self, channel: str, subscribers: tuple[str, ...], pending: int) -> None:
        self.subscribers = subscribers
        self.pending = pending
        super().__init__(
            channel,
            f"it has {len(subscribers)} subscribers ({', '.join(subscribers)}) and {pending} "
            "pending deliveries; shut it down with force=True to discard them",
        )


class ChannelUndeclared(ChannelError):
    """Agent `agent` published on a channel that its publish= does not name."""

    def __init__(self, channel: str, agent: str, declared: tuple[str, ...]) -> None:
        self.agent = agent
        self.declared = declared
        names = ", ".join(map(repr, declared)) or "nothing"
        super().__init__(
            channel,
            f"agent {agent!r} declares {names}; add the channel to publish=, "
            'or declare any with publish="*"',
        )


class ChannelDeadlock(ChannelError):
    """Blocking channels wait for each other in a circle; `cycle` lists the agents."""

    def __init__(self, channel: str, cycle: tuple[str, ...]) -> None:
        self.cycle = cycle
        super().__init__(
            channel,
            "everyone who could make room is waiting to settle: "
            + " -> ".join((*cycle, cycle[0]))
            + "; raise a capacity=, or use another overflow= on one of these agents",
        )


class TransitionError(DaggerError):
    """A task cannot go from `current` to `wanted`."""

    def __init__(self, task_id: str, current: str, wanted: str) -> None:
        self.task_id = task_id
        self.current = current
        self.wanted = wanted
        super().__init__(f"task {task_id!r} is {current} and cannot become {wanted}")


class CacheConflict(DaggerError):
    """set(if_version=) met another version: somebody settled in between."""

    def __init__(self, namespace: str, key: str, expected: int, found: int) -> None:
        self.namespace = namespace
        self.key = key
        self.expected = expected
        self.found = found
        super().__init__(
            f"cache {namespace}.{key}: expected version {expected}, found {found}; "
            "read it again, or use update(key, fn)"
        )


class CacheTypeError(DaggerError):
    """A key holds, or was given, a value that this operation cannot work with."""

    def __init__(self, namespace: str, key: str, problem: str) -> None:
        self.namespace = namespace
        self.key = key
        self.problem = problem
        super().__init__(f"cache {namespace}.{key}: {problem}")


class CacheKeyNotFound(_NotFound, LookupError):
    """No value of a cache is at that path."""

    noun = "cache value at"


class ExpressionError(DaggerError):
    """What stands in `${{ }}` is no expression, or cannot be worked out with the values there are.

    `text` is the whole text it stands in, `offset` where in it, in characters from 0, and
    `problem` what is the matter; `at` are the keys and places that lead to the text, where it
    was in a list or a mapping. None of them repeats a value.
    """

    def __init__(
        self, text: str, offset: int, problem: str, at: tuple[str | int, ...] = ()
    ) -> None:
        self.text = text
        self.offset = offset
        self.problem = problem
        self.at = at
        end = max(len(text) - VALUE_SHOWN, 0)
        start = min(max(offset - VALUE_SHOWN // 2, 0), end)
        shown = f"{'...' * (start > 0)}{text[start : start + VALUE_SHOWN]}{'...' * (start < end)}"
        place = "".join(f"[{each!r}]" for each in at)
        where = f"expression at {place}" if at else "expression"
        super().__init__(f"{where}, offset {offset} of {shown!r}: {problem}")


class ExecutionError(DaggerError):
    """A call that is not possible here and now."""


class ContextClosed(ExecutionError):
    """A context was used after its handler had returned, or after it was given up."""

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id
        super().__init__(
            f"the context of {node_id} is closed: its handler has returned or was given up, "
            "so nothing it does can take effect"
        )


class RequestFailed(ExecutionError):
    """A request on `channel` has no reply; the subclasses say why."""

    def __init__(self, channel: str, problem: str) -> None:
        self.channel = channel
        self.problem = problem
        super().__init__(f"request on channel {channel!r}: {problem}")


class NoResponder(RequestFailed):
    """No agent hears the channel of a request."""

    def __init__(self, channel: str) -> None:
        super().__init__(channel, "no agent subscribes to it; register one that does")


class RequestRefused(RequestFailed):
    """A request could not be sent, and nobody has heard it: its payload was too big, say.

    `failure` says why (type, message), also after a restart. See `Calls.refuse`.
    """

    def __init__(self, channel: str, failure: Failure) -> None:
        self.failure = failure
        super().__init__(channel, f"it could not be sent: {failure.type}: {failure.message}")


class RequestTimeout(RequestFailed):
    """No reply has come within `seconds`; the request itself goes on."""

    def __init__(self, channel: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            channel, f"no reply within {seconds:g} s; raise timeout=, or go on without one"
        )


class RequestDropped(RequestFailed):
    """A request was not handled: its delivery to `agent` ended by its `disposition`, such as
    "dropped", "expired", "cancelled" or "discarded".
    """

    def __init__(self, channel: str, agent: str, disposition: str) -> None:
        self.agent = agent
        self.disposition = disposition
        super().__init__(
            channel, f"agent {agent!r} has not handled it, its delivery was {disposition}; ask anew"
        )


class ResponderFailed(RequestFailed):
    """The handler of `agent` failed for good on a request, or did not accept it.

    `failure` says why (type, message, causes, place), also after a restart.
    """

    def __init__(self, channel: str, agent: str, failure: Failure) -> None:
        self.agent = agent
        self.failure = failure
        super().__init__(channel, f"agent {agent!r} failed: {failure.type}: {failure.message}")


class ScatterFailed(RequestFailed):
    """Some of several requests have no reply.

    `results` are the replies in the order of the payloads, None where there is none, and
    `failures` says why, by the place of the payload, from 0; the first of them is the
    `__cause__`.
    """

    def __init__(
        self, channel: str, results: list[Any], failures: Mapping[int, RequestFailed]
    ) -> None:
        self.results = results
        self.failures = failures
        place, first = next(iter(failures.items()))
        super().__init__(
            channel,
            f"{len(failures)} of {len(results)} have no reply, the first at place {place}: "
            f"{first.problem}",
        )


class AnswerRefused(ExecutionError):
    """An answer that its question does not take, which stays open."""

    def __init__(self, question: str, reason: str) -> None:
        self.question = question
        self.reason = reason
        super().__init__(f"question {question!r} does not take this answer: {reason}")


class DuplicateDeadlock(ExecutionError):
    """Invocation `node` would have to wait for `first`, the first of its idempotency key, which
    waits for its reply.
    """

    def __init__(self, node: str, key: str, first: str) -> None:
        self.node = node
        self.key = key
        self.first = first
        super().__init__(
            f"{node} has the idempotency key {key!r} of {first}, which waits for it: neither would "
            "ever end; request it under another key, or publish it without waiting for a reply"
        )


class StepFailed(ExecutionError):
    """The function of a step raised, and is not tried again in this attempt.

    `failure` says why (type, message, causes, place). What was raised is the `__cause__`,
    but for whoever goes on after a restart: then `failure` is all there is.
    """

    def __init__(self, node_id: str, step: str, failure: Failure) -> None:
        self.node_id = node_id
        self.step = step
        self.failure = failure
        super().__init__(f"step {step!r} of {node_id} failed: {failure.type}: {failure.message}")


class WorkerCrashed(ExecutionError):
    """The worker process that a handler ran in died of it: `run_in="process"`.

    `exit_code` is as `subprocess` tells it: that of `os._exit`, or less than 0 for a signal;
    None if it is not known.
    """

    def __init__(self, node_id: str, exit_code: int | None) -> None:
        self.node_id = node_id
        self.exit_code = exit_code
        super().__init__(f"the worker process of {node_id} died: {_death(exit_code)}")


def _death(exit_code: int | None) -> str:
    """What a worker process died of."""
    if exit_code is None:
        return "it hung up and went on"
    if exit_code >= 0:
        return f"it ended with exit code {exit_code}"
    try:
        name = Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    out_of_memory = "; did the system run out of memory?" if name == "SIGKILL" else ""
    return f"killed by {name}{out_of_memory}"


class HookFailed(ExecutionError):
    """The hook of the executor (`around_attempt=`) raised of its own, or did not see the handler
    to its end.

    `hook` names it, with file and line; `where` is the invocation, or the message, that it
    failed at. What it raised is the `__cause__`.
    """

    def __init__(self, hook: str, where: str, problem: str) -> None:
        self.hook = hook
        self.where = where
        self.problem = problem
        super().__init__(f"the hook {hook} failed at {where}: {problem}")


class NonDeterminism(ExecutionError):
    """A step was asked for again, with other arguments than those of the result that is kept.

    `kept` and `given` are digests of the arguments. It is not tried again: only other code
    would do otherwise.
    """

    def __init__(self, node_id: str, step: str, key: str, kept: str, given: str) -> None:
        self.node_id = node_id
        self.step = step
        self.key = key
        self.kept = kept
        self.given = given
        super().__init__(
            f"{node_id} asked for step {step!r} ({key}) with other arguments than the first "
            f"time (their digest is {given}, and was {kept}); what changes between attempts, as "
            "a clock or a random number does, must come from a step itself, and steps that may "
            "come in another order need a key= each"
        )


class StreamDiffers(NonDeterminism):
    """An attempt that goes on after a restart streams something else than it had before.

    `index` is the first item that is not the same; `kept` and `given` are digests. Another
    attempt may follow, and say something else: consumers are told so.
    """

    def __init__(self, node_id: str, attempt: int, index: int, kept: str, given: str) -> None:
        super().__init__(node_id, "stream", str(index), kept, given)
        self.attempt = attempt
        self.index = index
        self.args = (
            f"attempt {attempt} of {node_id} went on after a restart and streamed another item "
            f"{index} than before (its digest is {given}, and was {kept}); what may not come out "
            "the same, as the words of a model, should come from a step",
        )


class FlowEventRefused(ExecutionError):
    """The machine of a flow was told an `event` that cannot follow; it has not changed.

    A bug of whoever carries the flow out.
    """

    def __init__(self, event: str, problem: str) -> None:
        self.event = event
        self.problem = problem
        super().__init__(f"a flow cannot take {event}: {problem}")


def _undoing(undone: Sequence[str], stuck: Mapping[str, str], left: Sequence[str]) -> Iterator[str]:
    """What was undone, and what was not, in phrases."""
    if undone:
        yield f"undone: {', '.join(undone)}"
    yield from (f"{name} could not be undone: {why}" for name, why in stuck.items())
    if left:
        yield f"not undone: {', '.join(left)}"


class FlowFailed(ExecutionError):
    """A run of a flow has failed: `reason` says which step and why.

    `undone` are the steps that were undone, `stuck` those that could not be, and why, and `left`
    those that were not in time.
    """

    def __init__(
        self,
        flow: str,
        reason: str,
        undone: Sequence[str] = (),
        stuck: Mapping[str, str] | None = None,
        left: Sequence[str] = (),
    ) -> None:
        self.flow = flow
        self.reason = reason
        self.undone = tuple(undone)
        self.stuck = dict(stuck or {})
        self.left = tuple(left)
        told = _undoing(self.undone, self.stuck, self.left)
        super().__init__("; ".join([f"flow {flow!r} failed: {reason}", *told]))


class GraphProblem(NamedTuple):
    """One thing wrong with the document of a graph, and where."""

    path: str
    """Its file."""
    line: int
    """From 1."""
    column: int
    """From 1."""
    problem: str
    """What is wrong, and what was probably meant."""
    part: str = "$"
    """The JSON path of what it is about, such as "$.nodes[0].kind"; "$" is all of it."""

    def __str__(self) -> str:
        part = "" if self.part == "$" else f"{self.part}: "
        return f"{self.path}:{self.line}:{self.column}: {part}{self.problem}"


class GraphError(DefinitionError):
    """A graph is written wrongly; `problems` are all that is wrong with it, in sentences.

    Of a document they say where it is, such as "graph.yml:4:21: $.nodes[1].timeout: timeout must be
    a number of seconds above 0, not 'soon'", and `places` have the same as fields.
    """

    def __init__(self, graph: str, problems: Sequence[str | GraphProblem]) -> None:
        self.graph = graph
        self.problems = tuple(map(str, problems))
        self.places = tuple(each for each in problems if isinstance(each, GraphProblem))
        super().__init__("\n".join(self.problems), f"graph {graph!r}")
        if self.places:  # each on a line of its own, as editors look for them
            self.args = (f"{self.where}:\n{self.problem}",)


class CheckpointRefused(ExecutionError):
    """A checkpoint of a graph cannot be gone on from; `problem` says why."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"this checkpoint cannot be gone on from: {problem}")


class RouteUnknown(ExecutionError):
    """The router of a `node` says a `label` that is none of those it has."""

    again = False

    def __init__(self, node: str, label: str, known: tuple[str, ...]) -> None:
        self.node = node
        self.label = label
        self.known = known
        super().__init__(
            f"the router of node {node!r} says {label!r}; it may say {', '.join(known)}"
        )


class TargetUnknown(ExecutionError):
    """A `node` of a graph goes on at a `target` that is none of those it may go to."""

    again = False

    def __init__(self, node: str, target: str, problem: str) -> None:
        self.node = node
        self.target = target
        self.problem = problem
        super().__init__(f"node {node!r} goes to {target!r}, {problem}")


class StateRefused(ExecutionError):
    """A `node` of a graph gives a `key` of the state what it cannot have."""

    again = False

    def __init__(self, node: str, key: str, problem: str) -> None:
        self.node = node
        self.key = key
        self.problem = problem
        super().__init__(f"node {node!r} cannot set {key!r} of the state: {problem}")


class InputsRefused(StateRefused):
    """A `graph`, which is a `node` of another one, is not given what its state needs."""

    def __init__(self, node: str, graph: str, key: str, problem: str) -> None:
        super().__init__(node, key, problem)
        self.graph = graph
        told = f"graph {graph!r} cannot begin as node {node!r}: {key!r} of its state: {problem}"
        self.args = (told,)


class GraphEventRefused(ExecutionError):
    """The machine of a graph was told an `event` that cannot follow: a bug of whoever carries it
    out.
    """

    def __init__(self, event: str, problem: str) -> None:
        self.event = event
        self.problem = problem
        super().__init__(f"a graph cannot take {event}: {problem}")


class GraphFailed(ExecutionError):
    """A run of a graph has failed: `reason` says which node and why.

    `undone` are the nodes that were undone, `stuck` those that could not be, and why, and `left`
    those that were not in time.
    """

    def __init__(
        self,
        graph: str,
        reason: str,
        undone: Sequence[str] = (),
        stuck: Mapping[str, str] | None = None,
        left: Sequence[str] = (),
    ) -> None:
        self.graph = graph
        self.reason = reason
        self.undone = tuple(undone)
        self.stuck = dict(stuck or {})
        self.left = tuple(left)
        told = _undoing(self.undone, self.stuck, self.left)
        super().__init__("; ".join([f"graph {graph!r} failed: {reason}", *told]))


class MergeConflict(ExecutionError):
    """Two branches have set one `key` of the state to different values, and it has no reducer."""

    def __init__(self, key: str, first: str, second: str) -> None:
        self.key = key
        self.first = first
        self.second = second
        super().__init__(
            f"nodes {first!r} and {second!r} ran side by side and set {key!r} of the state to "
            f"different values; give it a reducer, such as reducers={{{key!r}: 'last'}}"
        )


class SecretMissing(ExecutionError):
    """A flow needs a secret called `name`, and there is none; with `run_id`, an input of a run."""

    def __init__(self, name: str, run_id: str = "") -> None:
        self.name = name
        self.run_id = run_id
        what = f"the secret input {name!r} of run {run_id!r}" if run_id else f"the secret {name!r}"
        again = ", or give it again to the run of that id" if run_id else ""
        super().__init__(
            f"{what} is not there; set the environment variable {name}, or give it with "
            f"Flows(secrets={{{name!r}: ...}}){again}"
        )


class HttpFailed(ExecutionError):
    """An HTTP request failed, and another attempt may help: no connection, one that broke, or an
    answer of 408, 425, 429 or 5xx.

    `url` is without userinfo, query and fragment, which may hold secrets; of headers and bodies
    nothing is told. `status` is None where none came.
    """

    _hint: ClassVar[str] = "; another attempt may help"

    def __init__(self, method: str, url: str, status: int | None, problem: str) -> None:
        self.method = method
        self.url = _bare(url)
        self.status = status
        self.problem = problem
        how = "failed" if status is None else f"was answered {status}"
        super().__init__(f"{method} {self.url} {how}: {problem}{self._hint}")


class HttpRefused(HttpFailed):
    """An HTTP request failed, and another attempt would not help: any other answer of 4xx, an
    address that is not public, a redirect that is not followed, a response that is too large, or
    a request that is none.
    """

    again = False
    _hint: ClassVar[str] = ""


def _bare(url: str) -> str:
    """A URL, as short as others are shown, without its userinfo, query and fragment; and without
    secrets, of which these might be a part.
    """
    place = re.split(r"[?#]", hidden(url), maxsplit=1)[0]
    return re.sub(r"^([^/]*//)?[^/]*@", r"\1", place)[:VALUE_SHOWN]


class ShellFailed(ExecutionError):
    """A program ended with another exit code than 0, was stopped, or could not be started.

    `command` is its first word, since the others may hold secrets; `stderr` the last that it
    wrote there, at most 500 characters. `code` is as `subprocess` tells it, less than 0 for a
    signal; it is None, and `problem` says why, where the program has not ended by itself.
    """

    def __init__(self, command: str, code: int | None, stderr: str, problem: str = "") -> None:
        self.command = command
        self.code = code
        self.stderr = hidden(stderr)[-STDERR_SHOWN:]
        self.problem = problem
        happened = ([] if code is None else [_death(code)]) + ([problem] if problem else [])
        last = f"; the last it wrote to stderr: {self.stderr}" if self.stderr else ""
        super().__init__(f"the program {command!r} failed: {'; '.join(happened)}{last}")


class RunConflict(ExecutionError):
    """A run id was used again with a different channel or payload, or by an import."""

    def __init__(self, run_id: str, *, importing: bool = False) -> None:
        self.run_id = run_id
        super().__init__(
            f"run {run_id!r} cannot be imported, since a run of that id is here already; "
            "import it into another store"
            if importing
            else f"run {run_id!r} exists with another first message; use a new run_id, "
            "or the same channel and payload to continue it"
        )


class RunClosed(ExecutionError):
    """The run has ended, so nothing can be published or changed in it."""

    def __init__(self, run_id: str, status: str) -> None:
        self.run_id = run_id
        self.status = status
        super().__init__(
            f"run {run_id!r} has ended ({status}); start another, or hold a live run open "
            "with `async with await executor.start(...) as run:`"
        )


class BudgetExceeded(ExecutionError):
    """A `budget` is spent: of the run "max_messages", "max_tokens" or "max_cost".

    `message` is the id of the message whose budget it is, if it is not that of the run.
    `node` is the invocation that is refused something while nothing is overspent: what it has
    set aside itself does not suffice, or others have set theirs aside.
    """

    def __init__(
        self,
        run_id: str,
        budget: str,
        limit: float,
        wanted: float,
        *,
        message: str = "",
        node: str = "",
    ) -> None:
        self.run_id = run_id
        self.budget = budget
        self.limit = limit
        self.wanted = wanted
        self.message = message
        self.node = node
        whose = f"message {message!r} of run {run_id!r}" if message else f"run {run_id!r}"
        reached = f"would reach {wanted:.15g} of {budget}={limit:.15g}"
        if node:
            hint = "that counts what was set aside: set more aside, or try again later"
            super().__init__(f"{node} {reached} in {whose}; {hint}")
        elif message:
            hint = "give it more to go on; the rest of the run does"
            super().__init__(f"what descends from {whose} {reached}; {hint}")
        else:
            super().__init__(f"{whose} {reached}; raise the limit to go on")


class ConservationError(ExecutionError):
    """The counts of a run do not add up: a bug in Dagger, not in an agent.

    `where` is the agent and channel, or the total, and `problem` its numbers.
    """

    def __init__(self, run_id: str, where: str, problem: str) -> None:
        self.run_id = run_id
        self.where = where
        self.problem = problem
        super().__init__(
            f"the counts of run {run_id!r} do not add up for {where}: {problem}; this is a bug "
            "in Dagger and not in your agents, please report it with this message"
        )


class ExecutorBusy(ExecutionError):
    """`open_runs` runs are open, or too much is pending, and waiting was not wanted."""

    def __init__(self, open_runs: int) -> None:
        self.open_runs = open_runs
        super().__init__(
            f"{open_runs} runs are open and there is no room for one more; wait for it "
            "(wait=True), or raise max_open_runs or max_open_bytes"
        )


class ExecutorStopped(ExecutionError):
    """The executor is not running: use it inside `async with Executor(...)`."""

    def __init__(self, call: str) -> None:
        self.call = call
        super().__init__(
            f"{call} needs a running executor; use `async with Executor(...) as executor:`"
        )


class SimulationError(DaggerError):
    """A test that goes through `dagger.testing` cannot go on."""


class SimulationStuck(SimulationError):
    """A simulation waits for what cannot happen, or never ends.

    `at` is the virtual time in seconds; `waiting` says of each task where it waits.
    """

    def __init__(self, problem: str, at: float, waiting: tuple[str, ...]) -> None:
        self.problem = problem
        self.at = at
        self.waiting = waiting
        lines = "".join(f"\n  {each}" for each in waiting)
        super().__init__(f"the simulation is stuck after {at:g} s: {problem}; there wait:{lines}")


class ScriptOver(SimulationError):
    """A scripted agent was called more often than its script has entries."""

    def __init__(self, agent: str, entries: int) -> None:
        self.agent = agent
        self.entries = entries
        super().__init__(
            f"agent {agent!r} was called once more than the {entries} times its script says"
        )


class RunCancelled(DaggerError):
    """The run was cancelled; `reason` says by whom or why."""

    def __init__(self, run_id: str, reason: str) -> None:
        self.run_id = run_id
        self.reason = reason
        super().__init__(f"run {run_id!r} was cancelled: {reason}")


class TimeoutExceeded(DaggerError):
    """`what` took longer than `seconds`."""

    def __init__(self, what: str, seconds: float) -> None:
        self.what = what
        self.seconds = seconds
        super().__init__(f"{what} took longer than {seconds:g} s")


class ResourceTimeout(TimeoutExceeded):
    """An invocation has waited for `resource` longer than its `Resources(timeout=)`."""

    def __init__(self, node_id: str, resource: str, seconds: float) -> None:
        self.node_id = node_id
        self.resource = resource
        super().__init__(f"the wait of {node_id} for {resource}", seconds)
        self.args = (f"{self}; executor.resources() tells who has it",)


class DatabaseError(DaggerError):
    """The store cannot do what was asked of it."""


class LockError(DatabaseError):
    """The store in `path` is owned by process `pid` on `host`."""

    def __init__(self, path: str, pid: int, host: str) -> None:
        self.path = path
        self.pid = pid
        self.host = host
        super().__init__(
            f"the store {path} is in use by process {pid} on {host}; stop it first, "
            "or open another folder"
        )


class NotAStore(DatabaseError):
    """`path` is not a store that this version of Dagger can use."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(
            f"{path} cannot be opened as a store: {problem}; name another folder, or go back to a "
            "backup if it was one"
        )


class StoreNewer(NotAStore):
    """A newer version of Dagger wrote the store in `path`, or some of it: it is whole, and is not
    understood here. It is left as it is.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.args = (
            f"the store {path} was written by a newer version of Dagger ({problem}); use that "
            "version or a later one, or go back to a backup of before; nothing in it was changed",
        )


class StoreUnavailable(DatabaseError):
    """The store in `path` cannot write at the moment; nothing was accepted."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(
            f"the store {path} cannot write ({problem}), so nothing was accepted; it tries again "
            "by itself, and goes on as soon as it can"
        )


class DiskFull(StoreUnavailable):
    """There is no room on the disk of the store in `path`. Nothing was accepted, and nothing that
    was acknowledged is lost.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.args = (
            f"the disk of the store {path} is full ({problem}), so nothing was accepted; what was "
            "acknowledged is safe; make room on it: who has the store open goes on by itself then",
        )


class MapFull(StoreUnavailable):
    """The file of the store in `path` cannot be mapped into the memory of this process. Nothing was
    accepted, and nothing that was acknowledged is lost.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.args = (
            f"the file of the store {path} cannot be mapped into memory ({problem}), so nothing "
            "was accepted; what was acknowledged is safe; let this process have more address space "
            "(`ulimit -v`, on a machine of 64 bits): who has the store open goes on by itself then",
        )


class OutcomeUnknown(DatabaseError):
    """A write to the store in `path` failed: what waited for it may be kept or not."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(
            f"the store {path} failed to write ({problem}): what was waited for may be kept or "
            "not; publish again under the same run_id to be sure, once the store can write"
        )


class StoreCorrupt(DatabaseError):
    """What is on disk in `path` is not what was written; records before `position` are whole.

    `position` is 0 where it cannot be said which records are.
    """

    def __init__(self, path: str, position: int, problem: str) -> None:
        self.path = path
        self.position = position
        self.problem = problem
        where = f" at record {position}" if position else ""
        whole = "; everything before it is whole" if position else ""
        super().__init__(
            f"the store {path} is damaged{where} ({problem}){whole}; copy the folder before "
            "anything else, `dagger verify` tells what is left, a backup has the rest"
        )


class StoreReadOnly(DatabaseError):
    """The store in `path` cannot be written to by this process."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(
            f"the store {path} is read-only for this process ({problem}); it can be looked into "
            "while nobody owns it; to own it, make its folder and all files in it writable, or "
            "copy it"
        )


class StoreForked(DatabaseError):
    """A copy of the process that owns the store in `path` tried to use it."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"the store {path} belongs to the process that opened it, and this one is a fork of "
            "it; open an executor after the fork, or use the spawn start method"
        )
