"""Canaries: secrets that steps give away in every way there is, and that nobody finds again."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from click.testing import CliRunner

from dagger import Config, Context, Executor, Flow, FlowReport, Flows, LmdbStore, step
from dagger.cli import main
from dagger.executor.exporting import exported
from dagger.flows.functions import StepFunction
from dagger.store.reader import StoreReader
from tests.flows.builtins.server import serving
from tests.state.meaning import live_state

OPEN = Config(
    flow_shell=True, flow_private_addresses=True, retry_strategy="immediate", max_attempts=2
)
WORD = "Zq7wX0kJ9vB3nM5tR1yU"

SECRETS = {
    "a token": f"eyJ{WORD * 40}",
    "a key": f'-----BEGIN KEY-----\nMII{WORD}\n"Q{WORD}"\\back\nz{WORD}=\n-----END KEY-----\n',
    "quotes": f"it's \"{WORD}\" w€rd\\'",
    "base64": f"{WORD}ab+/cd==",
    "spaces": f"{WORD} cd/é?x#y&z",
}


@dataclasses.dataclass
class Pair:
    """What no text is."""

    one: int


def refusing() -> Iterator[StepFunction]:
    """Steps that do not take a text, and that fail with it."""

    @step
    async def canary_number(x: int) -> int:
        return x

    @step
    async def canary_numbers(x: list[int]) -> list[int]:
        return x

    @step
    async def canary_choice(x: Literal["a", "b"]) -> None: ...

    @step
    async def canary_pair(x: Pair) -> None: ...

    @step
    async def canary_returns(x: str) -> int:
        return x  # type: ignore[return-value]

    @step
    async def canary_missing(x: str) -> None:
        raise KeyError(x)

    @step
    async def canary_quoted(x: str) -> None:
        raise ValueError(f"not {x!r}, nor {json.dumps({'x': [x]})} or {x.encode()!r}")

    @step
    async def canary_cut(x: str) -> None:
        raise ValueError("q" * 1_990 + x)

    @step
    async def canary_caused(x: str) -> None:
        try:
            raise ValueError("q" * 1_990 + x)
        except ValueError as error:
            raise ExceptionGroup(f"many {x}", [error, LookupError({x: [x]})]) from error

    @step
    async def canary_keyed(x: str, ctx: Context) -> None:
        ctx.publish("out", 1, idempotency_key=f"{x}\n{x}")

    yield from (
        canary_number,
        canary_numbers,
        canary_choice,
        canary_pair,
        canary_returns,
        canary_missing,
        canary_quoted,
        canary_cut,
        canary_caused,
        canary_keyed,
    )


def telling() -> Iterator[StepFunction]:
    """Steps that hand it on by all that a context has."""

    @step
    async def canary_gives(x: str) -> Any:
        return {"a": [x], x: 1, "j": f"<{x}>", "k": json.dumps({"x": x}), "r": repr([x])}

    @step
    async def canary_large(x: str) -> str:
        return "y" * 100_000 + x

    @step
    async def canary_says(x: str, ctx: Context) -> None:
        ctx.log(f"it is {x}, {x!r}")

    @step
    async def canary_keeps(x: str, ctx: Context) -> str:
        first: str = await ctx.step(f"with {x}", lambda: f"{x}!", key=x)
        second = await ctx.step(f"with {x}", lambda: "again", key=x)
        assert second == "***!"  # it is kept, and found again
        await ctx.sleep(0.001, name=f"until {x}")
        return first

    @step
    async def canary_asks(x: str, ctx: Context) -> Any:
        terms: dict[str, Any] = {"choices": [x, "b"], "timeout": 0.001, "default": x, "to": x}
        return await ctx.ask(f"is it {x}?", name=f"ask {x}", **terms)

    @step
    async def canary_writes(x: str, ctx: Context) -> None:
        ctx.cache.set(x, {"v": x})
        ctx.shared.append("list", [x])
        ctx.tasks.add_task("look", {"for": x}, 1)

    @step
    async def canary_publishes(x: str, ctx: Context) -> None:
        key = x if x.isprintable() and len(x) <= 255 else "no key"
        ctx.publish("out", {"z": x}, key=x, headers={"h": x}, idempotency_key=key)
        ctx.publish(f"to {x}", 1)
        await ctx.emit("out", {x: x})

    @step
    async def canary_requests(x: str, ctx: Context) -> Any:
        return await ctx.request("nobody", {"z": x}, key=f"ask {x}")

    yield from (
        canary_gives,
        canary_large,
        canary_says,
        canary_keeps,
        canary_asks,
        canary_writes,
        canary_publishes,
        canary_requests,
    )


def given_out(url: str) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Built-in steps that are given it in every place, and what of that fails."""
    fails = ["sh", "-c", 'printf %s "$0" >&2; exit 3', f"{'x' * 100}$K{'y' * 450}"]
    places: dict[str, dict[str, Any]] = {
        "params": {"url": url, "params": {"key": "$K"}},
        "query": {"url": f"{url}?key=$K"},
        "path": {"url": f"{url}/$K/x", "headers": {"x": "a"}},
        "user": {"url": url.replace("//", "//u:$K@")},
        "host": {"url": "http://$K.localhost:1/"},
        "closed": {"url": "http://127.0.0.1:1/bot$K/x"},
        "closed-far": {"url": f"http://127.0.0.1:1/{'b' * 170}/$K/x"},
        "wrong": {"url": "$K"},
        "wrong-host": {"url": "http://$K/"},
        "header": {"url": url, "headers": {"x": "$K"}},
        "method": {"url": url, "method": "$K"},
    }
    programs: dict[str, dict[str, Any]] = {
        "echo": {"command": ["echo", "$K"]},
        "stderr": {"command": fails},
        "program": {"command": ["$K"]},
        "below": {"command": ["./$K/x"]},
        "folder": {"command": ["ls"], "cwd": "$K"},
    }
    others: dict[str, tuple[str, dict[str, Any]]] = {
        "asked": ("ask", {"question": "$K", "timeout": 0.001, "default": ["$K"]}),
        "published": ("publish", {"channel": "out", "payload": {"p": "$K"}, "key": "$K"}),
        "until": ("sleep", {"until": "$K"}),
    }
    return {
        **{name: ("http.request", given) for name, given in places.items()},
        **{name: ("shell", given) for name, given in programs.items()},
        **others,
    }


def flow_of(functions: list[StepFunction], built_in: Mapping[str, Any]) -> Flow:
    """All of these, each of which may fail; what it comes to is handed on."""
    flow = Flow("f")
    for each in functions:
        flow = flow.step(each.name, each, with_={"x": "${{ secrets.K }}"}, on_error="continue")
    for name, (uses, given) in built_in.items():
        told = json.loads(json.dumps(given).replace("$K", "${{ secrets.K }}"))
        flow = flow.step(name, uses, with_=told, on_error="continue")
    return flow


@pytest.mark.skipif(sys.platform == "win32", reason="its programs are those of POSIX")
@pytest.mark.parametrize("secret", SECRETS)
async def test_no_piece_of_a_secret_is_found(
    secret: str, memory_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Values are refused, texts are cut, it goes through JSON, `repr` and URLs, through all that a
    context does and through the built-ins: not ten characters of it are in the store, the logs,
    reports, and what `dagger show` and `dagger flow show` print.
    """
    caplog.set_level(logging.DEBUG)
    functions = [*refusing(), *telling()]
    with serving() as server:
        flow = flow_of(functions, given_out(server.url("/echo")))
        flows = Flows(flow, config=OPEN, secrets={"K": SECRETS[secret]})
        report, told = await _carried_out(flows, memory_path / "store")
    logged = [each.getMessage() for each in caplog.records if each.name.startswith("dagger")]
    shown = [*told, *logged, *_commands("r", memory_path / "store")]
    ends = {each.id: each.status for each in report.steps}
    assert {ends[each.name] for each in refusing()} == {"failed"}
    assert {each.name: ends[each.name] for each in telling()} == {
        each.name: "failed" if each.name == "canary_requests" else "succeeded" for each in telling()
    }
    assert any("***" in each for each in shown)
    pieces = _pieces(SECRETS[secret])
    for each in (*shown, *_files(memory_path)):
        assert [piece for piece in pieces if piece in each] == []


async def _carried_out(flows: Flows, store: Path) -> tuple[FlowReport, list[str]]:
    """The report of a run "r", and all that Dagger tells of it."""
    async with Executor(flows.agents, config=OPEN, store=LmdbStore(store)) as executor:
        live = await flows.start(executor, "f", run_id="r")
        told = [repr(each) async for each in live.outcomes()]
        whole = await live.result()
        report = flows.report(live)
        letters = executor.dead_letters.list()
        told += [repr(whole), str(whole), json.dumps(whole.to_dict()), repr(report)]
        told += [live.tree.to_dot(), json.dumps(report.data()), repr(letters)]
        number = live_state(executor).run_numbers["r"]
    with StoreReader(store) as reader:
        told += map(json.dumps, exported(reader, number))
    return report, told


def _commands(run: str, store: Path) -> Iterator[str]:
    invoke: Callable[..., Any] = CliRunner().invoke
    for command in (["show"], ["flow", "show"], ["show", "--json"]):
        done = invoke(main, [*command, run, "--store", str(store)])
        assert done.exit_code in (0, 1), done.output
        yield done.output


def _pieces(secret: str) -> list[str]:
    """Pieces, of which any ten characters of a secret hold one."""
    word = secret.replace("-----BEGIN KEY-----", "").replace("-----END KEY-----", "")
    pieces = [word[start : start + 7] for start in range(0, len(word) - 6, 4)]
    return [*dict.fromkeys(form for each in pieces for form in (each, each.lower()))]


def _files(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.stat().st_size for path in files)
    return [path.read_bytes().decode("utf-8", "replace") for path in files]
