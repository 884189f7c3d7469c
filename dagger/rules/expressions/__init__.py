"""Expressions in texts: `${{ steps.fetch.output.items[0].id }}`.

- `template`: any value with expressions in it, compiled once and rendered often; start here
- `nodes`: its parts: texts, lists, mappings, and the expressions in them
- `tokens`: the words of an expression, and where it ends
- `tree`: what they mean, checked before anything is worked out; `paths`: what it refers to
- `evaluator`: how it is worked out, by `walk` where it is more than a path
- `operators`, `functions`: what it can do
- `data`: the values there are, the way into them, and their text
- `limits`: how much of everything
- `refusal`: how one part tells another that it will not

docs/expressions.md tells it to whoever writes them.
"""

from dagger.rules.expressions.nodes import Reference
from dagger.rules.expressions.template import (
    Known,
    Template,
    check,
    compiled,
    condition,
    escaped,
    problems,
)

__all__ = [
    "Known",
    "Reference",
    "Template",
    "check",
    "compiled",
    "condition",
    "escaped",
    "problems",
]
