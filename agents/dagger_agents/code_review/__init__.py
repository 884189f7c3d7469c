"""Code review: what is found in Python, what to do about it, and what of that can be done safely.

Pure functions, which run nothing of what they look at: `review_source(text)` gives a `Review`,
with functions and their complexity, issues, suggestions and a score from 0 to 10; `improve(text,
review)` gives a text that means the same and has no lower score, and the review of that. `read`,
`files_in` and `changed_files` say where texts come from, `taken_among` what they need of each
other, and `as_text`, `as_json` and `as_markdown` how reviews read.

It needs the extra `review`.

- what is looked at: `sources`, `syntax`, `functions`
- what is found: `complexity`, `smells`, `numbers`, `ruff`; what is said of it: `issues`, `rules`,
  `suggestions`, `score`; all of it: `review`, by `options`
- what may be changed of what ruff finds: `fixes`, with `imports`, and `taking` by other files
- what is changed: `improving`, with the `transformations`
- all of it as a graph that a run of Dagger carries out: `reviewer`
- how it reads: `reports`
"""

from dagger_agents.code_review.complexity import Complexity, complexities
from dagger_agents.code_review.functions import Function, functions_of
from dagger_agents.code_review.improving import improve, improve_until
from dagger_agents.code_review.issues import Issue, Priority
from dagger_agents.code_review.options import Options
from dagger_agents.code_review.reports import FORMATS, as_json, as_markdown, as_text
from dagger_agents.code_review.review import Review, review_source, unreadable
from dagger_agents.code_review.reviewer import Reviewing, code_reviewer, review_all
from dagger_agents.code_review.score import mean
from dagger_agents.code_review.sources import Source, changed_files, files_in, read
from dagger_agents.code_review.suggestions import Suggestion
from dagger_agents.code_review.taking import taken_among, taken_from

__all__ = [
    "FORMATS",
    "Complexity",
    "Function",
    "Issue",
    "Options",
    "Priority",
    "Review",
    "Reviewing",
    "Source",
    "Suggestion",
    "as_json",
    "as_markdown",
    "as_text",
    "changed_files",
    "code_reviewer",
    "complexities",
    "files_in",
    "functions_of",
    "improve",
    "improve_until",
    "mean",
    "read",
    "review_all",
    "review_source",
    "taken_among",
    "taken_from",
    "unreadable",
]
