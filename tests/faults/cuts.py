"""Power cuts: what may be on a disk at any moment, told from what was asked of it by then.

A file holds for certain what was synced. Of what was written since, each sector may hold
any of the contents it has had, whatever the others hold, and the file may have any of its
lengths. A name in a folder is certain once the folder was synced; before that it may be
there or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from struct import Struct
from typing import NamedTuple

from tests.faults.shim import Kind

SECTOR = 512

_HEAD = Struct("=IIQQq")
"""`struct head` of the shim."""


class Entry(NamedTuple):
    """One line of a trace."""

    kind: Kind
    file: int
    object: int
    at: int
    data: bytes


def read_trace(path: Path) -> list[Entry]:
    """All that a process has asked of the disk, and has said, in order."""
    return list(_entries(path.read_bytes()))


def _entries(trace: bytes) -> Iterator[Entry]:
    at = 0
    while at < len(trace):
        kind, size, *where = _HEAD.unpack_from(trace, at)
        at += _HEAD.size + size
        file, thing, offset = where
        yield Entry(Kind(kind), file, thing, offset, trace[at - size : at])


class File:
    """What a file holds for certain, and what it may hold instead."""

    def __init__(self, content: bytes = b"") -> None:
        self._certain = bytearray(content)
        self._now = bytearray(content)
        self._sizes = [len(content)]
        self._had: dict[int, list[bytes]] = {}  # sector -> contents since the last sync

    def write(self, at: int, data: bytes, *, sync: bool = False) -> None:
        """Write something, and with `sync` make those sectors certain."""
        end = at + len(data)
        self.resize(max(end, len(self._now)))
        self._now[at:end] = data
        for sector in range(at // SECTOR, (end - 1) // SECTOR + 1):
            place = slice(sector * SECTOR, (sector + 1) * SECTOR)
            if sync:
                self._had.pop(sector, None)
                self._certain = self._certain.ljust(place.start, b"\0")
                self._certain[place] = self._now[place]
            else:
                self._had.setdefault(sector, []).append(bytes(self._now[place]))

    def resize(self, size: int) -> None:
        """Cut it short, or make it longer."""
        if size != len(self._now):
            self._now = self._now[:size].ljust(size, b"\0")
            self._sizes.append(size)

    def sync(self) -> None:
        """All of it is certain now."""
        self._certain, self._sizes, self._had = self._now[:], [len(self._now)], {}

    def any(self, random: Random) -> bytes:
        """What it may hold."""
        found = self._certain.ljust(max(self._sizes), b"\0")
        share = random.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        for sector, contents in sorted(self._had.items()):
            if random.random() < share:
                content = random.choice(contents)
                found[sector * SECTOR : sector * SECTOR + len(content)] = content
        return bytes(found[: max(len(self._certain), random.choice(self._sizes))])


class Disk:
    """A folder and all that is below it, as it is at first on the real disk."""

    def __init__(self, root: Path) -> None:
        self._root = root.stat().st_ino
        self._files: dict[int, File] = {}
        self._folders: dict[int, dict[str, int]] = {}
        self._uncertain: dict[int, list[dict[str, int]]] = {}  # changes of names since the sync
        self._load(root)

    def _load(self, folder: Path) -> None:
        names = self._folders[folder.stat().st_ino] = {}
        for each in folder.iterdir():
            names[each.name] = number = each.stat().st_ino
            if each.is_dir():
                self._load(each)
            else:
                self._files[number] = File(each.read_bytes())

    def take(self, entry: Entry, *, over: bool = True) -> None:
        """One call, which is over, or has only begun when the power is cut."""
        match entry.kind:
            case Kind.DATA | Kind.META:
                file = self._files.setdefault(entry.file, File())
                file.write(entry.at, entry.data, sync=over and entry.kind == Kind.META)
            case Kind.SIZE:
                self._files.setdefault(entry.file, File()).resize(entry.at)
            case Kind.SYNC if over:
                self._sync(entry.file)
            case Kind.NAME:
                self._name(entry)

    def _sync(self, number: int) -> None:
        if number in self._folders:
            for change in self._uncertain.pop(number, []):
                self._folders[number].update(change)
        elif number in self._files:
            self._files[number].sync()

    def _name(self, entry: Entry) -> None:
        new, _, old = entry.data.decode().partition("\0")
        if not old and entry.object:  # just made: another one may have had that number
            self._folders.pop(entry.object, None)
            self._files.pop(entry.object, None)
            if entry.at:
                self._folders[entry.object] = {}
        change = {new: entry.object} | ({old: 0} if old else {})
        self._uncertain.setdefault(entry.file, []).append(change)

    def cut(self, path: Path, random: Random) -> None:
        """Make, in a new folder, what the power cut may have left."""
        self._lay_out(self._root, path, random)

    def _lay_out(self, number: int, path: Path, random: Random) -> None:
        path.mkdir()
        share = random.choice([0.0, 0.5, 1.0])
        names = dict(self._folders[number])
        for change in self._uncertain.get(number, []):
            if random.random() < share:
                names |= change
        for name, object in names.items():
            if object in self._folders:
                self._lay_out(object, path / name, random)
            elif object:
                (path / name).write_bytes(self._files.get(object, File()).any(random))
