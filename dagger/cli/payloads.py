"""--input and --payload: a payload as it is given on a command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from dagger.cli.exits import Refused


def read_payload(given: str, option: str = "--input") -> Any:
    """The value of JSON text, of the file after an "@", or of stdin for "-". Raises Refused."""
    text, origin = _read(given, option)
    try:
        return json.loads(text)
    except ValueError as error:
        hint = "" if origin else "; a text needs quotes of its own: '\"like this\"'"
        raise Refused(f"{option}{origin} is not JSON: {error}{hint}") from error


def read_text(given: str, option: str) -> str:
    """The text itself, that of the file after an "@", or stdin for "-". Raises Refused."""
    return _read(given, option)[0]


def _read(given: str, option: str) -> tuple[str, str]:
    """The text, and how to name where it comes from."""
    if given == "-":
        return sys.stdin.read(), " from stdin"
    if not given.startswith("@"):
        return given, ""
    try:
        return Path(given[1:]).read_text(encoding="utf-8-sig"), f" from {given[1:]}"
    except (OSError, ValueError) as error:
        raise Refused(f"{option} cannot be read: {error}") from error
