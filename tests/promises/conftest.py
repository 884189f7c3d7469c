"""How every promise is tried: one way to make an executor, over each store there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import pytest

from dagger import Agent, Config, Executor, Immediate, LmdbStore, MemoryStore, Store
from dagger.executor.verifying import verify
from dagger.store import outline
from dagger.store.reader import StoreReader
from dagger.testing import LaggingStore
from dagger.words.ids import new_id
from tests.conftest import PROVE
from tests.state import meaning

NewStore = Callable[[], Store | None]

STORES: dict[str, NewStore] = {
    "no-store": lambda: None,
    "memory": MemoryStore,
    "lagging": LaggingStore,
}
"""Stores that need no folder; there is "lmdb" too."""


DEFAULTS: dict[str, Any] = {"retry_strategy": Immediate()}
if PROVE:  # recovery from snapshots, and hardly ever without; and most payloads are kept apart
    DEFAULTS["snapshot_every_records"] = 7


@pytest.fixture(autouse=PROVE)
def _little_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outline, "LARGE", 16)


class Audited(Executor):
    """An executor that, as it stops, holds its state against its journal.

    Every test thereby also tries that all state is a fold of the records, and that all
    that was published is accounted for.
    """

    async def stop(self) -> None:
        engine = self._engine
        await super().stop()
        if engine is None:
            return
        if not engine.store.lasting:
            meaning.audit(engine.state)
        elif isinstance(engine.store, LmdbStore):
            with StoreReader(engine.store.path) as reader:
                meaning.agree(engine.state, reader)
                assert list(verify(reader, engine.state.keep)) == []
        else:
            meaning.agree(engine.state, engine.store)


class MakeExecutor(Protocol):
    """`make_executor([agents], **options)`: an executor that has not been entered yet.

    Without `store=` it gets a new one of the kind this test runs over; without
    `config=`, failed attempts are tried again at once. `config` may be a dict.
    """

    def __call__(
        self,
        agents: Iterable[Agent | str] = (),
        *,
        config: Config | dict[str, Any] | None = None,
        **options: Any,
    ) -> Executor: ...


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    """What is promised here is promised on any disk: the fastest one will do."""
    return memory_path


@pytest.fixture(params=[*STORES, "lmdb"])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """Makes a store of the kind this test runs over; None stands for no store at all."""
    if request.param in STORES:
        return STORES[request.param]
    folder: Path = request.getfixturevalue("tmp_path")
    return lambda: LmdbStore(folder / new_id())


@pytest.fixture
def store(new_store: NewStore) -> Store | None:
    """One store, for a test that opens it more than once."""
    return new_store()


@pytest.fixture
def lasting(store: Store | None) -> Store:
    """A store that outlives its executor, and keeps history; without one a test is skipped."""
    if store is None:
        pytest.skip("without a store nothing outlives its executor")
    return store


@pytest.fixture
def make_executor(new_store: NewStore) -> MakeExecutor:
    """The one way in which these tests make executors."""

    def make(
        agents: Iterable[Agent | str] = (),
        *,
        config: Config | dict[str, Any] | None = None,
        **options: Any,
    ) -> Executor:
        if not isinstance(config, Config):
            config = Config(**{**DEFAULTS, **(config or {})})
        if "store" not in options:
            options["store"] = new_store()
        return Audited(agents, config=config, **options)

    return make
