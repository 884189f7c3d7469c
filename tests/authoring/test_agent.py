"""The decorator: what it makes of a handler, and what it refuses there and then."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, TypedDict

import pydantic
import pytest

from dagger import Agent, Immediate, SerializationError, ValidationError, agent
from dagger.words.errors import DaggerError, DefinitionError, DuplicateAgent, SchemaError

NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


async def plain(payload: Any) -> Any:
    """What a handler says of itself."""
    return payload


def made(**options: Any) -> Agent:
    """An agent of the plainest handler with some options."""
    found: Agent = agent(**{"name": "made", "subscribe": "start"} | options)(plain)
    return found


def test_an_agent_is_data() -> None:
    """Name, description, channels and policies are as declared; it cannot be changed."""
    one = agent(
        subscribe=["a", "b", "a"], publish="c", concurrency=3, max_attempts=2, timeout=1.5,
        overflow="block", capacity=4, key="n", on_failure="stop", hears_itself=True,
        retry=Immediate(), publish_each=True,
    )(plain)  # fmt: skip
    assert (one.name, one.description) == ("plain", "What a handler says of itself.")
    assert (one.subscribe, tuple(one.publish), one.single) == (("a", "b"), ("c",), "c")
    assert (one.concurrency, one.max_attempts, one.timeout, one.capacity) == (3, 2, 1.5, 4)
    assert (one.overflow, one.on_failure, one.key) == ("block", "stop", "n")
    assert one.hears_itself
    assert one.publish_each
    assert one.where.startswith("plain (")
    assert "test_agent.py:" in one.where
    with pytest.raises(FrozenInstanceError):
        one.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        one.publish["d"] = None  # type: ignore[index]


def test_what_is_not_said_has_a_default() -> None:
    """Bare `@agent` works: one worker, no channels, nothing of its own."""

    @agent
    async def bare(payload: Any) -> None:
        """Without a word."""

    assert (bare.subscribe, dict(bare.publish), bare.single) == ((), {}, None)
    assert bare.concurrency == 1
    assert (bare.retry, bare.max_attempts, bare.timeout, bare.capacity) == (None,) * 4
    assert (bare.overflow, bare.on_failure) == (None, "fail")
    assert not bare.hears_itself
    assert repr(bare) == "<agent 'bare'  -> >"


def test_name_and_description_may_be_given() -> None:
    """What the decorator says of name and description beats the function's own."""
    one = made(name="ä new name", description="")
    assert (one.name, one.description) == ("ä new name", "")


@pytest.mark.parametrize(
    ("publish", "channels", "single", "anything"),
    [
        (None, [], None, False),
        ("a", ["a"], "a", False),
        (["a", "b", "a"], ["a", "b"], None, False),
        (("a",), ["a"], "a", False),
        ({"a": NUMBER, "b": None}, ["a", "b"], None, False),
        ("*", [], None, True),
        (["a", "*"], ["a"], "a", True),
        ([], [], None, False),
    ],
)
def test_publications_take_many_forms(
    publish: Any, channels: list[str], single: str | None, anything: bool
) -> None:
    """A name, a list of names, a mapping to schemas, or a star."""
    one = made(publish=publish)
    assert (list(one.publish), one.single, one.publish_any) == (channels, single, anything)


@pytest.mark.parametrize("form", [NUMBER, json.dumps(NUMBER)])
def test_schemas_are_dicts_or_text(form: Any) -> None:
    """A JSON Schema may be given as a dict or as JSON."""
    one = made(input_schema=form, output_schema=form, publish="out")
    one.validate_input({"n": 1})
    one.validate_output({"n": 1})
    with pytest.raises(ValidationError) as caught:
        one.validate_input({"n": "1"})
    assert (caught.value.agent, caught.value.direction) == ("made", "input")
    assert (caught.value.path, caught.value.rule) == ("$.n", "type")
    with pytest.raises(ValidationError, match="output of agent 'made' on channel 'out'"):
        one.validate_output({})


def test_each_channel_is_validated_against_its_own_schema() -> None:
    """`validate_output` takes the channel that is meant; without one, all are."""
    one = made(publish={"n": NUMBER, "any": None})
    one.validate_output("text", "any")
    for channel in ("n", None):
        with pytest.raises(ValidationError) as caught:
            one.validate_output("text", channel)
        assert caught.value.channel == "n"


def test_validation_refuses_what_is_no_json() -> None:
    """What could not be a message is no valid input or output, whatever the schema."""
    one = made(publish="out", input_schema=True)
    for check in (one.validate_input, one.validate_output):
        for bad in (float("nan"), b"", {1}, "\ud800", 2**64, {1: 2}):
            with pytest.raises(SerializationError):
                check(bad)


class Model(pydantic.BaseModel):
    n: int


@dataclass
class Data:
    n: int


class Row(TypedDict):
    n: int


@pytest.mark.parametrize("kind", [Model, Data, Row])
def test_schemas_are_taken_from_annotations(kind: Any) -> None:
    """Without a word, the annotations of payload and return say what comes and goes."""

    async def handler(payload: Any) -> Any:
        return payload

    handler.__annotations__ = {"payload": kind, "return": kind}
    one = agent(subscribe="start", publish="out", name=f"annotated {kind}")(handler)
    for check in (one.validate_input, one.validate_output):
        check({"n": 1})
        with pytest.raises(ValidationError):
            check({"n": "one"})
        with pytest.raises(ValidationError):
            check({})


def test_a_declared_schema_beats_the_annotation() -> None:
    """With a schema given, that is what is checked; the type is still what is built."""

    @agent(subscribe="start", input_schema={"type": "object"})
    async def lenient(payload: Model) -> None:
        """Takes a model."""

    lenient.validate_input({})
    assert lenient.build is not None


def test_annotations_that_say_nothing_check_nothing() -> None:
    """`Any`, `None` and no annotation at all accept everything."""

    @agent(subscribe="start", publish="out")
    async def silent(payload):  # type: ignore[no-untyped-def]
        return payload

    @agent(subscribe="start", publish="out")
    async def anything(payload: Any) -> Any:
        return payload

    for one in (silent, anything):
        assert (one.input, one.single_schema) == (None, None)


def test_items_are_what_publish_each_and_generators_promise() -> None:
    """The annotation of a list or generator says what each published item is."""

    @agent(subscribe="start", publish="out", publish_each=True)
    async def each(payload: Any) -> list[int]:
        return [1]

    each.validate_output(1)
    with pytest.raises(ValidationError):
        each.validate_output([1])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"concurrency": 0}, "concurrency must be a whole number of at least 1, not 0"),
    ({"concurrency": 1.5}, "concurrency"),
    ({"concurrency": True}, "concurrency"),
    ({"max_attempts": 0}, "max_attempts"),
    ({"capacity": -1}, "capacity"),
    ({"capacity": "5"}, "capacity"),
    ({"timeout": 0}, "timeout must be more than 0 seconds, not 0"),
    ({"timeout": -1.0}, "timeout"),
    ({"timeout": float("nan")}, "timeout"),
    ({"timeout": "soon"}, "timeout"),
    ({"overflow": "explode"}, "overflow must be one of 'drop_oldest', 'block', 'reject'"),
    ({"on_failure": "ignore"}, "on_failure must be one of 'fail', 'stop', 'continue'"),
    ({"retry": "sometimes"}, "retry"),
    ({"retry": 5}, "retry"),
    ({"name": " padded "}, "name"),
    ({"name": 5}, "name"),
    ({"subscribe": ""}, "subscribe="),
    ({"subscribe": ["a", 5]}, "subscribe="),
    ({"subscribe": "*"}, "subscribe="),
    ({"subscribe": 5}, "subscribe="),
    ({"publish": ["a", ""]}, "publish="),
    ({"publish": 5}, "publish="),
    ({"publish": {"a": None, "*": None}}, "publish="),
    ({"publish": {"a": None}, "output_schema": True}, "twice"),
    ({"key": 5}, "key"),
    ({"input_schema": {"type": "strnig"}}, "strnig"),
    ({"input_schema": "{not json"}, "JSON"),
    ({"input_schema": 5}, "schema"),
    ({"publish": {"a": {"minimum": "1"}}}, "minimum"),
    ({"input_schema": {"$ref": "https://example.org/schema.json"}}, "example.org"),
    ({"input_schema": {"$ref": "#/$defs/none"}}, "none"),
    ({"concurency": 2}, "did you mean 'concurrency'?"),
    ({"whatever": 2}, "no option 'whatever'"),
]


@pytest.mark.parametrize(("options", "words"), WRONG, ids=str)
def test_a_wrong_option_is_refused_in_a_sentence(options: dict[str, Any], words: str) -> None:
    """What is declared wrongly raises at the decorator, naming function, file and line."""
    with pytest.raises(DefinitionError) as caught:
        made(**options)
    text = str(caught.value)
    assert words in text
    assert "plain (" in text
    assert "test_agent.py:" in text


def test_a_bad_schema_is_a_schema_error() -> None:
    """A schema that is none is told from other mistakes."""
    with pytest.raises(SchemaError, match=r"test_agent\.py"):
        made(output_schema={"type": 5}, publish="out")


class NeedsArguments:
    def __init__(self, something: int) -> None:
        self.something = something

    async def process_message(self, payload: Any) -> None:
        """Never made."""


@pytest.mark.parametrize("target", [5, None, "handler", [], object()])
def test_what_cannot_be_called_is_no_handler(target: Any) -> None:
    """Decorating something that is neither callable nor has a method says so."""
    with pytest.raises(DefinitionError, match="callable"):
        agent(subscribe="start")(target)


def test_a_class_that_needs_arguments_is_refused() -> None:
    """A class is made without arguments; one that cannot be says how to pass an instance."""
    with pytest.raises(DefinitionError, match=r"NeedsArguments.*pass an instance") as caught:
        agent(subscribe="start")(NeedsArguments)
    assert "test_agent.py" in str(caught.value)
    one = agent(subscribe="start", name="instance")(NeedsArguments(1))
    assert one.name == "instance"


def test_two_handlers_of_one_name_in_one_place_are_refused() -> None:
    """A second handler of a name in the same scope would hide the first: it is refused."""

    @agent(subscribe="start", name="twin")
    async def first() -> None:
        """The first."""

    with pytest.raises(DuplicateAgent) as caught:

        @agent(subscribe="start", name="twin")
        async def second() -> None:
            """The second."""

    assert "first" in caught.value.existing
    assert first.name == "twin"


def test_the_same_definition_may_run_again() -> None:
    """A definition in a function, called twice, gives two agents: the later one is found."""
    from dagger import registry

    def define() -> Agent:
        @agent(subscribe="start", name="again and again")
        async def handler() -> None:
            """The same each time."""

        return handler

    first, second = define(), define()
    assert first is not second
    assert registry.get("again and again") is second


def test_agents_compare_by_identity() -> None:
    """Two agents are the same only if they are one."""
    assert made() != made()
    assert len({made(), made()}) == 2


def test_every_mistake_is_a_dagger_error() -> None:
    """One root catches everything that is raised on purpose."""
    for options, _ in WRONG:
        with pytest.raises(DaggerError):
            made(**options)
