"""Documents: YAML or JSON that anybody may have written, read with care.

A flow and a graph are written down in such documents, and both are read here; what a document
means is for its own room to say. On the way from bytes to plain data it comes through:

- `limits`: what it may not exceed, looked at before anything is parsed; and its file, of which no
  more is read than that
- `escapes`: what JSON writes otherwise than YAML
- `parsing`: YAML to a `tree` that knows where each of its values stands; anchors, aliases, tags,
  merge keys and keys that are there twice are refused, and nothing is ever constructed
- `scalars`: what a plain one means in YAML 1.2, in which `no` and `on` are texts
- `structure`: the tree against a grammar, which is a JSON Schema, made into a `rule`

and `writing` is the way back: what it writes is read as it was.

Each step goes on behind what is wrong, so that all of it is told at once: a `Problem` says what,
with the line and column and with the path from the top of the document. It is told, never raised;
what the error is called is for the rooms above. docs/decisions/0018-yaml.md tells why it is done
so.

    text = text_of(content_of(Path("flow.yml")))  # or the Problem
    tree, problems = parse_tree(text, "flow")
    data, misfits = fitted(tree, grammar.whole)

What is found out of the data afterwards has a path (`Found`); `findings` says where that stands.
"""
