"""Deep research over a fixed folder: what is found, how it goes round, and that it survives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dagger import Report, Store, run
from dagger.testing import Crash, explore_crashes, simulated
from tests.examples import programs
from tests.examples.programs import EXAMPLES, loaded, promised, survives

pytest.importorskip("bm25s", reason="the extra `examples` is not installed")
pytest.importorskip("snowballstemmer", reason="the extra `examples` is not installed")

RESEARCH = EXAMPLES / "research" / "research.py"

FOLDER = {
    "harbour.md": """\
# The harbour

The harbour has two piers. Ferries leave from the north pier at seven and at noon.

## In a storm

In a storm no ferry leaves. The harbour master raises a red flag on the north pier; as long as it
is there, ships stay where they are. See [the lighthouse](lighthouse.txt).

```text
flag = red
```
""",
    "lighthouse.txt": """\
The lighthouse was built in 1822. Its lamp burned oil until 1931, and is electric now.

The keeper lights the lamp at dusk. When there is fog, a horn sounds twice a minute.

Since 1986 there is no keeper any more: a computer in the harbour office switches the lamp.
""",
    "island/tickets.md": """\
# Tickets

- A ticket is valid for one day.
- If no ferry leaves, the office pays the ticket back.
- Dogs travel free.
""",
    "island/map.png": "no text",
}
"""What the output of the example is about: file and content."""

QUESTION = promised(RESEARCH).partition("\n")[0]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder of three texts and a picture."""
    for name, text in FOLDER.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(tmp_path)


def test_it_prints_its_output(folder: str) -> None:
    """Asked about a known folder it finds what is written at its end, as a program."""
    assert programs.run(RESEARCH, folder, QUESTION) == (promised(RESEARCH), "")


def test_it_goes_round_until_nothing_is_lacking(folder: str) -> None:
    """Each round looks for what the one before has left open, and there are no more of them."""
    report = asked(folder, QUESTION)
    rounds = [node for node in report.tree.nodes() if node.agent == "reasoner"]
    assert [node.status for node in rounds if node.status == "ok"] == ["ok", "ok"]
    [case] = report.outputs["answers"]
    assert (case["round"], case["lacking"]) == (2, [])
    assert case["unknown"] == ["unicorn"]


def test_a_question_about_nothing_that_is_there_ends_at_once(folder: str) -> None:
    """What no document has is told, and nobody goes round for it."""
    [case] = asked(folder, "Is the moon a balloon?").outputs["answers"]
    assert (case["round"], case["quotes"]) == (1, [])
    assert case["unknown"] == ["moon", "balloon"]


def test_an_empty_folder_has_no_answer(tmp_path: Path) -> None:
    """Where there is no text, all is unknown."""
    [case] = asked(str(tmp_path), QUESTION).outputs["answers"]
    assert (case["quotes"], case["lacking"], case["covered"]) == ([], [], 0)


def test_the_command_answers_from_our_own_pages(tmp_path: Path) -> None:
    """Without arguments the documents are the pages of Dagger; each quote names one of them."""
    store = tmp_path / "store"
    command = ("-m", "dagger", "run", RESEARCH, "--store", store, "--run-id", "question")
    answer, _ = programs.run(*command)
    assert " completed after " in answer
    assert re.search(r"^   \[\S+\.md\b", answer, re.MULTILINE)
    again, remark = programs.run(*command)
    assert (again, "ended" in remark) == (answer, True)


def test_the_answer_is_the_same_after_a_crash(folder: str, prove: bool) -> None:
    """Whichever write its process dies at, the next one finds the same."""
    whole = asked(folder, QUESTION).outputs

    async def main(store: Store) -> Report:
        async with simulated(*loaded(RESEARCH).agents, store=store) as executor:
            return await executor.run("questions", case(folder, QUESTION), run_id="question")

    check = survives(main, whole)
    if prove:
        assert explore_crashes(check) > 30
    else:
        for write in (2, 9, 20):
            check(Crash(write, lingering=write % 2 == 0))


def asked(folder: str, question: str) -> Report:
    """The report of a whole run."""
    report = run(loaded(RESEARCH).agents, "questions", case(folder, question))
    assert report.ok
    return report


def case(folder: str, question: str) -> dict[str, Any]:
    """The first message."""
    return {"folder": folder, "question": question}
