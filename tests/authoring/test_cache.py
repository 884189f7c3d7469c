"""What a user holds of a cache: isolation, held-back writes, and what settling decides."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dagger.authoring.cache import CacheView, decide
from dagger.state.cache import Cache
from dagger.words.effects import CacheWrite, E, Effect, Publication, TaskWrite
from dagger.words.errors import (
    CacheConflict,
    CacheKeyNotFound,
    CacheTypeError,
    ContextClosed,
    DaggerError,
    SerializationError,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["a", "b", "c"])


class House:
    """A run's cache and the shared one, with invocations that hold back and settle."""

    def __init__(self) -> None:
        self.cache, self.shared = Cache(), Cache()
        self.outside = CacheView(lambda: self.cache, self.commit, shared=False)

    def commit(self, decision: Callable[[], tuple[E, ...]]) -> tuple[E, ...]:
        """Changes that take effect at once."""
        effects = decision()
        self.apply(effects)
        return effects

    def apply(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, CacheWrite):
                (self.shared if effect.shared else self.cache).apply(effect)

    def invocation(self) -> Invocation:
        """One more invocation, with nothing held back."""
        return Invocation(self)


@dataclass
class Invocation:
    """What an invocation has of the caches, until it settles."""

    house: House
    held: list[Any] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        house = self.house
        self.cache = CacheView(
            lambda: house.cache, house.commit, shared=False, held=self.held, guard=self.guard
        )
        self.shared = CacheView(
            lambda: house.shared, house.commit, shared=True, held=self.held, guard=self.guard
        )

    def guard(self) -> None:
        if self.closed:
            raise ContextClosed("a:1")

    def settle(self) -> tuple[Effect, ...]:
        """Decide and apply, as one step."""
        self.closed = True
        effects = decide(self.house.cache, self.house.shared, self.held)
        self.house.apply(effects)
        return effects


def everything(view: CacheView) -> dict[str, dict[str, Any]]:
    """All that a view shows."""
    return {
        namespace: {key: view.get(key, namespace=namespace) for key in view.keys(namespace)}
        for namespace in view.namespaces()
    }


Model = dict[tuple[str, str], Any]


class ViewsAgainstDicts(RuleBasedStateMachine):
    """Two invocations and the outside world see what a dict and their own changes say."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.committed: Model = {}
        self.open = [self.house.invocation(), self.house.invocation()]
        self.own: list[list[Callable[[Model], None]]] = [[], []]

    def seen(self, who: int) -> Model:
        """What invocation `who` (2: the outside world) has to see."""
        model = dict(self.committed)
        for change in self.own[who] if who < 2 else ():
            change(model)
        return model

    def do(
        self, who: int, call: Callable[[CacheView], None], change: Callable[[Model], None]
    ) -> None:
        """The call on a view, the same change in the model; refused in both or in none."""
        refused = False
        try:
            change(self.seen(who))
        except CacheTypeError:
            refused = True
        view = self.open[who].cache if who < 2 else self.house.outside
        if refused:
            with pytest.raises(CacheTypeError):
                call(view)
        else:
            call(view)
            self.own[who].append(change) if who < 2 else change(self.committed)

    @rule(who=st.integers(0, 2), namespace=NAMES, key=NAMES, given=VALUES)
    def set(self, who: int, namespace: str, key: str, given: Any) -> None:
        """Somebody sets a key."""
        place = namespace, key
        self.do(
            who,
            lambda view: view.set(key, given, namespace=namespace),
            lambda model: model.update({place: given}),
        )

    @rule(who=st.integers(0, 2), namespace=NAMES, key=NAMES)
    def delete(self, who: int, namespace: str, key: str) -> None:
        """Somebody deletes a key."""
        place = namespace, key
        self.do(
            who,
            lambda view: view.delete(key, namespace=namespace),
            lambda model: model.pop(place, None) and None,
        )

    @rule(who=st.integers(0, 2), namespace=NAMES, key=NAMES, given=VALUES)
    def append(self, who: int, namespace: str, key: str, given: Any) -> None:
        """Somebody appends to a key that holds a list, or tries to."""
        place, first = (namespace, key), [True]

        def change(model: Model) -> None:
            old = model.get(place, [])
            if not isinstance(old, list):
                if first[0]:
                    raise CacheTypeError(namespace, key, "no list")
                old = []  # it has become something else since
            model[place] = [*old, given]

        self.do(who, lambda view: view.append(key, given, namespace=namespace), change)
        first[0] = False

    @rule(who=st.integers(0, 2), namespace=NAMES, key=NAMES, by=st.integers(-5, 5))
    def increment(self, who: int, namespace: str, key: str, by: int) -> None:
        """Somebody increments a key that holds a number, or tries to."""
        place, first = (namespace, key), [True]

        def change(model: Model) -> None:
            old = model.get(place, 0)
            if type(old) not in (int, float):
                if first[0]:
                    raise CacheTypeError(namespace, key, "no number")
                old = 0
            total = old + by
            fits = isinstance(total, int) and -(2**63) <= total < 2**64
            model[place] = total if fits else float(total)

        self.do(who, lambda view: view.increment(key, by, namespace=namespace), change)
        first[0] = False

    @rule(who=st.integers(0, 2), namespace=NAMES, key=NAMES)
    def update(self, who: int, namespace: str, key: str) -> None:
        """Somebody wraps what a key holds."""
        place = namespace, key

        def fn(old: Any) -> Any:
            return {"was": str(old)}

        self.do(
            who,
            lambda view: view.update(key, fn, namespace=namespace),
            lambda model: model.update({place: fn(model.get(place))}),
        )

    @rule(who=st.integers(0, 1), namespace=NAMES, key=NAMES)
    def spoil(self, who: int, namespace: str, key: str) -> None:
        """A reader does what it likes to what it has read."""
        value = self.open[who].cache.get(key, namespace=namespace)
        if isinstance(value, (list, dict)):
            value.clear()

    @rule(who=st.integers(0, 1))
    def settle(self, who: int) -> None:
        """An invocation settles: its changes happen to what is committed now."""
        self.open[who].settle()
        self.committed = self.seen(who)
        self.begin(who)

    @rule(who=st.integers(0, 1))
    def fail(self, who: int) -> None:
        """An attempt fails: nothing of it is left."""
        self.begin(who)

    def begin(self, who: int) -> None:
        self.open[who] = self.house.invocation()
        self.own[who] = []

    @invariant()
    def each_sees_its_own(self) -> None:
        """Every view shows committed state and own changes, and nothing of another's."""
        for who, view in enumerate([*(each.cache for each in self.open), self.house.outside]):
            wanted: dict[str, dict[str, Any]] = {}
            for (namespace, key), value in self.seen(who).items():
                wanted.setdefault(namespace, {})[key] = value
            assert everything(view) == wanted


TestViewsAgainstDicts = ViewsAgainstDicts.TestCase


def test_cache_reads_see_committed_state_and_own_writes() -> None:
    """Own writes are seen at once by oneself, by others once they settle."""
    house = House()
    one, two = house.invocation(), house.invocation()
    one.cache.set("k", [1])
    assert one.cache.get("k") == [1]
    assert two.cache.get("k") is None
    assert two.cache.get("k", "absent") == "absent"
    one.settle()
    assert two.cache.get("k") == [1]


def test_cache_append_and_increment_of_several_are_all_kept() -> None:
    """Appends and increments of invocations that know nothing of each other add up."""
    house = House()
    several = [house.invocation() for _ in range(3)]
    for number, each in enumerate(several):
        each.cache.append("list", number)
        each.cache.increment("sum", number)
        assert each.cache.get("list") == [number]
    for each in reversed(several):
        each.settle()
    assert house.outside.get("list") == [2, 1, 0]
    assert house.outside.get("sum") == 3


def test_cache_set_is_last_settled_wins() -> None:
    """Of two sets the one that settles later stays, whenever it was called."""
    house = House()
    early, late = house.invocation(), house.invocation()
    late.cache.set("k", "late")
    early.cache.set("k", "early")
    early.settle()
    late.settle()
    assert house.outside.get("k") == "late"


def test_cache_set_if_version_fails_the_attempt_when_somebody_was_quicker() -> None:
    """A checked set stands if nobody changed the key since its version was read."""
    house = House()
    house.outside.set("k", "first")
    one, two = house.invocation(), house.invocation()
    for each in (one, two):
        each.cache.set("other", 0)
        each.cache.set("k", "mine", if_version=each.cache.version("k"))
        assert each.cache.get("k") == "mine"
    version = house.outside.version("k")
    one.settle()
    with pytest.raises(CacheConflict) as caught:
        two.settle()
    assert (caught.value.expected, caught.value.found) == (version, house.outside.version("k"))


def test_cache_version_0_is_an_absent_key() -> None:
    """`if_version=0` creates and never overwrites; a deleted key has no old version again."""
    house = House()
    house.outside.set("k", 1, if_version=0)
    seen = house.outside.version("k")
    with pytest.raises(CacheConflict):
        house.outside.set("k", 2, if_version=0)
    house.outside.delete("k")
    assert house.outside.version("k") == 0
    house.outside.set("k", 3)
    with pytest.raises(CacheConflict):
        house.outside.set("k", 4, if_version=seen)
    assert house.outside.get("k") == 3


def test_cache_update_is_applied_when_it_settles() -> None:
    """An update function gets what is committed then, after the invocation's own writes."""
    house = House()
    one = house.invocation()
    one.cache.update("k", lambda old: (old or 0) + 1)
    one.cache.set("n", 10)
    one.cache.update("n", lambda old: old * 2)
    assert (one.cache.get("k"), one.cache.get("n")) == (1, 20)
    house.outside.set("k", 41)
    assert one.cache.get("k") == 42
    one.settle()
    assert (house.outside.get("k"), house.outside.get("n")) == (42, 20)


def test_cache_update_that_raises_fails_the_attempt() -> None:
    """What an update function raises, or a result that is not JSON, changes nothing."""
    house = House()
    several: list[Callable[[Any], object]] = [lambda _: 1 // 0, lambda _: object()]
    for bad in several:
        one = house.invocation()
        one.cache.set("other", 1)
        one.cache.update("k", bad)
        with pytest.raises((ZeroDivisionError, SerializationError)):
            one.settle()
    assert house.outside.namespaces() == []


def test_decided_effects_keep_their_order_and_company() -> None:
    """Deciding turns updates and checks into plain writes, and leaves all else in place."""
    house = House()
    one = house.invocation()
    publication = Publication("out", b"\xc0")
    task = TaskWrite("status", "t")
    one.cache.set("a", 1)
    one.held.append(publication)
    one.cache.update("a", lambda old: old + 1)
    one.held.append(task)
    one.shared.set("b", 1, if_version=0)
    effects = one.settle()
    assert effects == (
        CacheWrite("set", "default", "a", b"\x01"),
        publication,
        CacheWrite("set", "default", "a", b"\x02"),
        task,
        CacheWrite("set", "default", "b", b"\x01", True),
    )
    assert decide(house.cache, house.shared, effects) == effects


def test_shared_and_own_cache_are_two() -> None:
    """The shared cache and the run's own hold the same key apart."""
    house = House()
    one = house.invocation()
    one.cache.set("k", "own")
    one.shared.update("k", lambda old: ["shared", old])
    assert (one.cache.get("k"), one.shared.get("k")) == ("own", ["shared", None])
    one.settle()
    two = house.invocation()
    assert (two.cache.get("k"), two.shared.get("k")) == ("own", ["shared", None])


def test_a_written_value_is_the_caches_own() -> None:
    """What a writer does to a value after it was written changes nothing."""
    house = House()
    one = house.invocation()
    value, item = {"x": [1]}, [1]
    one.cache.set("k", value)
    one.cache.append("list", item)
    value["x"].append(2)
    item.append(2)
    one.settle()
    assert house.outside.get("k") == {"x": [1]}
    assert house.outside.get("list") == [[1]]


def test_append_and_increment_refuse_another_type_at_once() -> None:
    """Appending to what is no list, or incrementing what is no number, raises from the call."""
    house = House()
    one = house.invocation()
    one.cache.set("text", "x")
    one.cache.set("flag", True)
    calls: list[Callable[[], object]] = [
        lambda: one.cache.append("text", 1),
        lambda: one.cache.increment("text"),
        lambda: one.cache.increment("flag"),
        lambda: one.cache.increment("sum", "1"),  # type: ignore[arg-type]
        lambda: one.cache.increment("sum", True),
    ]
    for call in calls:
        with pytest.raises(CacheTypeError, match=r"default\.(text|flag|sum)"):
            call()
    assert len(one.held) == 2


@pytest.mark.parametrize("bad", [float("nan"), {1}, b"x", 2**64, "\ud800", {1: 2}])
def test_what_is_not_json_is_refused_at_once(bad: Any) -> None:
    """A value that cannot be kept raises from the call, naming the key."""
    cache = House().invocation().cache
    for call in (cache.set, cache.append):
        with pytest.raises(SerializationError, match=r"default\.k"):
            call("k", bad)
    with pytest.raises(DaggerError):
        cache.increment("k", bad)
    assert cache.get("k") is None


@pytest.mark.parametrize("bad", ["\ud800", 5, None])
def test_names_are_strings_that_can_be_kept(bad: Any) -> None:
    """A key or namespace that the journal could not hold is refused at once."""
    cache = House().invocation().cache
    calls: list[Callable[[], object]] = [
        lambda: cache.set(bad, 1),
        lambda: cache.set("k", 1, namespace=bad),
        lambda: cache.delete(bad),
        lambda: cache.update(bad, lambda old: old),
    ]
    for call in calls:
        with pytest.raises(SerializationError):
            call()


def test_an_appended_item_leaves_a_list_that_can_be_set() -> None:
    """Items are at most as deep as they may be inside of their list."""
    deep: Any = 1
    for _ in range(63):
        deep = [deep]
    cache = House().outside
    cache.append("k", deep)
    cache.set("k", cache.get("k"))
    with pytest.raises(SerializationError):
        cache.append("k", [deep])


def test_a_closed_context_refuses_everything() -> None:
    """After its invocation has settled a view neither reads nor writes."""
    one = House().invocation()
    cache = one.cache
    one.settle()
    calls: list[Callable[[], object]] = [
        lambda: cache.set("k", 1),
        lambda: cache.get("k"),
        lambda: cache.version("k"),
        lambda: cache.delete("k"),
        lambda: cache.append("k", 1),
        lambda: cache.increment("k"),
        lambda: cache.update("k", lambda old: old),
        cache.keys,
        cache.namespaces,
        lambda: cache.append_global("g", "k", 1),
        lambda: cache.get_global("g", "k"),
        cache.to_json,
        lambda: cache.from_json("{}"),
        lambda: cache.resolve("k"),
    ]
    for call in calls:
        with pytest.raises(ContextClosed):
            call()
    assert one.held == []


def test_a_handler_in_a_thread_may_use_its_cache() -> None:
    """Held-back writes may come from another thread."""
    house = House()
    one = house.invocation()

    def handler() -> None:
        for number in range(100):
            one.cache.append("k", number)

    thread = threading.Thread(target=handler)
    thread.start()
    thread.join()
    one.settle()
    assert house.outside.get("k") == list(range(100))


def test_global_namespaces_are_named() -> None:
    """A named global namespace is a namespace of its own."""
    cache = House().outside
    cache.append_global("dag", "results", {"x": 1})
    cache.append_global("dag", "results", 2)
    assert cache.get_global("dag", "results") == [{"x": 1}, 2]
    assert cache.get_global("other", "results", "none") == "none"
    assert cache.namespaces() == ["global:dag"]
    assert cache.resolve("global:dag.results[0].x") == 1


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), VALUES, min_size=1)))
def test_json_goes_there_and_back(document: dict[str, dict[str, Any]]) -> None:
    """`from_json(to_json())` gives the same contents to an empty cache."""
    one, two = House().outside, House().outside
    for namespace, entries in document.items():
        for key, value in entries.items():
            one.set(key, value, namespace=namespace)
    two.from_json(one.to_json(indent=2))
    assert everything(two) == document == json.loads(one.to_json())


def test_from_json_merges() -> None:
    """Keys that the text has are set, other keys stay; own changes are part of to_json."""
    one = House().invocation()
    one.cache.set("kept", 1)
    one.cache.set("changed", 1)
    one.cache.from_json('{"default": {"changed": 2}, "new": {"k": [3]}}')
    wanted = {"default": {"kept": 1, "changed": 2}, "new": {"k": [3]}}
    assert json.loads(one.cache.to_json()) == wanted


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"a": 1}', '{"a": {"k": 1, "n": NaN}}', "[" * 100_000, '{"a": {"k": 1e999}}'],
)
def test_from_json_of_another_form_sets_nothing(text: str) -> None:
    """What is not an object of objects of JSON values is refused as a whole."""
    one = House().invocation()
    with pytest.raises(SerializationError):
        one.cache.from_json(text)
    assert one.held == []


def test_resolve_follows_a_path() -> None:
    """A path names namespace and key, then members and list indices in either form."""
    cache = House().outside
    cache.set("output_value", {"items": [{"name": "x"}, {"0": "zero"}]}, namespace="node1")
    cache.set("plain", [1, [2]])
    assert cache.resolve("node1.output_value.items.0.name") == "x"
    assert cache.resolve("node1.output_value.items[0].name") == "x"
    assert cache.resolve("node1.output_value.items[1].0") == "zero"
    assert cache.resolve("plain") == [1, [2]]
    assert cache.resolve("plain[1][0]") == 2
    assert cache.resolve("default.plain.0") == 1
    cache.resolve("plain").clear()
    assert cache.resolve("plain") == [1, [2]]


@pytest.mark.parametrize(
    "path", ["", "none", "none.k", "n", "n.none", "n.k.none", "n.k.l.2", "n.k.l.-1", "n.k.l[x]"]
)
def test_resolve_says_what_is_missing(path: str) -> None:
    """A path that leads nowhere raises CacheKeyNotFound, a LookupError, with the path."""
    cache = House().outside
    cache.set("k", {"l": [1, 2]}, namespace="n")
    with pytest.raises(LookupError) as caught:
        cache.resolve(path)
    assert isinstance(caught.value, CacheKeyNotFound)
    assert repr(path) in str(caught.value)
