"""A review: what is found in one source text."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dagger_agents.code_review.complexity import Complexity, complexities
from dagger_agents.code_review.fixes import UNUSED_IMPORT, Fixes, fixes_for, imported
from dagger_agents.code_review.functions import Function, functions_of
from dagger_agents.code_review.imports import needed_by_doctests
from dagger_agents.code_review.issues import Issue
from dagger_agents.code_review.numbers import number_issues
from dagger_agents.code_review.options import DEFAULTS, Options
from dagger_agents.code_review.ruff import Diagnostic, diagnostics
from dagger_agents.code_review.rules import BROKEN, SYNTAX_ERROR, UNREADABLE, rule
from dagger_agents.code_review.score import score
from dagger_agents.code_review.smells import smells
from dagger_agents.code_review.suggestions import Suggestion, suggestions_of
from dagger_agents.code_review.syntax import parse


@dataclass(frozen=True, slots=True)
class Review:
    """What is found in one file."""

    file: str
    """Its name, as it was given."""
    functions: tuple[Function, ...]
    """Its functions."""
    complexities: tuple[Complexity, ...]
    """The complexity of each of them."""
    issues: tuple[Issue, ...]
    """What is not as it should be, in the order of lines."""
    score: float
    """From 0 to 10; see the module `score`."""
    options: Options = field(default=DEFAULTS, repr=False)
    """What it was reviewed by."""
    problems: tuple[str, ...] = ()
    """What could not be done when it was improved, and why."""

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What to do, what matters most first."""
        return suggestions_of(self.file, self.issues)

    @property
    def is_broken(self) -> bool:
        """Whether the file could not be looked at: it has one issue, which says why."""
        return any(each.code in BROKEN for each in self.issues)


def review_source(text: str, file: str = "source.py", options: Options = DEFAULTS) -> Review:
    """What is found in a source text; nothing of it is run. `file` is what it is called.

    What is no Python, or what the tools cannot read, has one issue, and 0 points.
    """
    try:
        return _review(text, file, options)
    except (SyntaxError, RecursionError) as error:
        return _broken(file, _syntax_error(error), options)
    except OSError:  # the tools are not there: no file can be looked at
        raise
    except Exception as error:  # of a tool; whatever it is, the other files are to be looked at
        return unreadable(file, said(error), options)


def unreadable(file: str, why: str, options: Options = DEFAULTS) -> Review:
    """What is found in a file that cannot be read: that, and 0 points."""
    return _broken(file, Issue(UNREADABLE, rule(UNREADABLE).priority, 1, 1, why), options)


def said(error: Exception) -> str:
    """An error in one line."""
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}"


def _review(text: str, file: str, options: Options) -> Review:
    tree, functions = parse(text), functions_of(text)
    measured = complexities(text, functions)
    found = [
        *_linted(diagnostics(text, file), tree, functions, options),
        *(
            issue
            for function, complexity in zip(functions, measured, strict=True)
            for issue in smells(function, complexity, options)
        ),
        *number_issues(tree, text, options),
    ]
    issues = tuple(sorted(found, key=lambda each: (each.line, each.column, each.code)))
    return Review(file, functions, measured, issues, score(issues, measured, options), options)


def _broken(file: str, issue: Issue, options: Options) -> Review:
    return Review(file, (), (), (issue,), score((issue,), (), options), options)


def _syntax_error(error: SyntaxError | RecursionError) -> Issue:
    return Issue(
        code=SYNTAX_ERROR,
        priority=rule(SYNTAX_ERROR).priority,
        line=getattr(error, "lineno", None) or 1,
        column=getattr(error, "offset", None) or 1,
        message=getattr(error, "msg", "nested too deep"),
    )


def _linted(
    found: Sequence[Diagnostic], tree: ast.Module, functions: Sequence[Function], options: Options
) -> Iterator[Issue]:
    fixes = fixes_for(tree, found, options)
    unused = any(each.code == UNUSED_IMPORT for each in found)
    needed = needed_by_doctests(tree) if unused else ()
    for each in found:
        used = each.code == UNUSED_IMPORT and imported(each) in needed
        if each.code and not used:  # what ruff itself cannot read, Python can
            yield _issue(each, _holder(each.line, functions), fixes)


def _issue(found: Diagnostic, function: str, fixes: Fixes) -> Issue:
    return Issue(
        code=found.code,
        priority=rule(found.code).priority,
        line=found.line,
        column=found.column,
        message=found.message,
        function=function,
        advice=found.advice,
        is_fixable=fixes.admit(found),
    )


def _holder(line: int, functions: Sequence[Function]) -> str:
    """The qualified name of the innermost function that a line is in."""
    before = functions[: bisect_right(functions, line, key=lambda each: each.first_line)]
    return next((each.qualified_name for each in reversed(before) if line <= each.end_line), "")
