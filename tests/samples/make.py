"""`python -m tests.samples.make` makes the sample store of today's format, once for each format."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import mkdtemp

import anyio

from dagger import Executor
from dagger.store.layout import FORMAT
from tests.samples.facts import facts
from tests.samples.work import AGENTS, CONFIG, gone, make

HERE = Path(__file__).parent


async def main() -> None:
    """A store in the midst of its work, and what is known of it."""
    made = HERE / f"format-{FORMAT}"
    path = Path(mkdtemp()) / "store"
    async with Executor([*AGENTS, gone], store=path, config=CONFIG) as executor:
        await make(executor)
        await executor.backup(made)
    found = facts(made)
    (made / "journal" / "lock.mdb").unlink(missing_ok=True)
    (made / "facts.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    anyio.run(main)
