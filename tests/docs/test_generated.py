"""Pages and pictures that come from the code are what it makes of them now."""

from __future__ import annotations

import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

import dagger
from dagger.words.config import Config
from docs import make_feeds, make_grammar, make_reference
from docs.pictures.make import PICTURES, TIMELINES
from tests.docs.pages import DOCS, ROOT

MAKERS = {
    "reference.md": make_reference.reference,
    "configuration.md": make_reference.configuration,
    "flow-grammar.md": make_grammar.page,
}

needs_graphviz = pytest.mark.skipif(
    shutil.which("dot") is None, reason="Graphviz is not installed: no `dot` on the PATH"
)


@pytest.mark.parametrize("name", MAKERS)
def test_pages_are_up_to_date(name: str) -> None:
    """A generated page says what the code says; if not, run `make docs`."""
    assert (DOCS / name).read_text("utf-8") == MAKERS[name]()


@pytest.mark.parametrize("name", make_feeds.FEEDS)
def test_feeds_are_up_to_date(name: str) -> None:
    """A feed tells what the pages tell; if not, run `python -m docs.make_feeds`."""
    assert (DOCS / "feeds" / name).read_text("utf-8") == make_feeds.FEEDS[name]()


def test_every_public_name_is_described() -> None:
    """Whatever can be imported from `dagger` is in the reference, under its name."""
    text = (DOCS / "reference.md").read_text("utf-8")
    for name in dagger.__all__:
        assert re.search(rf"^(?:### {name}|\| \*\*`{name}`\*\* \|.*)$", text, re.M), name


def test_every_field_is_told() -> None:
    """Each field and value that the reference lists says what it is."""
    lines = (DOCS / "reference.md").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("| `") and line.endswith("|  |")] == []


def test_every_member_is_told() -> None:
    """Each method and property that the reference lists is described, not only named."""
    text = (DOCS / "reference.md").read_text("utf-8")
    text = re.sub(r"```.*?```|^`[^`]*`$", "", text, flags=re.DOTALL | re.MULTILINE)  # signatures
    assert re.findall(r"^#### (.*)\s+(?=#|\Z)", text, re.M) == []


def test_settings_without_effect_are_marked() -> None:
    """A setting that nothing looks at is told apart from those that do something."""
    source = code()
    idle = {name for name in Config.model_fields if not re.search(rf"config\.{name}\b", source)}
    assert idle == set(make_reference.WITHOUT_EFFECT)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_up_to_date(name: str) -> None:
    """A picture shows what its program does now; if not, run `python -m docs.pictures.make`."""
    committed = (DOCS / "pictures" / f"{name}.dot").read_text("utf-8")
    assert shape(PICTURES[name]()) == shape(committed)


@needs_graphviz
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_drawn_from_their_source(name: str) -> None:
    """Each SVG is what Graphviz draws of the DOT source next to it, and is small."""
    picture = DOCS / "pictures" / f"{name}.svg"
    source = picture.with_suffix(".dot")
    drawn = subprocess.run(["dot", "-Tsvg", source], capture_output=True, check=True).stdout
    assert words(picture.read_bytes()) == words(drawn)
    assert picture.stat().st_size < 40_000


@pytest.mark.parametrize("name", TIMELINES)
def test_timelines_are_up_to_date(name: str) -> None:
    """A timeline shows what happens now, byte for byte; if not, see above."""
    drawn = TIMELINES[name]()
    assert (DOCS / "pictures" / f"{name}.svg").read_text("utf-8") == drawn
    assert len(drawn) < 20_000


def code() -> str:
    """All of the package but the settings themselves."""
    files = sorted((ROOT / "dagger").rglob("*.py"))
    return "\n".join(path.read_text("utf-8") for path in files if path.name != "config.py")


def shape(source: str) -> list[str]:
    """The statements of a DOT source, without numbers and times."""
    return sorted(re.sub(r"[\d.,]+( µs| ms| s)?", "#", line) for line in source.splitlines())


def words(svg: bytes) -> list[str]:
    """The texts in a picture, however it is laid out."""
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return sorted(text.text or "" for text in texts)
