"""Dagger: an embedded, durable pub/sub runtime for agents.

Agents are functions. An invocation is a transaction. Everything that happens is a
record. Everything you see is a fold of records.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.context import Context
    from dagger.authoring.decorator import agent
    from dagger.authoring.hooks import AroundAttempt, Attempt
    from dagger.authoring.joining import all_of, batch, first_of, gather
    from dagger.authoring.registry import Registry, registry
    from dagger.authoring.tools import ToolRegistry, tool, tools
    from dagger.executor.events import Answered, Emission, LogLine, Missed, Outcome, Retraction
    from dagger.executor.executor import Executor, run
    from dagger.executor.live import LiveRun
    from dagger.executor.specs import EventDriven, Receipt
    from dagger.flows.flow import Flow
    from dagger.flows.functions import step
    from dagger.flows.running.flows import Flows
    from dagger.flows.running.report import FlowReport
    from dagger.graphs.graph import Graph
    from dagger.graphs.model import Dependency, Goto, Need
    from dagger.graphs.running.context import NodeContext
    from dagger.graphs.running.graphs import Graphs
    from dagger.graphs.running.report import GraphReport
    from dagger.rules.retry import Exponential, Immediate, Linear
    from dagger.store.contract import Store
    from dagger.store.lmdb import LmdbStore
    from dagger.store.memory import MemoryStore
    from dagger.views.questions import OpenQuestion
    from dagger.views.report import Report
    from dagger.views.resources import ResourceUsage
    from dagger.views.schedules import ScheduleInfo
    from dagger.words.budget import Budget
    from dagger.words.clock import LoopClock
    from dagger.words.config import Config
    from dagger.words.errors import (
        AgentNotFound,
        AnswerRefused,
        ArgumentsRefused,
        BudgetExceeded,
        CacheConflict,
        CacheKeyNotFound,
        CacheTypeError,
        ChannelClosed,
        ChannelDeadlock,
        ChannelError,
        ChannelFull,
        ChannelInUse,
        ChannelNotFound,
        ChannelUndeclared,
        CheckpointRefused,
        ConfigError,
        ConservationError,
        ContextClosed,
        DaggerError,
        DatabaseError,
        DefinitionError,
        DiskFull,
        DuplicateAgent,
        DuplicateDeadlock,
        ExecutionError,
        ExecutorBusy,
        ExecutorStopped,
        FlowError,
        FlowFailed,
        GraphError,
        GraphFailed,
        HookFailed,
        HttpFailed,
        HttpRefused,
        InvocationNotFound,
        LetterNotFound,
        LockError,
        MapFull,
        MergeConflict,
        MessageNotFound,
        NoAgentsRegistered,
        NonDeterminism,
        NoResponder,
        NotAStore,
        OutcomeUnknown,
        QuestionNotFound,
        RequestDropped,
        RequestFailed,
        RequestTimeout,
        ResourceTimeout,
        ResourceUnavailable,
        ResponderFailed,
        RouteUnknown,
        RunCancelled,
        RunClosed,
        RunConflict,
        RunNotFound,
        ScatterFailed,
        ScheduleError,
        ScheduleNotFound,
        SchemaError,
        SecretMissing,
        SerializationError,
        ShellFailed,
        StateRefused,
        StepFailed,
        StoreCorrupt,
        StoreForked,
        StoreNewer,
        StoreReadOnly,
        StoreUnavailable,
        StreamDiffers,
        TaskNotFound,
        TimeoutExceeded,
        ToolNotFound,
        ToolRefused,
        TransitionError,
        ValidationError,
        WorkerCrashed,
    )
    from dagger.words.message import Message, StreamItem
    from dagger.words.policies import (
        ConcurrencyKey,
        Debounce,
        RateLimit,
        ResourcePool,
        Resources,
        Throttle,
    )

__all__ = [
    "Agent",
    "AgentNotFound",
    "AnswerRefused",
    "Answered",
    "ArgumentsRefused",
    "AroundAttempt",
    "Attempt",
    "Budget",
    "BudgetExceeded",
    "CacheConflict",
    "CacheKeyNotFound",
    "CacheTypeError",
    "ChannelClosed",
    "ChannelDeadlock",
    "ChannelError",
    "ChannelFull",
    "ChannelInUse",
    "ChannelNotFound",
    "ChannelUndeclared",
    "CheckpointRefused",
    "ConcurrencyKey",
    "Config",
    "ConfigError",
    "ConservationError",
    "Context",
    "ContextClosed",
    "DaggerError",
    "DatabaseError",
    "Debounce",
    "DefinitionError",
    "Dependency",
    "DiskFull",
    "DuplicateAgent",
    "DuplicateDeadlock",
    "Emission",
    "EventDriven",
    "ExecutionError",
    "Executor",
    "ExecutorBusy",
    "ExecutorStopped",
    "Exponential",
    "Flow",
    "FlowError",
    "FlowFailed",
    "FlowReport",
    "Flows",
    "Goto",
    "Graph",
    "GraphError",
    "GraphFailed",
    "GraphReport",
    "Graphs",
    "HookFailed",
    "HttpFailed",
    "HttpRefused",
    "Immediate",
    "InvocationNotFound",
    "LetterNotFound",
    "Linear",
    "LiveRun",
    "LmdbStore",
    "LockError",
    "LogLine",
    "LoopClock",
    "MapFull",
    "MemoryStore",
    "MergeConflict",
    "Message",
    "MessageNotFound",
    "Missed",
    "Need",
    "NoAgentsRegistered",
    "NoResponder",
    "NodeContext",
    "NonDeterminism",
    "NotAStore",
    "OpenQuestion",
    "Outcome",
    "OutcomeUnknown",
    "QuestionNotFound",
    "RateLimit",
    "Receipt",
    "Registry",
    "Report",
    "RequestDropped",
    "RequestFailed",
    "RequestTimeout",
    "ResourcePool",
    "ResourceTimeout",
    "ResourceUnavailable",
    "ResourceUsage",
    "Resources",
    "ResponderFailed",
    "Retraction",
    "RouteUnknown",
    "RunCancelled",
    "RunClosed",
    "RunConflict",
    "RunNotFound",
    "ScatterFailed",
    "ScheduleError",
    "ScheduleInfo",
    "ScheduleNotFound",
    "SchemaError",
    "SecretMissing",
    "SerializationError",
    "ShellFailed",
    "StateRefused",
    "StepFailed",
    "Store",
    "StoreCorrupt",
    "StoreForked",
    "StoreNewer",
    "StoreReadOnly",
    "StoreUnavailable",
    "StreamDiffers",
    "StreamItem",
    "TaskNotFound",
    "Throttle",
    "TimeoutExceeded",
    "ToolNotFound",
    "ToolRefused",
    "ToolRegistry",
    "TransitionError",
    "ValidationError",
    "WorkerCrashed",
    "agent",
    "all_of",
    "batch",
    "first_of",
    "gather",
    "registry",
    "run",
    "step",
    "tool",
    "tools",
]

_HOMES = {
    "authoring.agent": ("Agent",),
    "authoring.context": ("Context",),
    "authoring.decorator": ("agent",),
    "authoring.hooks": ("AroundAttempt", "Attempt"),
    "authoring.joining": ("all_of", "batch", "first_of", "gather"),
    "authoring.registry": ("Registry", "registry"),
    "authoring.tools": ("ToolRegistry", "tool", "tools"),
    "executor.events": ("Answered", "Emission", "LogLine", "Missed", "Outcome", "Retraction"),
    "executor.executor": ("Executor", "run"),
    "executor.live": ("LiveRun",),
    "executor.specs": ("EventDriven", "Receipt"),
    "flows.flow": ("Flow",),
    "flows.functions": ("step",),
    "flows.running.flows": ("Flows",),
    "flows.running.report": ("FlowReport",),
    "graphs.graph": ("Graph",),
    "graphs.model": ("Dependency", "Goto", "Need"),
    "graphs.running.context": ("NodeContext",),
    "graphs.running.graphs": ("Graphs",),
    "graphs.running.report": ("GraphReport",),
    "rules.retry": ("Exponential", "Immediate", "Linear"),
    "store.contract": ("Store",),
    "store.lmdb": ("LmdbStore",),
    "store.memory": ("MemoryStore",),
    "views.questions": ("OpenQuestion",),
    "views.report": ("Report",),
    "views.resources": ("ResourceUsage",),
    "views.schedules": ("ScheduleInfo",),
    "words.budget": ("Budget",),
    "words.clock": ("LoopClock",),
    "words.config": ("Config",),
    "words.message": ("Message", "StreamItem"),
    "words.policies": (
        *("ConcurrencyKey", "Debounce", "RateLimit", "ResourcePool", "Resources", "Throttle"),
    ),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for; errors are the rest."""
    if name not in __all__:
        raise AttributeError(f"module 'dagger' has no attribute {name!r}")
    from importlib import import_module

    home = next((home for home, names in _HOMES.items() if name in names), "words.errors")
    value = globals()[name] = getattr(import_module(f"dagger.{home}"), name)
    return value
