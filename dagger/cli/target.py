"""FILE.py[:NAME], imported: from what a user types to a module."""

from __future__ import annotations

import re
import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from dagger.cli.exits import Refused
from dagger.words.errors import DaggerError

METAVAR = "FILE.py[:NAME]"

FRAMES = 5
"""Calls that a short traceback shows."""

_HERE = str(Path(__file__).parent)

_TARGET = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w+))?")


def imported(target: str) -> tuple[ModuleType, str | None]:
    """The module of a target, and the name in it if there is one.

    The file's folder comes first on sys.path, as it does for `python FILE.py`. Raises
    Refused, and what of Dagger's errors the file raises.
    """
    match = _TARGET.fullmatch(target)
    if match is None:
        hint = "; flows are for `dagger flow run`" if target.endswith((".yml", ".yaml")) else ""
        raise Refused(f"{target!r} is not a Python file; write FILE.py or FILE.py:NAME{hint}")
    path = Path(match["path"])
    if not path.is_file():
        raise Refused(f"there is no file {str(path)!r}")
    return _imported(path.resolve(), target), match["name"]


def _imported(path: Path, target: str) -> ModuleType:
    # A file may be called as a module that is loaded already, such as json.py.
    name = path.stem if path.stem not in sys.modules else f"__{path.stem}__"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (DaggerError, KeyboardInterrupt):
        raise
    except SystemExit as error:
        problem = f"it calls sys.exit({error.code!r}) while it is imported; "
        hint = 'put what only a script does below `if __name__ == "__main__":`'
        raise Refused(f"{target} cannot be imported: {problem}{hint}") from error
    except BaseException as error:
        raise Refused(f"{target} cannot be imported\n{short_traceback(error)}") from error
    return module


def short_traceback(error: BaseException) -> str:
    """Where an error of a user's file comes from, without what is only the way there."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if _told(each.filename)]
    shown = traceback.format_list(frames[-FRAMES:])
    return "".join([*shown, *traceback.format_exception_only(error)]).rstrip()


def _told(filename: str) -> bool:
    return not filename.startswith((_HERE, "<frozen importlib"))
