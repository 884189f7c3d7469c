"""The built-ins: steps that every flow may use without anybody having written them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dagger.authoring.context import Context
from dagger.authoring.questions import NO_DEFAULT
from dagger.flows.functions import StepFunction, make
from dagger.flows.names import OWN, is_own
from dagger.rules.moments import A_MOMENT, moment
from dagger.words.errors import ArgumentsRefused, DefinitionError

if TYPE_CHECKING:
    from dagger.words.config import Config

TIMEOUTS: Mapping[str, float] = {"http.request": 300.0}
"""Seconds of one attempt, where nobody says how long it may take."""


def built_in(name: str, config: Config, where: str | None = None) -> StepFunction | None:
    """The built-in of a name; None if there is none. Raises DefinitionError, naming `where` it
    stands, for one that the settings do not allow.
    """
    if name not in _BUILT_INS:
        return None
    if problem := refused(config).get(name):
        raise DefinitionError(problem, where)
    return make(_BUILT_INS[name](config), {"name": name}, {})


def refused(config: Config) -> Mapping[str, str]:
    """The built-ins that the settings do not allow, and why."""
    if config.flow_shell:
        return {}
    problem = "'shell' runs programs, which the setting flow_shell does not allow"
    return {"shell": f"{problem}; set it to true where flows may"}


def _ask(config: Config) -> Callable[..., Any]:
    async def ask(
        ctx: Context,
        question: Any,
        choices: list[Any] | None = None,
        schema: Mapping[str, Any] | None = None,
        default: Any = NO_DEFAULT,
        timeout: float | None = None,  # noqa: ASYNC109  it outlives any scope
        to: str = "",
    ) -> Any:
        """Ask a person, and give the answer; the question is called as the step is."""
        return await ctx.ask(
            question,
            name=ctx.channel.rpartition(".")[2],
            choices=choices,
            schema=schema,
            default=default,
            timeout=timeout,
            to=to,
        )

    return ask


def _sleep(config: Config) -> Callable[..., Any]:
    async def sleep(ctx: Context, seconds: float | None = None, until: str | None = None) -> None:
        """Wait."""
        if seconds is not None and seconds < 0:
            raise _refused("$.seconds", "minimum", "it must be 0 or more", str(seconds))
        await ctx.sleep(seconds, until=None if until is None else _moment(until))

    return sleep


def _moment(text: str) -> datetime:
    found = moment(text)
    if found is None:
        raise _refused("$.until", "format", f"it must be {A_MOMENT}", text)
    return found


def _refused(path: str, rule: str, problem: str, value: str) -> ArgumentsRefused:
    return ArgumentsRefused(path, rule, problem, value, agent="sleep", direction="input")


def _publish(config: Config) -> Callable[..., Any]:
    async def publish(
        ctx: Context,
        channel: str,
        payload: Any = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        delay: float | None = None,
        ttl: float | None = None,
    ) -> str:
        """Publish a message on a channel; its id."""
        if is_own(channel, ctx.channel.partition(".")[0]):
            problem = f"this {OWN}"
            where: Any = {"agent": "publish", "direction": "input"}
            raise ArgumentsRefused("$.channel", "own", problem, channel, **where)
        timing: Any = {"delay": delay, "ttl": ttl}
        said = {name: each for name, each in timing.items() if each is not None}
        return ctx.publish(channel, payload, key=key, headers=headers, **said)

    return publish


def _http_request(config: Config) -> Callable[..., Any]:
    private = config.flow_private_addresses

    async def http_request(idempotency_key: str, url: str, **arguments: Any) -> Any:
        """Send a request, and give the response."""
        from dagger.flows.builtins.http import http_request as send

        return await send(url=url, private=private, idempotency_key=idempotency_key, **arguments)

    return http_request


def _shell(config: Config) -> Callable[..., Any]:
    async def shell(command: Any, **arguments: Any) -> Any:
        """Run a program, and give what it has said."""
        from dagger.flows.builtins.shell import shell as run

        return await run(command=command, **arguments)

    return shell


_BUILT_INS: Mapping[str, Callable[[Config], Callable[..., Any]]] = {
    "ask": _ask,
    "sleep": _sleep,
    "publish": _publish,
    "http.request": _http_request,
    "shell": _shell,
}
