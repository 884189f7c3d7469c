"""What the pages refer to is there: files, headings, and names of the public face."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import dagger
from dagger.authoring.cache import CacheView
from dagger.authoring.tasks import TaskView
from dagger.executor.letters import DeadLetters
from dagger.executor.schedules import Schedules
from dagger.views.topology import Topology
from dagger.views.tree import ExecutionTree
from dagger.words import errors
from tests.docs.pages import PAGES, ROOT, Page

HOLDERS = {
    "agent": dagger.Agent,
    "Agent": dagger.Agent,
    "cache": CacheView,
    "Config": dagger.Config,
    "ctx": dagger.Context,
    "Context": dagger.Context,
    "dead_letters": DeadLetters,
    "executor": dagger.Executor,
    "Executor": dagger.Executor,
    "live": dagger.LiveRun,
    "LiveRun": dagger.LiveRun,
    "Message": dagger.Message,
    "registry": dagger.Registry,
    "Registry": dagger.Registry,
    "report": dagger.Report,
    "Report": dagger.Report,
    "schedules": Schedules,
    "shared": CacheView,
    "tasks": TaskView,
    "topology()": Topology,
    "tree": ExecutionTree,
}
"""What pages write before a dot, and what it is then an attribute of."""

OF_GRAPHS = {"ctx": dagger.NodeContext, "report": dagger.GraphReport}
"""The same on the pages about graphs, where it is something else."""


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """A relative link names a file that is there, and a heading that this file has."""
    page = PAGES[name]
    for target in page.links():
        if not target.startswith(("https://", "http://")):
            path, _, anchor = target.partition("#")
            file = (page.path.parent / path).resolve() if path else page.path
            assert file.exists(), f"{name} links to {target}"
            assert not anchor or anchor in anchors(file), f"{name} links to {target}"


@pytest.mark.parametrize("name", PAGES)
def test_names_in_the_text_exist(name: str) -> None:
    """Attributes that the prose writes as code, such as `ctx.publish`, are there."""
    holders = HOLDERS | (OF_GRAPHS if name.startswith("docs/graph") else {})
    for holder, attribute in named(PAGES[name], holders):
        kind = holders[holder]
        known = {*dir(kind), *getattr(kind, "__annotations__", ())}
        assert attribute in known, f"{name} writes {holder}.{attribute}"


def test_the_rust_table_names_what_is_here() -> None:
    """Names that the table puts on our side are public, or handed out by what is."""
    text = PAGES["docs/from-the-rust-crate.md"].text
    reference = PAGES["docs/reference.md"].text
    for row in re.findall(r"^\| (.+) \|$", text, re.M):
        ours = re.split(r"(?<!\\) \| ", row)[1] if " | " in row else ""
        for word in re.findall(r"`([A-Z]\w+)`", ours):
            known = hasattr(errors, word) or f"### {word}\n" in reference
            assert known, f"{word!r} in {row!r}"


def anchors(file: Path) -> set[str]:
    """The headings of a page, as links name them."""
    return PAGES[str(file.relative_to(ROOT))].anchors


def named(page: Page, known: Mapping[str, type]) -> Iterator[tuple[str, str]]:
    """(holder, attribute) for each dotted name in code spans of the prose."""
    blocks = re.compile(r"^```.*?^```$", re.M | re.S)
    holders = "|".join(re.escape(each) for each in known)
    for span in re.findall(r"`([^`\n]+)`", blocks.sub("", page.text)):
        if not span.startswith("dagger."):
            yield from re.findall(rf"\b({holders})\.([a-z_]+)", span)
