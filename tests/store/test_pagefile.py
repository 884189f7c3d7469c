"""A data file is looked at before LMDB is: what it would stumble over is told in words."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import lmdb
import pytest

from dagger.store import pagefile
from dagger.store.pagefile import DATA, BadFile, ForeignFile, check, findings

PAGE = 4096
LIMIT = 1 << 28


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An environment that has been written to, with pages of every kind in use and free."""
    with opened(tmp_path / "env") as env:
        for _ in worked(env, Random(1), commits=60):
            pass
    return tmp_path / "env"


@pytest.fixture
def dense(folder: Path, tmp_path: Path) -> Path:
    """The same without a free page."""
    (tmp_path / "dense").mkdir()
    with opened(folder) as env:
        env.copy(str(tmp_path / "dense"), compact=True)
    return tmp_path / "dense"


def opened(folder: Path) -> lmdb.Environment:
    """An environment that need not survive a power cut."""
    return lmdb.open(str(folder), lib_version=0, map_size=LIMIT, max_dbs=2, sync=False)


def worked(env: lmdb.Environment, random: Random, commits: int) -> Iterator[int]:
    """Put and delete at random; the number of pages after each commit."""
    names = [env.open_db(b"a"), env.open_db(b"b")]
    for _ in range(commits):
        with env.begin(write=True) as txn:
            for _ in range(random.randrange(1, 6)):
                key, db = b"%05d" % random.randrange(3000), random.choice(names)
                if random.random() < 0.6:
                    txn.put(key, bytes(random.choice([10, 300, 3000, 20_000])), db=db)
                else:
                    txn.delete(key, db=db)
            cursor = txn.cursor(names[0])
            if random.random() < 0.02 and cursor.first():
                for _ in range(200):
                    cursor.delete()
        yield env.info()["last_pgno"] + 1


def spoil(folder: Path, offset: int, content: bytes) -> None:
    """Write over a part of the file."""
    with (folder / DATA).open("rb+") as file:
        file.seek(offset)
        file.write(content)


def test_what_lmdb_has_written_is_in_order(folder: Path) -> None:
    """A file that nobody has touched passes, page by page, and nothing is found."""
    check(folder)
    check(folder, whole=True)
    assert findings(folder) == []


def test_a_new_environment_is_in_order(tmp_path: Path) -> None:
    """One without a commit passes as well."""
    lmdb.open(str(tmp_path), lib_version=0).close()
    check(tmp_path, whole=True)


def test_a_file_may_be_shorter_than_its_pages(tmp_path: Path) -> None:
    """Pages that one transaction takes and frees are never written, the last ones either."""
    with opened(tmp_path) as env:
        file = tmp_path / DATA
        pages = worked(env, Random(1), commits=3000)
        assert any(file.stat().st_size < count * PAGE for count in pages)
    check(tmp_path)
    check(tmp_path, whole=True)


def test_a_file_that_was_cut_is_found_out(dense: Path) -> None:
    """Whatever is missing of the pages in use, a look at the length alone leads to it."""
    data = (dense / DATA).read_bytes()
    for length in [*range(0, len(data), 37 * PAGE), PAGE + 1, 2 * PAGE, len(data) - 1]:
        (dense / DATA).write_bytes(data[:length])
        with pytest.raises(BadFile):
            check(dense)


@pytest.mark.parametrize(
    ("offset", "content", "problem"),
    [
        (0, b"\x05", "its page 0 is no meta page"),
        (10, b"\x02", "its page 0 is no meta page"),
        (16, b"\x00", "is no file of LMDB 0.9, or its page 0 is damaged"),
        (20, b"\x03", "is no file of LMDB 0.9"),
        (PAGE + 20, b"\x02", "or its page 1 is damaged"),
        (32, b"\xff" * 8, "page 0 has sizes that cannot be"),
        (40, b"\x01", "its pages cannot have 4097 bytes"),
        (41, b"\x00", "its pages cannot have 0 bytes"),
        (PAGE + 41, b"\x20", "do not agree on the size of a page"),
        (44, b"\x0c", "its page 0 is no meta page"),
        (PAGE + 92, b"\x04", "its page 1 is no meta page"),
        (136, b"\xff" * 8, "page 0 has sizes that cannot be"),
        (144, b"\xff", "do not follow each other"),
        (PAGE + 150, b"\xff", "do not follow each other"),
    ],
)
def test_a_damaged_meta_page_is_found_out(
    folder: Path, offset: int, content: bytes, problem: str
) -> None:
    """Each field by which all else is found is checked, at no cost."""
    spoil(folder, offset, content)
    with pytest.raises(BadFile, match=problem):
        check(folder)


def test_bits_of_the_meta_pages_are_what_they_were(tmp_path: Path) -> None:
    """A flipped one is found out, or nothing depends on it; one alone cannot be known.

    Where the number of the latest commit loses exactly two, it is the commit before the one
    before: what LMDB opens then is whole, and lacks the latest commit.
    """
    with opened(tmp_path) as env:
        for _ in worked(env, Random(3), commits=4):
            pass
    data = (tmp_path / DATA).read_bytes()
    commits = [struct.unpack_from("=Q", data, page * PAGE + 144)[0] for page in (0, 1)]
    newest, harmless = commits.index(max(commits)), set()
    for page in (0, 1):
        for at in range(page * PAGE, page * PAGE + 152):
            for bit in range(8):
                spoil(tmp_path, at, bytes([data[at] ^ 1 << bit]))
                try:
                    check(tmp_path, whole=True)
                except BadFile:
                    pass
                else:
                    if page == newest:
                        harmless.add((at % PAGE, bit))
            spoil(tmp_path, at, data[at : at + 1])
    padding = {*range(8, 10), *range(12, 16), *range(88, 92)}
    address, size = {*range(24, 32)}, {*range(32, 40)}
    assert {at for at, _ in harmless} <= padding | address | size | {144}
    assert {bit for at, bit in harmless if at == 144} <= {1}


def test_what_is_missing_or_empty_is_no_new_store(folder: Path) -> None:
    """LMDB would make both into an empty database."""
    (folder / DATA).write_bytes(b"")
    with pytest.raises(BadFile, match=r"data.mdb: it is empty"):
        check(folder)
    (folder / DATA).unlink()
    with pytest.raises(BadFile, match=r"data.mdb is missing"):
        check(folder)


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    """A file of another engine, or of none, is not called damaged."""
    lmdb.open(str(tmp_path), lib_version=1).close()
    with pytest.raises(ForeignFile, match=r"no file of LMDB 0\.9"):
        check(tmp_path)
    (tmp_path / DATA).write_bytes(b"something else" * 1000)
    with pytest.raises(ForeignFile):
        check(tmp_path)


def test_pages_are_checked_one_by_one(dense: Path) -> None:
    """The number and kind of every page in use is looked at, and the finding names the page."""
    data = (dense / DATA).read_bytes()
    heads = [struct.unpack_from("=Q2xH", data, page) for page in range(0, len(data), PAGE)]
    leaf = next(page for page, head in enumerate(heads) if page > 1 and head == (page, 2))
    spoil(dense, leaf * PAGE, b"\xff")
    check(dense)
    with pytest.raises(BadFile, match=rf"page {leaf} stores"):
        check(dense, whole=True)
    assert any(f"page {leaf} " in each for each in findings(dense))


def test_a_large_file_is_not_read_whole(dense: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a size only what could do harm is looked for, and beyond another one not even
    that, so that opening stays fast.
    """
    size = (dense / DATA).stat().st_size
    monkeypatch.setattr(pagefile, "WHOLE", size - 1)
    check(dense, whole=True)
    spoil(dense, 2 * PAGE, bytes(PAGE))
    with pytest.raises(BadFile, match="page 2 is not what was written"):
        check(dense, whole=True)
    monkeypatch.setattr(pagefile, "SKIMMED", size - 1)
    check(dense, whole=True)
    assert findings(dense)


def test_a_file_that_is_written_to_is_not_called_damaged(folder: Path, prove: bool) -> None:
    """While another one commits all the time, who holds a transaction open finds nothing."""
    over = threading.Event()
    with opened(folder) as env:

        def write() -> None:
            random, db = Random(2), env.open_db(b"a")
            while not over.is_set():
                with env.begin(write=True) as txn:
                    txn.put(b"%05d" % random.randrange(300), bytes(random.choice([9, 9999])), db=db)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(100 if prove else 20):
                check(folder)
                with env.begin():
                    check(folder, whole=True)
                    assert findings(folder) == []
        finally:
            over.set()
            writer.join()
