"""--input: a payload as it is given on a command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from dagger.cli.exits import Refused


def read_payload(given: str) -> Any:
    """The value of JSON text, of the file after an "@", or of stdin for "-". Raises Refused."""
    text, origin = _text(given)
    try:
        return json.loads(text)
    except ValueError as error:
        hint = "" if origin else "; a text needs quotes of its own: '\"like this\"'"
        raise Refused(f"--input{origin} is not JSON: {error}{hint}") from error


def _text(given: str) -> tuple[str, str]:
    """The text, and how to name where it comes from."""
    if given == "-":
        return sys.stdin.read(), " from stdin"
    if not given.startswith("@"):
        return given, ""
    try:
        return Path(given[1:]).read_text(encoding="utf-8-sig"), f" from {given[1:]}"
    except (OSError, ValueError) as error:
        raise Refused(f"--input cannot be read: {error}") from error
