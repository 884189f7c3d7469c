"""What files take from each other, so that it stays where they look for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger_agents.code_review import (
    Options,
    Source,
    improve,
    review_source,
    taken_among,
    taken_from,
)


@pytest.mark.parametrize(
    "text",
    [
        "from shelf import os",
        "from house.shelf import (json,\n  os)",
        "from .shelf import os as system",
        "from .shelf import *",
        "import house.shelf\nhouse.shelf.os.getcwd()",
        "import house.shelf as s\ns.os",
        "from house import shelf as s\ndef f(s=s): return s.os",
        "patch('house.shelf.os.getcwd')",
    ],
)
def test_an_import_that_another_file_takes_stays(text: str) -> None:
    """However it takes it; without that file it would go."""
    shelf = "import os\nx = 1\n"
    other = Source(Path("house/other.py"), text, "utf-8")
    taken = taken_from(Path("house/shelf.py"), taken_among([other]))
    assert improve(shelf, review_source(shelf))[0] == "x = 1\n"
    review = review_source(shelf, options=Options(taken=taken))
    assert improve(shelf, review)[0] == shelf
    assert [each.is_fixable for each in review.issues] == [False]


def test_what_is_taken_from_others_may_go() -> None:
    """A name counts for the module that it stands beside, and broken files take nothing."""
    texts = ("import os\nos.shelf", "from desk import os", "'desk.os'", "def (:", "shelf, os")
    others = [Source(Path("other.py"), each, "utf-8") for each in texts]
    assert taken_from(Path("shelf.py"), taken_among(others)) == frozenset()


def test_a_package_is_called_as_its_folder(tmp_path: Path) -> None:
    """What is taken from it stands in its `__init__`."""
    others = [Source(Path("other.py"), "from house import os", "utf-8")]
    assert taken_from(tmp_path / "house" / "__init__.py", taken_among(others)) == {"os"}
