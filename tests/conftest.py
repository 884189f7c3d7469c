"""What every test may ask for: both event loops, and how much proof is wanted."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, settings

PROVE = os.environ.get("DAGGER_PROVE", "") not in ("", "0")

# No deadline and no complaint about slowness: how fast a machine is proves nothing.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _patient, max_examples=50, derandomize=True)
settings.register_profile("prove", _patient, max_examples=200, print_blob=True)
settings.load_profile("prove" if PROVE else "default")


PATIENCE = 30
"""Seconds after which an async test that has not ended fails: nothing may hang."""


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


@pytest.fixture(scope="session")
def prove() -> bool:
    """Whether the large counts are wanted (`make prove`)."""
    return PROVE


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
