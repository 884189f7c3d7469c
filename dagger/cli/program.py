"""What a file offers to run: its agents, where a run of them starts, and their settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dagger.authoring.agent import Agent
from dagger.cli.exits import Refused
from dagger.cli.payloads import read_payload
from dagger.cli.target import imported, short_traceback
from dagger.executor.specs import EventDriven
from dagger.views.wording import one_line
from dagger.words.errors import ChannelNotFound
from dagger.words.payload import encoded, plain

if TYPE_CHECKING:
    from dagger.executor.executor import Executor
    from dagger.executor.live import LiveRun
    from dagger.views.report import Report
    from dagger.words.config import Config


@dataclass(frozen=True, slots=True)
class Program:
    """The agents of a file, and what it says of a run of them."""

    agents: tuple[Agent, ...]
    config: Config | None
    channel: str | None
    payload: Any
    finish: Callable[[LiveRun, Report], object] | None
    file: Path
    name: str | None
    """What was picked of the file."""

    def start(self, channel: str | None, given: str | None) -> EventDriven:
        """Where a run starts and with what: as it is asked for, or else as the file says.

        Raises ChannelNotFound if no agent hears the channel, SerializationError, Refused.
        """
        wanted = channel or self.channel or self._only_entry()
        heard = dict.fromkeys(name for agent in self.agents for name in agent.subscribe)
        if wanted not in heard:
            raise ChannelNotFound(wanted, tuple(heard), "a run starts where some agent hears it")
        payload = self.payload if given is None else read_payload(given)
        _check(self.agents, wanted, payload)
        return EventDriven(wanted, payload)

    def run_id(self, spec: EventDriven) -> str:
        """The id of a run that is kept and that nobody has named.

        The same command gives the same one: it is made of the file, what is picked of it,
        the channel and the payload. Raises SerializationError.
        """
        command = [str(self.file), self.name, spec.channel, plain(spec.payload)]
        text = json.dumps(command, sort_keys=True)
        return f"{self.file.stem}-{blake2b(text.encode(), digest_size=4).hexdigest()}"

    @property
    def flows(self) -> tuple[str, ...]:
        """None: it is about agents."""
        return ()

    async def begin(self, executor: Executor) -> None:
        """Nothing is to be there but the agents."""

    def last_words(self, run: LiveRun, report: Report) -> str:
        """What the file's `finish` says of a run that has completed; nothing of others.

        Raises Refused with a short traceback where it fails.
        """
        if self.finish is None or not report.ok:
            return ""
        try:
            words = self.finish(run, report)
        except Exception as error:
            raise Refused(f"finish(run, report) failed\n{short_traceback(error)}") from error
        return "" if words is None else str(words)

    def _only_entry(self) -> str:
        """The channel that a run can only be meant to start on."""
        heard = {name for agent in self.agents for name in agent.subscribe}
        entries = sorted(filter(self._entry, heard))
        if len(entries) == 1:
            return entries[0]
        names = ", ".join(map(repr, entries or sorted(heard))) or "none: they hear no channel"
        raise Refused(
            "where does a run start? Pass --channel, or write `channel = ...` into the file; "
            f"the agents could start on {names}"
        )

    def _entry(self, channel: str) -> bool:
        """Whether no agent publishes on `channel` for another one to hear."""
        readers = [each for each in self.agents if channel in each.subscribe]
        writers = [each for each in self.agents if channel in each.publish]
        return not any(
            reader is not writer or reader.hears_itself for reader in readers for writer in writers
        )


def _check(agents: Iterable[Agent], channel: str, payload: Any) -> None:
    """Refuse a first payload that no agent which hears `channel` takes."""
    value, _ = encoded(payload, "--input")
    refusals = [each.refuses(channel, value) for each in agents if channel in each.subscribe]
    if None not in refusals:
        raise Refused(f"no agent takes the first payload (see --input): {refusals[0]}")


def load(target: str) -> Program:
    """What FILE.py[:NAME] offers.

    Its agents are those of the list `agents`, or else every agent at the top of the
    file; NAME picks an agent, a list of agents, or an EventDriven. `channel`, `payload`
    and `config` in the file say where a run starts, with what, and under which settings;
    the function `finish(run, report)` what there is to say at its end. Raises Refused, and
    what of Dagger's errors the file raises.
    """
    module, name = imported(target)
    said, file = vars(module), str(module.__file__)
    if name is not None and name not in said:
        raise Refused(f"there is no {name!r} in {file}")
    picked = said[name] if name is not None else None
    spec = picked if isinstance(picked, EventDriven) else None
    return Program(
        agents=_agents(module) if name is None or spec else _agents_of(picked, name),
        config=_config(said),
        channel=spec.channel if spec else _channel(said),
        payload=spec.payload if spec else said.get("payload"),
        finish=_finish(said),
        file=Path(file),
        name=name,
    )


def _agents(module: ModuleType) -> tuple[Agent, ...]:
    said = vars(module)
    if "agents" in said:
        return _agents_of(said["agents"], "agents")
    found = tuple(dict.fromkeys(each for each in said.values() if isinstance(each, Agent)))
    if not found:
        raise Refused(f"no agents in {module.__file__}; make some with @agent(subscribe=...)")
    return found


def _agents_of(value: Any, name: str) -> tuple[Agent, ...]:
    found = (value,) if isinstance(value, Agent) else value
    if not isinstance(found, Iterable) or isinstance(found, str | bytes):
        raise Refused(f"{name!r} must be an agent, or a list of agents, not {_shown(value)}")
    agents = tuple(found)
    for each in agents:
        if not isinstance(each, Agent):
            raise Refused(f"{name!r} must hold agents only, not {_shown(each)}")
    if not agents:
        raise Refused(f"{name!r} holds no agents")
    return agents


def _channel(said: dict[str, Any]) -> str | None:
    channel = said.get("channel")
    if channel is None or isinstance(channel, str):
        return channel
    raise Refused(f"'channel' must be the name of a channel, not {_shown(channel)}")


def _config(said: dict[str, Any]) -> Config | None:
    config = said.get("config")
    if config is None:
        return None
    from dagger.words.config import Config

    if isinstance(config, Config):
        return config
    raise Refused(f"'config' must be a dagger.Config, not {_shown(config)}")


def _finish(said: dict[str, Any]) -> Callable[[LiveRun, Report], object] | None:
    finish = said.get("finish")
    return finish if callable(finish) and not isinstance(finish, Agent) else None


def _shown(value: object) -> str:
    """A value that is not what was expected, on one short line."""
    return f"{one_line(repr(value), 60)} ({type(value).__name__})"
