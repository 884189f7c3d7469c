"""Settings: defaults, where they come from, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest

from dagger.words.config import RESERVED, Config
from dagger.words.errors import ConfigError
from dagger.words.outcomes import Overflow
from dagger.words.strategy import RetryStrategy


class EverySecond:
    """A retry strategy of one's own."""

    max_attempts: int | None = None

    def delay(self, attempt: int, random: float) -> float:
        return 1.0

    def retries(self, error: BaseException) -> bool:
        return True


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """An empty folder to work in; calling it writes its pyproject.toml. No variable is set."""
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith("DAGGER_")]:
        monkeypatch.delenv(name)

    def write(text: str) -> Path:
        path = tmp_path / "pyproject.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(make: Callable[[], Any]) -> ConfigError:
    """The ConfigError that `make` raises."""
    with pytest.raises(ConfigError) as caught:
        make()
    return caught.value


def test_defaults_are_the_documented_ones() -> None:
    """A config made of nothing has the defaults that design.md states."""
    config = Config()
    assert (config.capacity, config.overflow) == (1024, Overflow.DROP_OLDEST)
    assert (config.max_attempts, config.cancel_grace) == (3, 5.0)
    assert (config.max_messages, config.max_tokens, config.timeout) == (None, None, None)
    assert config.max_payload_bytes == 64 * 1024 * 1024


def test_every_setting_is_described() -> None:
    """Every setting has a description that ends like a sentence."""
    for name, field in Config.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_a_config_is_frozen() -> None:
    """A setting cannot be changed after it was checked."""
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Config().capacity = 2


def test_an_unknown_setting_names_the_nearest_known_one() -> None:
    """A misspelt argument is refused, and the error says what was probably meant."""
    settings: dict[str, Any] = {"capactiy": 2}
    error = refusal(lambda: Config(**settings))
    assert error.key == "capactiy"
    assert "nearest known one is 'capacity'" in str(error)
    assert "(argument)" in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("capacity", 0),
        ("capacity", "many"),
        ("capacity", 2**63),
        ("overflow", "drop_newest"),
        ("timeout", 0),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
        ("max_messages", 0),
        ("cancel_grace", -1),
        ("retry_strategy", 3),
        ("human_timeout_action", "shrug"),
        ("keep_outputs", -1),
    ],
)
def test_a_value_out_of_range_names_key_and_value(key: str, value: Any) -> None:
    """A value out of range is refused, naming the setting, the rule and the value."""
    error = refusal(lambda: Config(**{key: value}))
    assert error.key == key
    assert "must" in error.problem
    assert f"got {value!r}" in error.problem


def test_the_environment_sets_what_arguments_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """DAGGER_... variables are read as settings, and arguments beat them."""
    monkeypatch.setenv("DAGGER_CAPACITY", "16")
    monkeypatch.setenv("DAGGER_TIMEOUT", "2.5")
    config = Config.load(timeout=1.0)
    assert (config.capacity, config.timeout) == (16, 1.0)


def test_the_environment_beats_the_file(
    project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable in the environment beats the same setting in pyproject.toml."""
    project('[tool.dagger]\ncapacity = 8\noverflow = "block"\n')
    monkeypatch.setenv("DAGGER_CAPACITY", "16")
    config = Config.load()
    assert (config.capacity, config.overflow) == (16, Overflow.BLOCK)


def test_the_file_is_found_above_the_working_directory(
    project: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest pyproject.toml at or above the working directory counts."""
    project("[tool.dagger]\ncapacity = 8\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert Config.load().capacity == 8


def test_only_load_looks_around(
    project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Config() depends on its arguments alone."""
    project("[tool.dagger]\ncapacity = 8\n")
    monkeypatch.setenv("DAGGER_CAPACITY", "16")
    assert Config().capacity == 1024


@pytest.mark.parametrize("text", ["", "[tool.other]\ncapacity = 8\n", "[project]\nname = 'x'\n"])
def test_a_file_without_the_table_sets_nothing(project: Callable[[str], Path], text: str) -> None:
    """A pyproject.toml without [tool.dagger] leaves the defaults."""
    project(text)
    assert Config.load() == Config()


@pytest.mark.parametrize("text", ["[tool.dagger", "[tool]\ndagger = 3\n", "\x00"])
def test_a_broken_file_is_named(project: Callable[[str], Path], text: str) -> None:
    """A pyproject.toml that cannot be read as settings is named in the error."""
    path = project(text)
    assert str(path) in str(refusal(Config.load))


def test_an_unknown_key_in_the_file_names_the_file(project: Callable[[str], Path]) -> None:
    """An unknown key in pyproject.toml names the file and the nearest known key."""
    path = project("[tool.dagger]\nmax-attempts = 2\n")
    error = refusal(Config.load)
    assert error.key == "max-attempts"
    assert "'max_attempts'" in error.problem
    assert str(path) in error.problem


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown DAGGER_... variable is an error that names it as it is written."""
    monkeypatch.setenv("DAGGER_MAX_ATTEMPT", "2")
    error = refusal(Config.load)
    assert "DAGGER_MAX_ATTEMPT" in error.problem
    assert "'max_attempts'" in error.problem


def test_a_bad_argument_is_not_blamed_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument that hides a variable is itself named as the origin of an error."""
    monkeypatch.setenv("DAGGER_CAPACITY", "16")
    assert "(argument)" in str(refusal(lambda: Config.load(capacity=0)))


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_variables_are_no_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that other parts of Dagger read do not count as settings."""
    monkeypatch.setenv(name, "1")
    assert Config.load() == Config()


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as not set."""
    monkeypatch.setenv("DAGGER_CAPACITY", "")
    assert Config.load().capacity == 1024


def test_none_lifts_a_limit_of_the_file(
    project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word "none" in the environment lifts a limit that the file sets."""
    project("[tool.dagger]\nmax_messages = 5\ntimeout = 1\n")
    monkeypatch.setenv("DAGGER_MAX_MESSAGES", "none")
    config = Config.load()
    assert (config.max_messages, config.timeout) == (None, 1.0)


def test_replace_checks_what_it_changes() -> None:
    """A changed copy is checked like a new config, and the original stays as it is."""
    config = Config(capacity=4)
    changed = config.replace(timeout=2)
    assert (changed.capacity, changed.timeout, config.timeout) == (4, 2.0, None)
    assert refusal(lambda: config.replace(timeout=-1)).key == "timeout"


def test_replace_remembers_what_was_written_down() -> None:
    """A default stays a default through replace: only written policies count as declared."""
    config = Config(capacity=4).replace(timeout=2)
    assert config.model_fields_set == {"capacity", "timeout"}


@pytest.mark.parametrize("strategy", ["linear:2", EverySecond()])
def test_a_retry_strategy_is_a_name_or_an_object(strategy: str | RetryStrategy) -> None:
    """A strategy is kept as it was given: a name, or an object that is one."""
    assert Config(retry_strategy=strategy).retry_strategy == strategy
