"""DOT source into a file, through Graphviz."""

from __future__ import annotations

from pathlib import Path

from dagger.words.errors import ExecutionError

SOURCE = frozenset({"dot", "gv"})
"""Formats that are the source itself and need no Graphviz."""


def render(source: str, path: str | Path, format: str | None = None) -> Path:
    """Write the picture of `source` to `path`, and give the path back.

    `format` is one that Graphviz knows (svg, png, pdf, ...) or "dot" and "gv" for the
    source itself; without it the path's suffix decides. Raises ExecutionError where
    there is no format, or Graphviz's `dot` is missing or refuses.
    """
    path = Path(path)
    wanted = (format or path.suffix.removeprefix(".")).lower()
    if not wanted:
        raise ExecutionError(f"{path} has no suffix to tell the format; pass format='svg'")
    path.write_bytes(source.encode() if wanted in SOURCE else drawn(source, wanted))
    return path


def drawn(source: str, wanted: str) -> bytes:
    """The picture of `source` in a format that Graphviz knows. Raises what `render` does."""
    import graphviz

    try:
        picture: bytes = graphviz.Source(source).pipe(format=wanted, quiet=True)
    except ValueError as error:
        raise ExecutionError(f"Graphviz knows no format {wanted!r}; try svg, png or pdf") from error
    except graphviz.ExecutableNotFound as error:
        raise ExecutionError(
            "drawing needs Graphviz's program `dot`, which is not on the PATH; install Graphviz "
            "(https://graphviz.org/download), or take the source from to_dot()"
        ) from error
    except graphviz.CalledProcessError as error:
        raise ExecutionError(f"Graphviz could not draw the picture: {error}") from error
    return picture
