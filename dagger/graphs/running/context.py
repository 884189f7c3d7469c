"""What a node is given as `ctx`: the context of any handler, and the state of its branch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from dagger.authoring.context import Context
from dagger.authoring.questions import NO_DEFAULT
from dagger.graphs.merging import Reducers
from dagger.graphs.model import Node
from dagger.graphs.shape import Shape, build, fields_of, foreign, has_fields
from dagger.graphs.values import View
from dagger.rules.derive import written
from dagger.rules.nearest import meant
from dagger.rules.violation import violation_at
from dagger.words.errors import ArgumentsRefused, StateRefused
from dagger.words.payload import decode, encode

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation

T = TypeVar("T")

_ABSENT: Any = object()

_NOTHING = View()
"""The state before it is known which node it is of."""


class NodeContext(Context):
    """The context of one visit of a node.

    What it changes in the state takes effect when the node has completed, in the order in which
    it was said, and before what the node returns.
    """

    __slots__ = (
        *("_added", "_changes", "_node", "_own", "_reducers", "_removed", "_shape", "_state"),
        "_types",
    )

    def __init__(self, invocation: Invocation) -> None:
        super().__init__(invocation)
        self._state = _NOTHING
        self._shape: Shape | None = None
        self._node = ""
        self._own: dict[str, bytes | None] = {}
        self._changes: list[tuple[str, Any]] = []
        self._removed: list[str] = []
        self._added: list[tuple[Node, tuple[str, ...]]] = []
        self._reducers: Reducers = {}
        self._types: dict[str, Callable[..., Any]] = {}  # of values that are no plain data

    @property
    def node(self) -> str:
        """The name of the node."""
        return self._node

    # -- the state -------------------------------------------------------------------

    def get_state(self, key: str, default: Any = None) -> Any:
        """A copy of a value of the state, or `default` where there is none."""
        blob = self._own[key] if key in self._own else self._state.blob(key)
        return default if blob is None else decode(blob)

    def has_state(self, key: str) -> bool:
        """Whether the state has a key."""
        return self.get_state(key, _ABSENT) is not _ABSENT

    def set_state(self, key: str, value: Any) -> None:
        """Set a key of the state; one with a reducer is updated with the value instead.

        Raises StateRefused for a key that the state has not, or a value that it cannot have, and
        what a reducer raises.
        """
        self._guard()
        blob = encode(value, self._node)
        plain = decode(blob)
        if self._shape is not None:
            self._shape.check(key, plain, self._node)
        if key in self._reducers:
            blob = encode(self._reducers[key](self.get_state(key), decode(blob)), self._node)
        self._own[key] = blob
        self._changes.append((key, plain))

    def remove_state(self, key: str) -> None:
        """Remove a key from the state, if it is there."""
        self._guard()
        self._own[key] = None
        self._changes = [each for each in self._changes if each[0] != key]
        self._removed.append(key)

    def set_typed(self, key: str, value: Any) -> None:
        """Set a key to a dataclass or a pydantic model.

        Raises ArgumentsRefused where its fields are not what the class says, and StateRefused as
        `set_state` does, and for what is neither.
        """
        if not is_dataclass(value) and not hasattr(type(value), "model_fields"):
            problem = f"{value!r} is no dataclass and no pydantic model; set_state(...) takes it"
            raise StateRefused(self._node, key, problem)
        said = written(value, type(value), self._node)
        build(type(value), said)
        self._set_built(key, value, said)

    def _set_built(self, key: str, value: Any, said: Any) -> None:
        self.set_state(key, said)
        self._types[key] = type(value)

    def get_typed(self, key: str, type: Callable[..., T]) -> T:
        """The value of a key as a dataclass or a pydantic model, or as any other type has it.

        Raises StateRefused where there is none, ArgumentsRefused if it is no such value.
        """
        value = self.get_state(key, _ABSENT)
        if value is _ABSENT:
            raise StateRefused(self._node, key, "it is not there")
        made: T = build(type, value)
        if has_fields(type):
            self._types[key] = type
        return made

    def update_typed(self, key: str, of: Callable[..., Any] | None = None, /, **fields: Any) -> Any:
        """Change some fields of a dataclass or a pydantic model, checked; the value then.

        Its type is `of`, or else what the type of the state says, or `get_typed` or `set_typed` in
        this visit.
        Raises StateRefused where nobody says it, where it is a type without fields, where the key
        is not there, and for a field that the type has not, be it given or in the value;
        ArgumentsRefused for a value that does not fit.
        """
        of = of or self._types.get(key) or (self._shape.annotation(key) if self._shape else None)
        if of is None:
            problem = f"nobody has said of what type it is: update_typed({key!r}, Type, ...)"
            raise StateRefused(self._node, key, problem)
        if not has_fields(of):
            problem = (
                f"{of!r} is no dataclass and no pydantic model; set_state(...) takes all of it"
            )
            raise StateRefused(self._node, key, problem)
        known, called = fields_of(of), getattr(of, "__name__", of)
        for name in fields:
            if name not in known:
                problem = f"{called} has no field {name!r}{meant(name, known)}"
                raise StateRefused(self._node, key, problem)
        value = self.get_state(key, _ABSENT)
        if value is _ABSENT:
            raise StateRefused(self._node, key, "it is not there")
        if not isinstance(value, dict):
            problem = f"it is no mapping, which a value of {called} is kept as"
            raise ArgumentsRefused(*violation_at((), "type", problem, value))
        if lost := foreign(of, value):
            problem = f"it has {lost[0]!r}, which {called} has no field for and would drop"
            raise StateRefused(self._node, key, problem)
        made = build(of, {**value, **_as_kept(of, fields)})
        self._set_built(key, made, written(made, of, self._node))
        return made

    # -- people ----------------------------------------------------------------------

    async def human_in_the_loop(
        self,
        prompt: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  it outlives any scope
        validator: Callable[[Any], Any] | None = None,
        default: Any = NO_DEFAULT,
        choices: list[Any] | None = None,
        to: str = "",
    ) -> Any:
        """Ask a person, and wait for the answer (see `Context.ask`)."""
        return await self.ask(
            prompt, timeout=timeout, validator=validator, default=default, choices=choices, to=to
        )

    # -- nodes -----------------------------------------------------------------------

    def add_node(self, name: str, uses: str, *, then: str | tuple[str, ...] = ()) -> str:
        """A node that is added to this run: it calls the function of `uses`, and `then` follows.

        Its name, to be returned or gone to. It takes effect when this node has completed.
        """
        self._guard()
        targets = (then,) if isinstance(then, str) else tuple(then)
        self._added.append((Node(name, uses=uses), targets))
        return name

    # -- for who calls the node ------------------------------------------------------

    def bind(self, node: str, view: View, shape: Shape, reducers: Reducers) -> None:
        """The node it is of, and the state that its branch sees."""
        self._node, self._state, self._shape, self._reducers = node, view, shape, reducers

    def said(self) -> tuple[list[tuple[str, Any]], list[str], list[tuple[Node, tuple[str, ...]]]]:
        """What it has changed and removed, and the nodes that it has added."""
        return self._changes, self._removed, self._added

    def seen(self) -> Mapping[str, bytes | None]:
        """Its own changes, encoded."""
        return self._own


def _as_kept(of: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by the names that they are kept under: of a pydantic model, their aliases."""
    known = getattr(of, "model_fields", {})
    return {(name in known and known[name].alias) or name: each for name, each in fields.items()}
