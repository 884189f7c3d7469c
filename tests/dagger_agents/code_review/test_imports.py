"""Imports that nothing in the code needs: which go, which stay, and which are needed after all."""

from __future__ import annotations

import ast
import subprocess
import sys
from textwrap import dedent

import pytest

from dagger_agents.code_review import review_source
from dagger_agents.code_review.imports import FLAT, PACKAGES, needed_by_doctests, staying
from dagger_agents.code_review.transformations.ruff_fixes import with_ruff_fixes


def fixed(text: str) -> str:
    """A text without the imports that can go."""
    return with_ruff_fixes(text, review_source(text))


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("import os", ""),
        ("import os, fixtures, sys", "import fixtures\n"),
        ("import os as sys", ""),
        ("from typing import Any, List", ""),
        ("from os.path import join as put", ""),
        ("from collections.abc import Iterator", ""),
        ("import logging", ""),
        ("def f():\n    import os", "def f():\n    pass\n"),
        ("if f:\n    import os", "if f:\n    pass\n"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from io import BytesIO", None),
    ],
)
def test_what_gives_names_only_goes(line: str, after: str | None) -> None:
    """Of the standard library, wherever it stands."""
    if after is None:
        after = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\n"
    assert fixed(f"{line}\nx = 1\n") == f"{after}x = 1\n"


@pytest.mark.parametrize(
    "line",
    [
        "import plugins",  # registers itself, perhaps
        "from fixtures import shelf",  # pytest looks for it by its name
        "from . import models",
        "from .helpers import put, os",
        "import readline",  # changes what `input` does
        "import logging.handlers",  # others find it in `logging`
        "from unittest import mock",
        "try:\n    import tomllib\nexcept Exception:\n    x = 2",
        "from os import *",
        "class A:\n    import os",  # a member
        "def f():\n    global os\n    import os",
        "import os\nx = 'os.getcwd()'",
        "import sys\npatch('shelf.sys.argv')",
        "import os\nf'{__name__}.os'",
        "import os\n__all__ = []\n__all__ += ['os']",
        "import os\neval(input())",
        "import os\nx = globals()",
        "import os\nimport sys\nx = dict(sys.modules[__name__])",
        "import os\nx = __import__('shelf').__dict__",
        'import os\ndef f():\n    """Where.\n\n    >>> os.sep\n    """',
        "import os\n__test__ = {'os': '>>> os.sep'}",
    ],
)
def test_what_could_be_noticed_stays(line: str) -> None:
    """It is told where ruff finds it, and not said to be mended."""
    text = f"{line}\nx = 1\n"
    assert fixed(text) == text
    unused = [each for each in review_source(text).issues if each.code == "F401"]
    assert not any(each.is_fixable for each in unused)


def test_what_only_examples_use_is_used() -> None:
    """There is nothing to complain of: doctest finds it in the module."""
    text = dedent(
        '''
        """Where.

        >>> import json
        >>> json.loads(
        ...     os.sep)
        time
        """
        import os
        from shelf import json
        import time
        '''
    )
    found = review_source(text).issues
    assert [(each.line, each.code, each.is_fixable) for each in found] == [(11, "F401", True)]
    assert needed_by_doctests(ast.parse(text)) == {"os", "shelf.json"}


def test_an_import_has_the_name_that_ruff_gives_it() -> None:
    """Or else it could not be said that it stays."""
    text = "import a.b, c as d\nfrom e.f import g as h\nfrom . import i\nfrom ..j import k\n"
    names = staying(ast.parse(text))
    assert names == {"a.b", "c", "e.f.g", ".i", "..j.k"}
    told = [each.message for each in review_source(text).issues if each.code == "F401"]
    assert {each.split("`")[1] for each in told} == names


def test_where_one_of_a_package_stays_so_do_others() -> None:
    """Ruff cannot be told of relative ones; what is not done is not said to be."""
    text = "import os\nfrom . import models\nx = 1\n"
    review = review_source(text)
    assert [each.is_fixable for each in review.issues] == [False, False]
    assert with_ruff_fixes(text, review) == text


def test_modules_that_do_nothing_do_nothing() -> None:
    """All of them are there, and importing them says nothing and starts nothing."""
    assert {each.split(".")[0] for each in FLAT | PACKAGES} <= sys.stdlib_module_names
    imports = "\n".join(f"import {each}" for each in sorted(FLAT | PACKAGES))
    program = f"{imports}\nprint(threading.active_count(), 'readline' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert (ended.stdout, ended.stderr) == ("1 False\n", "")
