"""News from feeds, damaged ones and repeats among them, today and tomorrow, and through crashes."""

from __future__ import annotations

import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from dagger import Executor, Report, Store, run
from dagger.testing import Crash, assert_conserved, explore_crashes, simulated
from tests.conftest import Figures
from tests.examples import programs
from tests.examples.programs import EXAMPLES, ROOT, loaded, promised, survives

feedparser = pytest.importorskip("feedparser", reason="the extra `examples` is not installed")

NEWS = EXAMPLES / "news" / "news.py"
CORPUS = ROOT / ".corpus"
"""Where `make ci-deps` puts the sources of feedparser, with the feeds of its tests."""

FEEDS = {
    "island.rss": """\
<?xml version="1.0"?>
<rss version="2.0"><channel><title>The island</title>
<item><title>The ferry is late</title><link>https://island.example/late</link>
<description>&lt;p&gt;A &lt;b&gt;delay&lt;/b&gt; of an hour.&lt;/p&gt;</description>
<pubDate>Fri, 20 Nov 2026 08:00:00 +0100</pubDate></item>
<item><title>A lost dog</title><guid isPermaLink="false">dog</guid></item>
</channel></rss>
""",
    "mainland.atom": """\
<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>The mainland</title>
<entry><id>urn:1</id><title>Ferry delayed</title><link href="https://island.example/late"/>
<updated>2026-11-20T09:00:00Z</updated></entry>
<entry><id>urn:2</id><title>New clock in the square</title>
<updated>2026-11-21T09:00:00Z</updated><summary>It shows the time.</summary></entry>
</feed>
""",
    "torn.rss": """\
<rss version="2.0"><channel><title>Torn</title>
<item><title>Archive found in a disk</title><link>https://torn.example/1</link></item>
<item><title>Half of a
""",
    "old/page.xml": "<html><body>404: there is no feed here</body></html>",
    "readme.txt": "not looked at",
}
"""What the output of the example is about: file and content."""


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    """A folder of feeds."""
    for name, text in FEEDS.items():
        path = tmp_path / "feeds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "feeds"


def test_it_prints_its_output(feeds: Path, tmp_path: Path) -> None:
    """Of known feeds it says what is written at its end: no repeats, and what it could not read."""
    assert programs.run(NEWS, feeds, tmp_path / "out") == (promised(NEWS), "")


def test_tomorrow_it_tells_only_what_is_new(feeds: Path, tmp_path: Path) -> None:
    """What has been told is not told again by another process; what has come since is."""
    programs.run(NEWS, feeds, tmp_path / "out")
    text = FEEDS["island.rss"].replace("A lost dog", "A found dog").replace(">dog<", ">found<")
    (feeds / "island.rss").write_text(text, encoding="utf-8")
    said, _ = programs.run(NEWS, feeds, tmp_path / "out")
    assert [line for line in said.splitlines() if line.startswith("- ")] == [
        "- A found dog, The island"
    ]


def test_a_digest_is_a_feed(feeds: Path, tmp_path: Path) -> None:
    """What it writes it can read: the same entries, and nothing wrong with it."""
    programs.run(NEWS, feeds, tmp_path / "out")
    [digest] = (tmp_path / "out").glob("*.atom")
    entries, damage = reading().read(str(digest))
    assert damage == ""
    assert [each.title for each in entries] == [
        "Archive found in a disk",
        "New clock in the square",
        "The ferry is late",
        "A lost dog",
    ]


def test_the_command_reads_our_own_feeds() -> None:
    """Without arguments the feeds are those of Dagger, and nothing is wrong with them."""
    said, _ = programs.run("-m", "dagger", "run", NEWS)
    assert " completed after " in said
    assert "Dagger: decisions" in said
    assert "Dagger: changes" in said
    assert "damaged:" not in said


def test_nothing_is_told_twice_after_a_crash(feeds: Path, prove: bool) -> None:
    """Whichever write its process dies at, each entry is in one digest, and in one place there."""
    whole = run(loaded(NEWS).agents, "rounds", {"feeds": str(feeds)}).outputs

    async def main(store: Store) -> Report:
        async with simulated(*loaded(NEWS).agents, store=store) as executor:
            return await executor.run("rounds", {"feeds": str(feeds)}, run_id="round")

    check = survives(main, whole)
    if prove:
        assert explore_crashes(check) > 20
    else:
        for write in (2, 9, 16):
            check(Crash(write, lingering=write % 2 == 0))


async def test_a_whole_corpus_of_feeds_is_read(
    tmp_path: Path, prove: bool, figures: Figures
) -> None:
    """Of thousands of feeds, malformed ones too, each is read or named, and no entry told twice."""
    archives = sorted(CORPUS.glob("feedparser-*.tar.gz"))
    if not archives:
        pytest.skip("the feeds of feedparser's own tests are not there: make ci-deps")
    corpus = unpacked(archives[-1], tmp_path)
    files = [path for path in corpus.rglob("*") if path.suffix in reading().SUFFIXES]
    if not prove:
        for path in files[200:]:
            path.unlink()
        files = files[:200]
    async with Executor(loaded(NEWS).agents) as executor:
        report = await executor.run("rounds", {"feeds": str(corpus)}, run_id="corpus")
        damaged = executor.live("corpus").cache.keys(namespace="damaged")
    assert report.ok
    assert_conserved(report)
    read = report.agents["reader"].dispositions
    assert read.get("ok", 0) + read.get("dead", 0) == len(files)
    told = report.agents["sorter"].dispositions["ok"]
    none = read.get("dead", 0)
    figures(f"{len(files)} feeds, {none} of them none, {len(damaged)} damaged; {told} entries")


def unpacked(archive: Path, folder: Path) -> Path:
    """The feeds of an archive."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return next(folder.glob("feedparser-*/tests"))


def reading() -> ModuleType:
    """The module of the example that reads and writes feeds."""
    return loaded(NEWS.with_name("feeds.py"))
