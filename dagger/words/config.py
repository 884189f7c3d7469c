"""Settings of an executor: checked once, then frozen.

Importing this module imports pydantic, so whoever needs a Config imports it late.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import ErrorDetails

from dagger.words.budget import BILLION
from dagger.words.errors import ConfigError
from dagger.words.outcomes import Overflow
from dagger.words.payload import MAX_BYTES
from dagger.words.strategy import RetryStrategy

PREFIX = "DAGGER_"
"""What the name of an environment variable that is a setting starts with."""

RESERVED = frozenset({"DAGGER_PROVE", "DAGGER_STORE"})
"""Environment variables with the prefix that are no settings of an executor."""

MIB = 1024 * 1024


def _unlimited(value: Any) -> Any:
    """None for the word "none", which environment and TOML use for it."""
    return None if value == "none" else value


def _listed(value: Any) -> Any:
    """Names in one text, with commas between them, as the environment has them."""
    if isinstance(value, str):
        return tuple(each.strip() for each in value.split(",") if each.strip())
    return value


MAX_COUNT = 2**63 - 1
"""The largest integer that every reader of a record can hold."""

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
CountOrZero = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
CountOrNone = Annotated[Count | None, BeforeValidator(_unlimited)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AmountOrNone = Annotated[
    Annotated[float, Field(gt=0, le=MAX_COUNT // BILLION)] | None, BeforeValidator(_unlimited)
]
SecondsOrZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SecondsOrNone = Annotated[Seconds | None, BeforeValidator(_unlimited)]


class Config(pydantic.BaseModel):
    """The settings of one executor; an agent's or channel's own settings beat them.

    `Config(capacity=16)` takes arguments alone; `Config.load(capacity=16)` looks at
    the environment and at pyproject.toml as well. A setting that is unknown or out
    of range raises ConfigError. `None` (and the word "none") means no limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    capacity: Count = Field(
        default=1024,
        description="Pending deliveries of one run that one agent's queue holds.",
    )
    overflow: Overflow = Field(
        default=Overflow.DROP_OLDEST,
        description="What a full queue does: drop_oldest, block or reject. A drop makes the run "
        "failed unless somebody wrote this policy down.",
    )
    max_open_runs: Count = Field(
        default=10_000,
        description="Runs open at once; beyond it a publication that would open one waits.",
    )
    max_open_bytes: Count = Field(
        default=256 * MIB,
        description="Bytes that publications from outside have brought into open runs; beyond it "
        "one that would open another run waits.",
    )
    max_payload_bytes: Count = Field(
        default=MAX_BYTES, description="Bytes of one encoded payload; a bigger one is refused."
    )

    max_messages: CountOrNone = Field(
        default=None, description="Messages that one run may publish before it is over_budget."
    )
    max_concurrent: CountOrNone = Field(
        default=None,
        description="Handlers that run at once, of all agents and runs together; those that wait "
        "do not count.",
    )
    max_tokens: CountOrNone = Field(
        default=None, description="Tokens that one run may spend before it is over_budget."
    )
    max_cost: AmountOrNone = Field(
        default=None,
        description="Cost that one run may spend before it is over_budget, in whatever currency "
        "you count in.",
    )
    timeout: SecondsOrNone = Field(
        default=None,
        description="Seconds that one run may be active before it is timed_out; pauses, downtime "
        "and waiting for people do not count.",
    )

    retry_strategy: str | RetryStrategy = Field(
        default="exponential",
        description="How long a failed attempt waits: a strategy or its name, such as "
        "exponential, linear:2 or immediate.",
    )
    max_attempts: Count = Field(
        default=3, description="Attempts of one delivery, the first included, before it is dead."
    )
    cancel_grace: SecondsOrZero = Field(
        default=5.0,
        description="Seconds that a cancelled handler may take before it is abandoned.",
    )
    cleanup_timeout: SecondsOrNone = Field(
        default=300.0,
        description="Seconds that cleaning up (the compensations of a flow) may take in a run "
        "that is cancelled or timed out; what has not been undone by then is told.",
    )
    max_processes: Count | Literal["cpus"] = Field(
        default="cpus",
        description='Worker processes for the agents of run_in="process", together; cpus means one '
        "for each CPU that this process may use.",
    )
    blocked_loop_warning: Seconds = Field(
        default=0.1,
        description="Seconds that a handler may block the event loop before a warning names it.",
    )

    human_wait: SecondsOrNone = Field(
        default=None,
        description="Seconds until a question to people is overdue, unless it says so itself.",
    )
    human_timeout_action: Literal["autopilot", "pause"] = Field(
        default="autopilot",
        description="What becomes of a question that is overdue: autopilot takes its default "
        "for an answer, and without one raises TimeoutExceeded in its handler; pause pauses the "
        "run until somebody answers.",
    )

    snapshot_every_records: Count = Field(
        default=150_000,
        description="Records after which a store makes a snapshot; reopening replays about so "
        "many at most, in some microseconds each.",
    )
    snapshot_every_seconds: Seconds = Field(
        default=60.0,
        description="Seconds after which a store makes a snapshot if anything was recorded.",
    )

    keep_outputs: CountOrZero = Field(
        default=1_000, description="Outputs that a run lists; older ones are only counted."
    )
    keep_dead_letters: CountOrZero = Field(
        default=1_000, description="Dead letters that a run lists; older ones are only counted."
    )
    keep_nodes: Count = Field(
        default=100_000,
        description="Nodes of the execution tree that a run keeps; older ones are only counted.",
    )
    watcher_buffer: Count = Field(
        default=1_000,
        description="Outcomes a slow watcher may lag behind before it misses some and is told so.",
    )

    keep_runs: CountOrZero = Field(
        default=256, description="Ended runs that are kept; the oldest are forgotten first."
    )
    keep_runs_seconds: SecondsOrNone = Field(
        default=None, description="Seconds for which an ended run is kept."
    )
    keep_runs_bytes: CountOrNone = Field(
        default=256 * MIB,
        description="Bytes that ended runs may take together, about; the oldest are forgotten "
        "first.",
    )

    keep_idempotency_keys: CountOrZero = Field(
        default=100_000,
        description="Idempotency keys whose first result is kept; the oldest are forgotten first.",
    )
    keep_idempotency_keys_seconds: SecondsOrNone = Field(
        default=86_400.0,
        description="Seconds for which a duplicate of an idempotency key gets the first one's "
        "result; after that it is handled anew.",
    )
    keep_idempotency_keys_bytes: CountOrNone = Field(
        default=64 * MIB,
        description="Bytes that results kept under idempotency keys may take together, about; the "
        "oldest are forgotten first.",
    )

    flow_modules: Names = Field(
        default=(),
        description="Modules with the agents and step functions that flows use by name; a flow "
        "itself names no module.",
    )
    flow_private_addresses: bool = Field(
        default=False,
        description="Whether http.request in a flow may go to addresses that are not public: those "
        "of this machine, of its networks, and of the services that clouds have there.",
    )
    flow_shell: bool = Field(
        default=False,
        description="Whether a flow may run programs (shell), with all the rights of this process.",
    )

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _speak_plainly(
        cls, data: Any, handler: pydantic.ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Turn pydantic's errors into a ConfigError about the first of them."""
        try:
            return handler(data)
        except pydantic.ValidationError as error:
            raise _plain(error, info.context or {}) from None

    @classmethod
    def load(cls, **arguments: Any) -> Self:
        """The settings in force here.

        Arguments beat environment variables (DAGGER_CAPACITY=16), which beat the
        table [tool.dagger] of the nearest pyproject.toml at or above the working
        directory, which beats the defaults. An error says which of them it is in.
        """
        settings: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for origin, key, value in (*_in_file(), *_in_environment()):
            settings[key], origins[key] = value, origin
        for key in arguments:
            origins.pop(key, None)
        return cls.model_validate(settings | arguments, context=origins)

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed, checked like new ones.

        Settings nobody wrote down stay unwritten (see `model_fields_set`).
        """
        written = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**written | changes)


def _in_environment() -> list[tuple[str, str, Any]]:
    """Origin, key and value of each setting in the environment; empty means not set."""
    return [
        (f"environment variable {name}", name.removeprefix(PREFIX).lower(), value)
        for name, value in os.environ.items()
        if name.startswith(PREFIX) and name not in RESERVED and value
    ]


def _in_file() -> list[tuple[str, str, Any]]:
    """Origin, key and value of each setting in the nearest pyproject.toml."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            origin = f"[tool.dagger] in {path}"
            return [(origin, key, value) for key, value in _table(path).items()]
    return []


def _table(path: Path) -> Mapping[str, Any]:
    """The table [tool.dagger] of a TOML file, empty where there is none."""
    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError) as error:
        raise ConfigError("tool.dagger", f"cannot read {path}: {error}") from None
    table = tool.get("dagger", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError("tool.dagger", f"must be a table; got {table!r} (in {path})")
    return table


def _plain(error: pydantic.ValidationError, origins: Mapping[str, str]) -> ConfigError:
    """What is wrong with the first wrong setting, and where that setting comes from."""
    first, *rest = error.errors(include_url=False)
    key = _key(first)
    if first["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(key, Config.model_fields, n=1, cutoff=0)[0]
        problem = f"no such setting; the nearest known one is {nearest!r}"
    else:
        # A setting of several types has one error for each of them.
        wanted = [each["msg"] for each in (first, *rest) if _key(each) == key]
        problem = f"{', or '.join(wanted).replace('Input should', 'must')}; got {first['input']!r}"
    return ConfigError(key, f"{problem} ({origins.get(key, 'argument')})")


def _key(error: ErrorDetails) -> str:
    """The setting an error is about."""
    return str(error["loc"][0]) if error["loc"] else "config"
