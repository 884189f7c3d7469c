"""`python -m tests.samples.make` makes a sample store of today's format that is not there yet.

Those that are there stay as they are: a newer Dagger has to read what an older one wrote.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import mkdtemp

import anyio

from dagger.store.layout import FORMAT
from tests.samples import calling, later, work
from tests.samples.facts import facts

HERE = Path(__file__).parent

SAMPLES: dict[str, Callable[[Path, Path], Awaitable[None]]] = {
    f"format-{FORMAT}": work.made,
    f"format-{FORMAT}-later": later.made,
    f"format-{FORMAT}-calls": calling.made,
}
"""By name, what makes a store at one path, and a copy of it amid its work at another."""


async def main() -> None:
    """Each that is missing, and what is known of it."""
    for name, make in SAMPLES.items():
        made = HERE / name
        if made.exists():
            continue
        await make(Path(mkdtemp()) / "store", made)
        found = facts(made)
        (made / "journal" / "lock.mdb").unlink(missing_ok=True)
        (made / "facts.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    anyio.run(main)
