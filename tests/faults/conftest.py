"""Every process that a test here starts has the shim, built by the machine's compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("shim.c")


@pytest.fixture(scope="package", autouse=True)
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes are forked off a server that has the shim; those of other tests are not."""
    with _preloaded(_build(tmp_path_factory.mktemp("shim"))):
        yield


def _build(folder: Path) -> Path:
    """The library, in a folder."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("the shim wants Linux and a C compiler")
    library = folder / "shim.so"
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, "-o", library, SOURCE, "-ldl"], check=True)
    return library


@contextmanager
def _preloaded(library: Path) -> Iterator[None]:
    _end_server()
    modules = forkserver._forkserver._preload_modules  # type: ignore[attr-defined]
    forkserver.set_forkserver_preload([*modules, "tests.faults.workload"])
    os.environ["LD_PRELOAD"] = str(library)
    try:
        forkserver.ensure_running()
        del os.environ["LD_PRELOAD"]
        yield
    finally:
        os.environ.pop("LD_PRELOAD", None)
        _end_server()


def _end_server() -> None:
    """The next process that is wanted starts another one."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
