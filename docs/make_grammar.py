"""The page that comes from the grammar of flows: flow-grammar.md.

    python -m docs.make_grammar

writes it anew next to this file. A test fails while it says anything else than this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagger.flows.expanding import MAX_FLOWS, MAX_STEPS_WITHIN
from dagger.flows.grammar import built_ins, schema
from dagger.rules.documents.limits import MAX_BYTES, MAX_DEPTH, MAX_NODES

HERE = Path(__file__).parent

NOTICE = "<!-- Written by docs/make_grammar.py from dagger/flows/flow.schema.json: change that. -->"

HEAD = f"""\
# The grammar of flows

What a flow document may say. It is made of the JSON Schema that is shipped as
[`dagger/flows/flow.schema.json`](../dagger/flows/flow.schema.json), which documents are checked
with. [Flows](flows.md) tells how they are used, [the rules](flow-rules.md) what runs when;
[expressions](expressions.md) tells what stands between `${{{{` and `}}}}`.

A document is one YAML 1.2 mapping in UTF-8: `no` and `on` are texts, `0o17` is 15, dates stay
texts. Anchors, aliases, tags, merge keys and keys that are there twice are refused. It has at most
{MAX_BYTES // 2**20} MiB, {MAX_NODES:,} values and {MAX_DEPTH} levels, and a flow consists of at
most {MAX_FLOWS} files. The flows that its steps use come to at most {MAX_STEPS_WITHIN:,} steps,
where each is counted wherever it is used.

An editor that knows YAML schemas completes the keys where the first line of a document names the
file: `# yaml-language-server: $schema=PATH/flow.schema.json`. Where it is installed says
`python -c "import dagger.flows; print(dagger.flows.__path__[0])"`.
"""

PARTS = {
    "A step": ("step", "An entry of `steps`."),
    "A rescue step": ("rescue", "An entry of a step's `rescue`."),
    "A compensation": ("compensate", "The `compensate` of a step."),
    "Defaults": ("defaults", "The `defaults` of a flow."),
    "Resources": ("resources", "The `resources` of a step."),
    "A schedule": (
        "schedule_terms",
        "The `schedule` of a flow. A text alone is its `when`.",
    ),
    "An input": (
        "input",
        "An entry of `inputs` is a JSON Schema of draft 2020-12. Beside what that may say it has:",
    ),
}
"""The parts of a document, by the titles of their sections."""

Source = Mapping[str, Any]


def page() -> str:
    """The text of flow-grammar.md."""
    lines = [NOTICE, HEAD, "## A document", "", *_table(schema())]
    for title, (name, about) in PARTS.items():
        lines += [f"## {title}", "", about, "", *_table(schema()["$defs"][name])]
    lines += [
        "## Built-ins",
        "",
        "What every step may use, with the arguments that `with` gives it.",
        "",
    ]
    for name in built_ins():
        source = schema()["$defs"][f"with_{name.replace('.', '_')}"]
        lines += [f"### {name}", "", source["description"], "", *_table(source)]
    return "\n".join(lines).rstrip() + "\n"


def _table(source: Source) -> Iterator[str]:
    required = source.get("required", ())
    yield from ("| key | | |", "|---|---|---|")
    for name, each in source["properties"].items():
        must = ", required" if name in required else ""
        yield f"| `{name}` | {_cell(_kind(each) + must)} | {_cell(_about(each))} |"
    yield ""


def _kind(source: Source) -> str:
    """What a value must be."""
    resolved = {**_target(source), **source}
    title: str = resolved.get("title") or "any value"
    return title


def _about(source: Source) -> str:
    resolved = {**_target(source), **source}
    about: str = resolved.get("description", "")
    if "default" in resolved:
        about += f" Without it: `{json.dumps(resolved['default'])}`."
    return about


def _target(source: Source) -> Source:
    name = source.get("$ref", "").removeprefix("#/$defs/")
    found: Source = schema()["$defs"][name] if name else {}
    return found


def _cell(text: str) -> str:
    return text.replace("|", "&#124;").replace("<", "&lt;")


def main() -> None:
    """Write the page."""
    (HERE / "flow-grammar.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
