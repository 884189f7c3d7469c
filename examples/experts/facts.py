"""The facts about a package: what anybody can count in its source, and nobody need believe."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BRANCHES = {ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler}
BRANCHES |= {ast.comprehension, ast.match_case}
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.Match)


@dataclass
class Function:
    """The facts about a function; what is in the functions inside it is theirs."""

    place: str
    """Module, line and name."""
    name: str
    lines: int
    parameters: int
    ways: int
    """Ways through it: McCabe's complexity."""
    depth: int
    """How many blocks are inside each other."""
    documented: bool
    bound: list[str]
    """The names it gives to things, parameters first."""
    leans_on: list[str]
    """The names it uses that its module has imported."""
    mentions: int = 0
    """How often its name is used in the package."""


@dataclass
class Facts:
    """What a reader tells of a module."""

    functions: list[Function]
    used: list[str]
    """Every name and attribute in it, as often as it is used."""


def facts(path: str) -> Facts:
    """Read a module."""
    tree = ast.parse(Path(path).read_bytes(), path)
    nodes = list(ast.walk(tree))
    imports = {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    used = names + [node.attr for node in nodes if isinstance(node, ast.Attribute)]
    functions = [
        measured(node, Path(path).name, imports) for node in nodes if isinstance(node, FUNCTIONS)
    ]
    return Facts(functions, used)


def measured(
    node: ast.FunctionDef | ast.AsyncFunctionDef, module: str, imports: set[str]
) -> Function:
    """The facts about one function."""
    inside = list(own(node))
    names = [each for each in inside if isinstance(each, ast.Name)]
    parameters = [each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)]
    stored = [each.id for each in names if isinstance(each.ctx, ast.Store)]
    branches = sum(type(each) in BRANCHES for each in inside)
    branches += sum(len(each.values) - 1 for each in inside if isinstance(each, ast.BoolOp))
    return Function(
        place=f"{module}:{node.lineno} {node.name}",
        name=node.name,
        lines=(node.end_lineno or node.lineno) - node.lineno + 1,
        parameters=len([each for each in parameters if each not in ("self", "cls")]),
        ways=branches + 1,
        depth=depth(node),
        documented=ast.get_docstring(node) is not None,
        bound=list(dict.fromkeys(parameters + stored)),
        leans_on=sorted({each.id for each in names} & imports),
    )


def own(node: ast.AST) -> Iterator[ast.AST]:
    """What is in a function, but not in the functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, FUNCTIONS):
            yield child
            yield from own(child)


def depth(node: ast.AST) -> int:
    """How many blocks are inside each other; an `elif` is as deep as its `if`."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, FUNCTIONS):
            beside = isinstance(child, ast.If) and getattr(node, "orelse", None) == [child]
            deepest = max(deepest, depth(child) - (beside and isinstance(node, ast.If)))
    return deepest + isinstance(node, BLOCKS)
