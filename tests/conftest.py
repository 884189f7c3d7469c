"""What every test may ask for: both event loops, and how much proof is wanted."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

PROVE = os.environ.get("DAGGER_PROVE", "") not in ("", "0")

# No deadline and no complaint about slowness: how fast a machine is proves nothing.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _patient, max_examples=50, derandomize=True)
settings.register_profile("prove", _patient, max_examples=500, print_blob=True)
settings.load_profile("prove" if PROVE else "default")


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run each async test on both event loops."""
    backend: str = request.param
    return backend


@pytest.fixture(scope="session")
def prove() -> bool:
    """Whether the large counts are wanted (`make prove`)."""
    return PROVE
