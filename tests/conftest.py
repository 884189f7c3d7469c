"""What every test may ask for: both event loops, and how much proof is wanted."""

from __future__ import annotations

import functools
import gc
import inspect
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, settings

from dagger.words import secrets
from tests.patience import PATIENCE
from tests.verified import wrong

os.environ["DAGGER_BLOCKED_LOOP_WARNING"] = "60"
"""A busy machine lets handlers wait; what is said of that is nothing that they have done."""

pytest.register_assert_rewrite("dagger.testing.store_suite", "dagger.testing.channel_suite")

PROVE = os.environ.get("DAGGER_PROVE", "") not in ("", "0")
EXPLORE = os.environ.get("DAGGER_PROVE") == "explore"

# No deadline and no complaint about slowness: how fast a machine is proves nothing.
# The same code gets the same answer: what is new is looked for with `make explore`.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _patient, max_examples=20, derandomize=True)
settings.register_profile("prove", _patient, max_examples=100, derandomize=True)
settings.register_profile("explore", _patient, max_examples=500, print_blob=True)
settings.load_profile("explore" if EXPLORE else "prove" if PROVE else "default")


LONGEST = {"faults", "crash", "testing", "test_model.py", "test_salvaging.py"}
"""Folders and files with the tests that take longest."""

TRIED = {("asyncio", "lagging"), ("asyncio", "lmdb"), ("trio", "memory"), ("trio", "no-store")}
"""Loops and stores over which `make test` tries the promises: each is among them."""

PROVED = ("trio", "lmdb")
"""The loop and the store over which `make prove` does, where there are other things to see:
snapshots at every turn.
"""

VERIFIED = {"cli", "examples", "executor", "samples", "store"}
"""Folders with tests after which the stores that they leave behind are verified. Those in `crash`,
`faults` and `promises` do so themselves."""

FIGURE = "figure"
"""The name of the property of a report that has one."""

MEMORY = Path("/dev/shm")
"""Where Linux has a file system in memory."""

ROOM = 2**30
"""Bytes that must be free there, for the tests to use it."""


def pytest_collection_finish() -> None:
    """The thousands of tests stay until the end: no garbage collection need look at them."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first: in the end nobody waits for the last of them alone.

    What `make test` and `make prove` would do alike only one of them does.
    """
    left = [item for item in items if (_proved_already(item) if PROVE else _left_to_prove(item))]
    config.hook.pytest_deselected(items=left)
    gone = set(left)
    items[:] = [item for item in items if item not in gone]
    items.sort(key=lambda item: LONGEST.isdisjoint(item.path.parts))


def _left_to_prove(item: pytest.Item) -> bool:
    """Whether it is a promise over a store and a loop that are each tried with others, or takes
    long and says so.
    """
    loop, store = _ground(item)
    return _is_proof(item) or (bool(store) and (loop, store) not in TRIED)


def _is_proof(item: pytest.Item) -> bool:
    return item.get_closest_marker("proof") is not None


def _proved_already(item: pytest.Item) -> bool:
    """Whether large counts change nothing about it."""
    counts = {"prove", "figures"} & set(getattr(item, "fixturenames", ()))
    large = hasattr(getattr(item, "module", None), "PROVE") or item.get_closest_marker("hypothesis")
    return not (counts or large or _ground(item) == PROVED or _is_proof(item))


def _ground(item: pytest.Item) -> tuple[str, str]:
    """The loop and the store that a promise is tried over; "" where that says nothing."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return params.get("anyio_backend", ""), params.get("new_store", "")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Make a failure of a hang, in whichever async test it happens."""
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.obj = _impatient(item.obj)


def _impatient(test: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> None:
        with anyio.fail_after(PATIENCE):
            await test(*args, **kwargs)

    return run


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each async test on both event loops."""
    backend: str = request.param
    return backend


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A folder for what is not about the disk: where there is room it lies in memory.

    Stores work there as they do on a disk, but an fsync takes no time.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    folder = tempfile.mkdtemp(prefix="dagger-test-", dir=MEMORY if roomy else None)
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _verified(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test every store that it leaves behind is whole, but for those that it spoils."""
    used = "tmp_path" in request.fixturenames and not VERIFIED.isdisjoint(request.path.parts)
    folder: Path | None = request.getfixturevalue("tmp_path") if used else None
    yield
    if folder is not None and request.node.get_closest_marker("spoilt") is None:
        assert wrong(folder) == []


@pytest.fixture(autouse=True)
def _nobodys_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was secret in another test is not hidden in this one, though nobody has let go of it."""
    monkeypatch.setattr(secrets, "_known", set())


@pytest.fixture(scope="session")
def prove() -> bool:
    """Whether the large counts are wanted (`make prove`)."""
    return PROVE


Figures = Callable[[str], None]


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """What a test has counted is said with it, and is listed below all results."""
    return lambda text: request.node.user_properties.append((FIGURE, text))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of all tests, also of those that ran in other processes."""
    reports = (each for reports in terminalreporter.stats.values() for each in reports)
    told = [
        f"{each.nodeid.partition('::')[0]}: {text}"
        for each in reports
        if isinstance(each, pytest.TestReport) and each.when == "teardown"
        for name, text in each.user_properties
        if name == FIGURE
    ]
    if told:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(sorted(told)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test has logged travels between processes, which half a surrogate pair cannot."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    return report
