"""What a file says of a run by the names in it, and what is said where that is not clear."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Invoke, Write

MORE = """
    @agent(subscribe="squares", publish="texts")
    async def text(payload: int) -> str:
        return str(payload)
"""


def outputs(invoke: Invoke, *arguments: str) -> Any:
    """The outputs of a run that completes."""
    ended = invoke("run", *arguments, "--json")
    assert ended.exit_code == 0, ended.stderr
    return json.loads(ended.stdout)["outputs"]


def names(invoke: Invoke, target: str) -> list[str]:
    """The names of the agents of a target."""
    return [each["name"] for each in json.loads(invoke("agents", target, "--json").stdout)]


def test_every_agent_at_the_top_of_the_file_is_run(invoke: Invoke, write: Write) -> None:
    """Without a list, the agents are those at the top of the file, each once, in order."""
    path = write(MORE + "\n    again = square\n    number = 3\n")
    assert names(invoke, path) == ["square", "text"]
    assert outputs(invoke, path, "--input", "3") == {"texts": ["9"]}


def test_a_list_of_agents_is_all_that_is_run(invoke: Invoke, write: Write) -> None:
    """`agents` says which agents of the file are run, and in which order they are listed."""
    assert names(invoke, write(MORE + "\n    agents = [text]")) == ["text"]
    assert names(invoke, write(MORE + "\n    agents = (text, square)")) == ["text", "square"]


@pytest.mark.parametrize(
    ("definition", "found"),
    [("text", ["text"]), ("[text, square]", ["text", "square"]), ("iter([square])", ["square"])],
)
def test_a_name_picks_agents(
    invoke: Invoke, write: Write, definition: str, found: list[str]
) -> None:
    """FILE.py:NAME is an agent, or any iterable of agents."""
    path = write(MORE + f"\n    picked = {definition}")
    assert names(invoke, f"{path}:picked") == found


def test_a_name_picks_a_start(invoke: Invoke, write: Write) -> None:
    """FILE.py:NAME may be an EventDriven: the agents of the file, its channel and payload."""
    path = write("channel = 'nowhere'\nfive = EventDriven('numbers', 5)")
    assert outputs(invoke, f"{path}:five") == {"squares": [25]}
    assert outputs(invoke, f"{path}:five", "--input", "6") == {"squares": [36]}


def test_the_file_says_where_and_with_what_a_run_starts(invoke: Invoke, write: Write) -> None:
    """`channel` and `payload` are where a run starts and with what, where nobody says other."""
    path = write(MORE + "\n    channel, payload = 'squares', 8")
    assert outputs(invoke, path) == {"texts": ["8"]}
    assert outputs(invoke, path, "--input", "7") == {"texts": ["7"]}
    assert outputs(invoke, path, "--input", "7", "--channel", "numbers") == {"texts": ["49"]}


def test_without_a_payload_a_run_starts_with_null(invoke: Invoke, write: Write) -> None:
    """The first payload is null where neither the file nor --input says one."""
    path = write(
        """
        from dagger import agent

        @agent(subscribe="start", publish="seen")
        async def look(payload):
            return [payload]
        """,
        above="",
    )
    assert outputs(invoke, path) == {"seen": [[None]]}


def test_a_config_in_the_file_holds(invoke: Invoke, write: Write) -> None:
    """`config` is the Config of the run."""
    ended = invoke("run", write("config = Config(max_messages=1)"), "--input", "3", "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["status"] == "over_budget"


def test_the_only_channel_nobody_publishes_on_is_the_start(invoke: Invoke, write: Write) -> None:
    """What an agent alone publishes back to itself and does not hear is a start as well."""
    path = write(
        """
        from dagger import agent

        @agent(subscribe="tries", publish=["tries", "done"])
        async def once(payload, ctx):
            ctx.publish("tries", 2)
            ctx.publish("done", payload)
        """,
        above="",
    )
    assert outputs(invoke, path, "--input", "1") == {"tries": [2], "done": [1]}


@pytest.mark.parametrize(
    ("source", "choice"),
    [
        ('@agent(subscribe="others")\nasync def other(payload): ...', "'numbers', 'others'"),
        (
            '@agent(subscribe="squares", publish="numbers")\nasync def back(payload): ...',
            "'numbers', 'squares'",
        ),
    ],
)
def test_where_a_run_starts_must_be_clear(
    invoke: Invoke, write: Write, source: str, choice: str
) -> None:
    """Where several channels, or none, could be the start, it has to be said which."""
    ended = invoke("run", write(source), "--input", "3")
    assert ended.exit_code == 2
    assert "where does a run start? Pass --channel" in ended.stderr
    assert f"could start on {choice}\n" in ended.stderr


@pytest.mark.parametrize("channel", ["nowhere", "squares"])
def test_a_run_starts_where_somebody_hears_it(invoke: Invoke, write: Write, channel: str) -> None:
    """A channel that no agent of the file subscribes to is a usage error naming those heard."""
    ended = invoke("run", write(), "--channel", channel, "--input", "3")
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"Error: no channel {channel!r}; known: 'numbers'")


JOINED = """
from dagger import agent, gather

channel = "numbers"


@agent(subscribe=gather("numbers"), publish="sums")
async def add(payload: list[int]) -> int:
    return sum(payload)

"""


def test_the_first_payload_of_a_join_is_a_part(invoke: Invoke, write: Write) -> None:
    """It is held against what a part has to be, not against what the handler gets of all."""
    ended = invoke("run", write(above=JOINED), "--input", "3", "--json")
    assert json.loads(ended.stdout)["outputs"]["sums"] == [3]


def test_a_payload_that_nobody_takes_is_refused(invoke: Invoke, write: Write) -> None:
    """A first payload that breaks every hearer's schema is a usage error: nothing is run."""
    ended = invoke("run", write(), "--input", '"three"')
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "no agent takes the first payload (see --input): input of agent 'square' on" in (
        ended.stderr
    )


def test_a_payload_that_somebody_takes_is_published(invoke: Invoke, write: Write) -> None:
    """Where one of the hearers takes the payload the run goes on, and shows who did not."""
    path = write('@agent(subscribe="numbers")\nasync def note(payload: str): ...')
    ended = invoke("run", path, "--input", "3", "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["dispositions"] == {"ok": 1, "rejected": 1}


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("agents = 3", "'agents' must be an agent, or a list of agents, not 3 (int)"),
        ("agents = 'square'", "'agents' must be an agent, or a list of agents, not 'square' (str)"),
        ("agents = [square, len]", "'agents' must hold agents only, not <built-in"),
        ("agents = []", "'agents' holds no agents"),
        ("channel = 3", "'channel' must be the name of a channel, not 3 (int)"),
        ("config = {}", "'config' must be a dagger.Config, not {} (dict)"),
        ("del square", "no agents in "),
    ],
)
def test_names_that_mean_something_must_mean_it(
    invoke: Invoke, write: Write, source: str, problem: str
) -> None:
    """A name of the conventions that holds something else is a usage error, not ignored."""
    ended = invoke("run", write(source), "--input", "3")
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"Error: {problem}")


def test_a_name_that_is_not_there_is_told(invoke: Invoke, write: Write) -> None:
    """FILE.py:NAME without such a name in the file is a usage error naming both."""
    path = write()
    assert invoke("run", f"{path}:cube").stderr == f"Error: there is no 'cube' in {path}\n"


def test_two_agents_of_one_name_are_refused(invoke: Invoke, write: Write) -> None:
    """A list that holds two agents of one name is a usage error that says where they are."""
    ended = invoke("run", write("agents = [square, square]"), "--input", "3")
    assert ended.exit_code == 2
    assert "an agent named 'square' exists already" in ended.stderr
