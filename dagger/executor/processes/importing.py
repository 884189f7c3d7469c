"""How a worker process finds the handler it is to call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from dagger.authoring.finding import named
from dagger.authoring.placing import Importable
from dagger.executor.processes.begins import ProgramBegins, importing
from dagger.executor.processes.parcels import MAIN, Program
from dagger.words.errors import ExecutionError

GUARD = 'put what only a program does below `if __name__ == "__main__":`'


def handler(program: Program, at: Importable) -> Callable[..., Any]:
    """The function of an agent. Raises ExecutionError."""
    module = main_module(program) if at.module == "__main__" else _module(at)
    function = named(module, at.name)
    if not callable(function):
        raise ExecutionError(f"there is no function {at.name!r} in {at.file}, as it is imported")
    return function  # type: ignore[no-any-return]


def main_module(program: Program) -> ModuleType:
    """The main module of a program, run up to where it starts an executor.

    That is as far as it had come when its agents began to work.
    """
    if MAIN in sys.modules:
        return sys.modules[MAIN]
    if program.file is None:
        raise ExecutionError("the program comes from no file that a worker process could import")
    module = ModuleType(MAIN)
    module.__file__, module.__package__ = program.file, program.package
    sys.modules[MAIN] = sys.modules["__main__"] = module
    with importing() as progress:
        try:
            source = Path(program.file).read_bytes()
            exec(compile(source, program.file, "exec", dont_inherit=True), vars(module))
        except BaseException as error:
            if not progress.begun:
                del sys.modules[MAIN]
                raise _failed(program.file, error) from error
    return module


def _module(at: Importable) -> ModuleType:
    with importing() as progress:
        try:
            return _imported(at)
        except BaseException as error:
            if isinstance(error, ProgramBegins) or progress.begun:
                problem = f"{at.file} starts an executor as it is imported; {GUARD}"
                raise ExecutionError(problem) from None
            raise _failed(at.file, error) from error


def _imported(at: Importable) -> ModuleType:
    """A module by its name, or by its file: `dagger run` imports one whose name is taken."""
    try:
        module = import_module(at.module)
        if getattr(module, "__file__", None) == at.file:
            return module
    except ModuleNotFoundError as error:
        if error.name is None or not f"{at.module}.".startswith(f"{error.name}."):
            raise  # it is there, and what it imports is not
    spec = spec_from_file_location(at.module, at.file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[at.module] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[at.module]
        raise
    return module


def _failed(file: str, error: BaseException) -> ExecutionError:
    return ExecutionError(f"a worker process cannot import {file}: {error!r}")
