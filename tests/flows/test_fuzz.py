"""The loader takes whatever it is given: it says what is wrong, or gives a flow."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from dagger.flows import dump, parse
from dagger.words.errors import FlowError
from tests.conftest import Figures
from tests.flows.test_bad_documents import BAD

GOOD = """\
name: good
inputs: {month: {type: string, default: "11"}, token: {secret: true, default: ""}}
defaults: {retry: linear:2, timeout: 30}
steps:
  - id: login
    uses: http.request
    with: {url: "http://localhost/${{ inputs.month }}", json: {a: [1, 2.5, null, true]}}
  - id: fetch
    uses: fetch
    foreach: ${{ steps.login.output.pages }}
    with: {page: "${{ item }}"}
    compensate: {uses: drop, with: {id: "${{ steps.fetch.output }}"}}
    rescue: [{id: again, uses: ask, with: {question: again?}, when: steps.fetch.error.type == 'X'}]
output: |
  of ${{ steps.fetch.output }}
schedule: {when: 0 4 * * *, timezone: Europe/Paris}
"""

PIECES = [
    *("[", "]", "{", "}", ":", ",", "-", "? ", "& a", "*a", "!", "|", ">", "'", '"', "%", "@", "`"),
    *("${{", "}}", "${{ steps.", "\n", "\n  ", "\t", " ", "#", "---\n", "...\n", "<<: ", "~", "\r"),
    *("0x", "1e999", ".inf", "steps", "needs: [", "id: a", "uses: ", "with: {", "\x00", "\u2028"),
    *("\ufeff", "\U0001f600", "\ud800", "{" * 70, "[" * 600, "- " * 80, "a" * 5_000),
]

SECONDS = 30
"""How long it goes on where proof is wanted."""


def mutated(dice: random.Random, text: str) -> str:
    """A text with some of it cut out, doubled, moved or spoilt."""
    for _ in range(dice.choice([1, 1, 1, 2, 6])):
        at = dice.randint(0, len(text))
        end = at + dice.choice([0, 0, 1, 3, 40])
        way = dice.choice(["cut", "double", "spoil", "move"])
        if way == "double":
            made = text[at:end] * dice.randint(2, 9)
        elif way == "spoil":
            made = dice.choice(PIECES)
        else:
            made = dice.choice(SEEDS)[at:end] if way == "move" else ""
        text = (text[:at] + made + text[end:])[:20_000]
    return text


EVERY = [
    """
name: every
inputs: {a: {type: string, default: x}, s: {type: string, secret: true}}
defaults: {retry: linear:2, timeout: 3, on_error: fail, priority: 2, resources: {cpu: 1}}
steps:
  - id: a
    uses: shell
    with: {command: [x, "${{ inputs.a }}"], env: {A: b}, cwd: /, input: y}
    retry: {kind: linear, delay: 2, max_attempts: 3}
    idempotency_key: k${{ run.id }}
    compensate: {uses: sleep, with: {until: "2027-01-01T00:00:00Z"}, retry: immediate, timeout: 2}
  - {id: b, uses: ask, needs: a, with: {question: q, choices: [a], default: a}}
  - {id: c, uses: wait_for, with: {channel: c, key: k, timeout: 3}}
  - {id: d, uses: publish, with: {channel: c, payload: {x: 1}, headers: {h: v}, delay: 1, ttl: 3}}
  - {id: e, uses: sleep, with: {seconds: 1}, cache: 60, when: "${{ inputs.a != '' }}"}
schedule: {when: every 1h, misfire: one, overlap: skip, jitter: 3, inputs: {a: q}}
"""
]

SEEDS = [GOOD, *(bad.text for bad in BAD)]


def test_the_loader_neither_fails_nor_hangs(prove: bool, figures: Figures) -> None:
    """Thousands of spoilt documents: each is a flow, or a FlowError whose places are in it."""
    dice = random.Random(5)
    until, rounds, flows, longest = time.monotonic() + SECONDS, 0, 0, 0.0
    while time.monotonic() < until if prove else rounds < 600:
        text = mutated(dice, dice.choice([GOOD, dice.choice(SEEDS)]))
        started = time.process_time()
        flows += is_flow(text)
        longest = max(longest, time.process_time() - started)
        rounds += 1
    assert longest < 5, "no document of this size takes long"
    assert 0 < flows < rounds
    figures(f"{rounds:,} spoilt documents, {flows:,} of them flows; {longest:.2f} s at most")


VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**70, "", "x", "a b", [], [None], [1, "x"], {}, {"a": None}),
    *("${{ inputs.month }}", "${{", "${{ secrets.X }}", "2027-01-01T00:00:00Z", "./y.yml", "shell"),
    *({"uses": 5}, {"id": []}, {"kind": None}, {"type": {}}, [[[]]], {"x": [1, {"z": "${{ q }}"}]}),
]


def with_others(dice: random.Random, value: Any) -> Any:
    """A document with other values of other kinds in some of its places."""
    value = copy.deepcopy(value)
    for _ in range(dice.choice([1, 1, 2, 3])):
        places = list(_places(value))
        if not places:
            break
        above, key = dice.choice(places)
        if dice.random() < 0.8:
            above[key] = copy.deepcopy(dice.choice(VALUES))
        elif isinstance(above, dict):
            above[dice.choice(["with", "uses", "id", "until", "needs", "secret", "type"])] = 5
            del above[key]
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(pairs):
        yield value, key
        if isinstance(each, dict | list):
            yield from _places(each)


def test_values_of_other_kinds_are_refused(prove: bool, figures: Figures) -> None:
    """Documents with values of other kinds somewhere are flows, or are told what is wrong."""
    dice = random.Random(7)
    seeds = [yaml.safe_load(dump(parse(each))) for each in [GOOD, *EVERY]]
    until, rounds, flows = time.monotonic() + SECONDS / 3, 0, 0
    while time.monotonic() < until if prove else rounds < 300:
        flows += is_flow(json.dumps(with_others(dice, dice.choice(seeds))))
        rounds += 1
    assert 0 < flows < rounds
    figures(f"{rounds:,} documents with values of other kinds, {flows:,} of them flows")


def is_flow(text: str) -> bool:
    """Whether a text is a flow; if not, its problems are within it."""
    try:
        flow = parse(text)
    except FlowError as error:
        lines = text.count("\n") + text.count("\r") + 2
        wrong = [each for each in error.problems if not (0 < each.line <= lines and each.column)]
        if wrong or not error.problems:
            pytest.fail(f"{wrong} of {text!r}")
        return False
    except Exception as error:
        raise AssertionError(f"of {text!r}") from error
    assert parse(dump(flow)) == flow, text
    return True


@pytest.mark.parametrize(
    "piece", ["[", "{a: ", "- ", "? ", "a:\n ", "'", "&a ", "!a ", "|\n ", "\\"]
)
def test_repetition_costs_no_time(piece: str) -> None:
    """A piece of YAML forty thousand times is refused, or read, in less than five seconds."""
    started = time.process_time()
    with pytest.raises(FlowError):
        parse(piece * 40_000)
    assert time.process_time() - started < 5
