"""What a user holds of a cache: inside an invocation, or outside of all.

Inside, writes are held back until the invocation settles, and reads see what is
committed at that moment plus the invocation's own writes. Outside, each write takes
effect at once. A value that is read is the caller's own copy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from dagger.state.cache import Cache, Entry, changed
from dagger.words.effects import CacheWrite, Commit, Effect
from dagger.words.errors import CacheConflict, CacheKeyNotFound, CacheTypeError, SerializationError
from dagger.words.payload import encode, string

DEFAULT_NAMESPACE = "default"
_GLOBAL = "global:"


class PendingUpdate(NamedTuple):
    """`update(key, fn)`: the function runs when the invocation settles."""

    namespace: str
    key: str
    function: Callable[[Any], Any]
    shared: bool


class PendingCheck(NamedTuple):
    """`set(if_version=)`: the write stands only if the committed version is this one then."""

    write: CacheWrite
    version: int


Change = CacheWrite | PendingUpdate | PendingCheck
Held = Effect | PendingUpdate | PendingCheck
"""What an invocation holds back until it settles."""

_UNDECIDED = frozenset({PendingUpdate, PendingCheck})


def decide(cache: Cache, shared: Cache, held: Sequence[Held]) -> tuple[Effect, ...]:
    """The effects that held-back changes amount to, against what is committed now.

    Update functions run, versions are checked; everything else, also what is no change
    of a cache, stays as it is, in its place. Call it and apply the result in one step.
    Raises CacheConflict, SerializationError, and whatever an update function raises.
    """
    if _UNDECIDED.isdisjoint(map(type, held)):
        return cast("tuple[Effect, ...]", tuple(held))
    drafts = {False: _Draft(lambda: cache), True: _Draft(lambda: shared)}
    return tuple([_decided(each, drafts) for each in held])


def _decided(change: Held, drafts: dict[bool, _Draft]) -> Effect:
    if not isinstance(change, Change):
        return change
    if isinstance(change, PendingUpdate):
        entry = drafts[change.shared].entry(change.namespace, change.key)
        write = _updated(entry, change)
    elif isinstance(change, PendingCheck):
        write = _checked(drafts[change.write.shared].committed(), change)
    else:
        write = change
    drafts[write.shared].add(write)
    return write


def _updated(entry: Entry | None, change: PendingUpdate) -> CacheWrite:
    """The write that an update function makes of what is there."""
    value = change.function(None if entry is None else entry.value())
    blob = _encoded(change.namespace, change.key, value)
    return CacheWrite("set", change.namespace, change.key, blob, change.shared)


def _checked(committed: Cache, change: PendingCheck) -> CacheWrite:
    write = change.write
    found = _version(committed.entry(write.namespace, write.key))
    if found != change.version:
        raise CacheConflict(write.namespace, write.key, change.version, found)
    return write


def _encoded(namespace: str, key: str, value: Any) -> bytes:
    who = f"cache {namespace}.{key}"
    return encode(value, who)


def _version(entry: Entry | None) -> int:
    return 0 if entry is None else entry.version


class _Draft:
    """A committed cache as it will look with some own changes on top of it."""

    __slots__ = ("_own", "committed")

    def __init__(self, committed: Callable[[], Cache]) -> None:
        self.committed = committed
        self._own: dict[str, dict[str, list[CacheWrite | PendingUpdate]]] = {}

    def add(self, change: Change) -> None:
        """One more own change; what it overwrites is forgotten."""
        write = change.write if isinstance(change, PendingCheck) else change
        own = self._own.setdefault(write.namespace, {})
        if isinstance(write, CacheWrite) and write.op in ("set", "delete"):
            own[write.key] = [write]
        else:
            own.setdefault(write.key, []).append(write)

    def entry(self, namespace: str, key: str) -> Entry | None:
        """What the key would hold; its version means nothing yet."""
        entry = self.committed().entry(namespace, key)
        for change in self._own.get(namespace, {}).get(key, ()):
            write = _updated(entry, change) if isinstance(change, PendingUpdate) else change
            entry = changed(entry, write, 0)
        return entry

    def keys(self, namespace: str) -> list[str]:
        """The keys that would be there: committed ones first, then own ones."""
        keys, own = self.committed().keys(namespace), self._own.get(namespace)
        if not own:
            return keys
        known = dict.fromkeys([*keys, *own])
        return [key for key in known if key not in own or self.entry(namespace, key) is not None]

    def namespaces(self) -> list[str]:
        """The namespaces that would hold at least one key."""
        known = dict.fromkeys([*self.committed().namespaces(), *self._own])
        return [name for name in known if self.holds(name)]

    def holds(self, namespace: str) -> bool:
        """Whether the namespace would hold at least one key."""
        if namespace in self._own:
            return bool(self.keys(namespace))
        return namespace in self.committed()


def unguarded() -> None:
    """The guard of a view that is never closed."""


class CacheView:
    """Namespaces of keys and their values, which are plain JSON data.

    Every call is plain, never awaited, and may come from the invocation's own thread.
    A namespace exists while it has keys; where none is named, it is "default".

    Changes join the effects that an invocation has `held` back; without it (outside of
    all) they go through `commit`, and what fails then raises from the call. `guard` is
    called first by every call, and raises once the context is closed.
    """

    __slots__ = ("_commit", "_draft", "_guard", "_held", "_shared")

    def __init__(
        self,
        committed: Callable[[], Cache],
        commit: Commit,
        *,
        shared: bool,
        held: list[Any] | None = None,
        guard: Callable[[], None] = unguarded,
    ) -> None:
        self._draft = _Draft(committed)
        self._commit = commit
        self._shared = shared
        self._held = held
        self._guard = guard

    def set(
        self,
        key: str,
        value: Any,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        if_version: int | None = None,
    ) -> None:
        """Put `value` under the key; whoever settles last wins.

        With `if_version` (0: the key must be absent) it fails with CacheConflict if the
        committed version is another one when the change takes effect. Raises
        SerializationError for what is not JSON.
        """
        write = self._write("set", namespace, key, _encoded(namespace, key, value))
        self._change(write if if_version is None else PendingCheck(write, if_version))

    def get(self, key: str, default: Any = None, *, namespace: str = DEFAULT_NAMESPACE) -> Any:
        """A fresh copy of the key's value, or `default` where it is absent."""
        entry = self._entry(namespace, key)
        return default if entry is None else entry.value()

    def version(self, key: str, *, namespace: str = DEFAULT_NAMESPACE) -> int:
        """The committed version of the key, for `set(if_version=)`; 0 where it is absent.

        It grows with every change of the key. Own changes count once they take effect.
        """
        self._guard()
        return _version(self._draft.committed().entry(namespace, key))

    def delete(self, key: str, *, namespace: str = DEFAULT_NAMESPACE) -> None:
        """Remove the key, if it is there."""
        self._change(self._write("delete", namespace, key))

    def append(self, key: str, item: Any, *, namespace: str = DEFAULT_NAMESPACE) -> None:
        """Add `item` at the end of a list, which starts with it if the key is absent.

        Costs the same however long the list is. Appends of several invocations are all
        kept, in the order in which they settle. Raises CacheTypeError if the key holds
        something else now; if it holds something else by the time this takes effect, a
        list of this item takes its place.
        """
        blob = _encoded(namespace, key, [item])[1:]  # checked in its list, whose head is a byte
        write = self._write("append", namespace, key, blob)
        entry = self._entry(namespace, key)
        if entry is not None and not entry.is_list:
            raise CacheTypeError(namespace, key, f"cannot append to {_kind(entry)}")
        self._change(write)

    def increment(self, key: str, by: float = 1, *, namespace: str = DEFAULT_NAMESPACE) -> None:
        """Add `by`, which may be negative, to a number, which starts from 0.

        Increments of several invocations all count. Raises CacheTypeError if the key holds
        something else now; if it holds something else by the time this takes effect, `by`
        takes its place. A sum beyond 64 bits goes on as a float.
        """
        write = self._write("increment", namespace, key, _encoded(namespace, key, by))
        if not Entry(0, write.value).is_number:
            raise CacheTypeError(namespace, key, f"cannot increment by a {type(by).__name__}")
        entry = self._entry(namespace, key)
        if entry is not None and not entry.is_number:
            raise CacheTypeError(namespace, key, f"cannot increment {_kind(entry)}")
        self._change(write)

    def update(
        self,
        key: str,
        fn: Callable[[Any], Any],
        *,
        namespace: str = DEFAULT_NAMESPACE,
    ) -> None:
        """Put `fn(value)` under the key, where value is what it holds when this takes effect.

        `fn` gets None for an absent key. It must be pure, quick and no `async def`: it is
        called when this takes effect, and for each look at the key before that. What it
        raises fails the attempt.
        """
        self._change(PendingUpdate(*_place(namespace, key), fn, self._shared))

    def keys(self, namespace: str = DEFAULT_NAMESPACE) -> list[str]:
        """The keys of a namespace, in the order in which they came; none if it is absent."""
        self._guard()
        return self._draft.keys(namespace)

    def namespaces(self) -> list[str]:
        """The namespaces that hold at least one key."""
        self._guard()
        return self._draft.namespaces()

    def append_global(self, name: str, key: str, value: Any) -> None:
        """`append` to a key of the global namespace `name`, which is "global:<name>"."""
        self.append(key, value, namespace=_GLOBAL + name)

    def get_global(self, name: str, key: str, default: Any = None) -> Any:
        """`get` of a key of the global namespace `name`."""
        return self.get(key, default, namespace=_GLOBAL + name)

    def to_json(self, indent: int | None = None) -> str:
        """All of it as JSON: an object of namespaces, each an object of keys and values."""
        found = {
            namespace: {key: entry.value() for key, entry in self._entries(namespace)}
            for namespace in self.namespaces()
        }
        return json.dumps(found, indent=indent, ensure_ascii=False)

    def from_json(self, text: str) -> None:
        """Set every key that `text`, in the form of `to_json`, has; other keys stay.

        Raises SerializationError, and sets nothing, if it has another form.
        """
        writes = [
            self._write("set", namespace, key, _encoded(namespace, key, value))
            for namespace, key, value in _parsed(text)
        ]
        self._change(*writes)

    def resolve(self, path: str) -> Any:
        """The value at "namespace.key", and inside it along "key.items.0" or "key.items[0]".

        A path whose first part is no namespace, or that has one part only, starts with a
        key of the default namespace. Names with a dot inside are for `get`. Raises
        CacheKeyNotFound, which is a LookupError.
        """
        parts = re.sub(r"\[(\d+)\]", r".\1", path).split(".")
        namespace = DEFAULT_NAMESPACE
        if len(parts) > 1 and self._draft.holds(parts[0]):
            namespace, *parts = parts
        entry = self._entry(namespace, parts[0])
        if entry is None:
            raise CacheKeyNotFound(path, tuple(self.keys(namespace)))
        value = entry.value()
        for part in parts[1:]:
            value = _inside(value, part, path)
        return value

    def _change(self, *changes: Change) -> None:
        """Hold the changes back, in call order; or make them true."""
        self._guard()
        if self._held is None:
            committed = self._draft.committed
            self._commit(lambda: decide(committed(), committed(), changes))
            return
        for change in changes:
            self._draft.add(change)
            self._held.append(change)

    def _write(self, op: str, namespace: str, key: str, blob: bytes = b"") -> CacheWrite:
        return CacheWrite(op, *_place(namespace, key), blob, self._shared)

    def _entry(self, namespace: str, key: str) -> Entry | None:
        self._guard()
        return self._draft.entry(namespace, key)

    def _entries(self, namespace: str) -> Iterator[tuple[str, Entry]]:
        for key in self.keys(namespace):
            entry = self._entry(namespace, key)
            if entry is not None:  # another thread may have removed it
                yield key, entry


def _place(namespace: str, key: str) -> tuple[str, str]:
    return string(namespace, "cache namespace"), string(key, "cache key")


def _kind(entry: Entry) -> str:
    return f"what it holds, a {type(entry.value()).__name__}; set or delete it first"


def _inside(value: Any, part: str, path: str) -> Any:
    """The member of an object or list that one part of a path names."""
    if isinstance(value, dict) and part in value:
        return value[part]
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    raise CacheKeyNotFound(path, hint=f"{part!r} is not there in a {type(value).__name__}")


def _parsed(document: str) -> Iterator[tuple[str, str, Any]]:
    """Namespace, key and value of each entry of a cache's JSON."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise SerializationError("$", f"not JSON: {error}", "from_json") from None
    for namespace, entries in _members(found, "$"):
        for key, value in _members(entries, f"$.{namespace}"):
            yield namespace, key, value


def _members(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        problem = f"expected an object, found a {type(value).__name__}"
        raise SerializationError(path, problem, "from_json")
    yield from value.items()
