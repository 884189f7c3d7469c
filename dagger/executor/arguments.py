"""What an executor is given: its settings and its store, checked."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING

from dagger.executor.policies.pool import Pool
from dagger.rules.retry import strategy
from dagger.store.memory import MemoryStore
from dagger.words.errors import ConfigError
from dagger.words.policies import ResourcePool

if TYPE_CHECKING:
    from dagger.store.contract import Store
    from dagger.words.config import Config


def settings(given: Config | None) -> Config:
    """The settings, checked as far as a Config cannot check them itself. Raises ConfigError."""
    from dagger.words.config import Config

    config = Config.load() if given is None else given
    if not isinstance(config, Config):
        raise ConfigError(
            "config", f"it takes a Config, such as Config(capacity=16), not {given!r}"
        )
    try:
        strategy(config.retry_strategy)
    except ConfigError as error:
        raise ConfigError("retry_strategy", error.problem) from error
    return config


def pool_of(given: ResourcePool | None) -> Pool:
    """What there is of resources. Raises ConfigError."""
    if given is not None and not isinstance(given, ResourcePool):
        raise ConfigError("resources", f"it takes a ResourcePool(cpu=8, ...), not {given!r}")
    return Pool(given)


def store_of(given: Store | str | PathLike[str] | None) -> Store:
    """What records go to: nothing that lasts, a folder, or what was given. Raises ConfigError."""
    if given is None:
        return MemoryStore(keep=False)
    if not isinstance(given, (str, PathLike)):
        if not hasattr(given, "append"):
            raise ConfigError("store", f"a store is a folder or a Store, not {given!r}")
        return given
    if not fspath(given):
        raise ConfigError("store", "a store is a folder, and its name is not empty")
    from dagger.store.lmdb import LmdbStore

    return LmdbStore(given)
