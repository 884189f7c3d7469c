"""The census: what is in a folder of Python source, one message a file.

A real job in five agents. The first and the last are ready-made: a file walker, and a
collector that keeps sums and rankings in the run's cache. The three between them show how
work is cut: what needs the file, what is arithmetic, what is an opinion.

    dagger run examples/code_census.py          the standard library of this Python, watched
    dagger run examples/code_census.py --store .dagger      interrupt it, run it again: it goes on
    python examples/code_census.py FOLDER       any folder, and only what was found in it

A file that does not parse is no reason to stop. It becomes a dead letter with its error, and
`on_failure="continue"` says that the run is none the worse for it.
"""

import ast
import os
import sys
import sysconfig
import warnings
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import anyio

from dagger import Executor, LiveRun, Report, agent
from dagger_agents import Collection, File, collected, collector, file_walker

# What the compiler thinks of the escapes in other people's strings is no finding.
warnings.filterwarnings("ignore", category=SyntaxWarning)
warnings.filterwarnings("ignore", category=DeprecationWarning)


@dataclass
class Function:
    """A function or method; what is in the functions inside it is theirs."""

    name: str
    lines: int
    decisions: int
    """Places where it may go on in more than one way."""


@dataclass
class Outline:
    """What parsing tells of a module."""

    module: str
    lines: int
    classes: int
    decisions: int
    """Those outside of its functions."""
    functions: list[Function]


@dataclass
class Measures:
    """A module in numbers. Complexity is McCabe's: decisions, and 1 for each function."""

    module: str
    lines: int
    classes: int
    functions: int
    complexity: int
    hardest: str
    """Its most complex function; "" where it has none, as for the longest."""
    hardest_complexity: int
    longest: str
    longest_lines: int


@dataclass
class Rated(Measures):
    """A module in numbers and in words."""

    size: str
    nature: str


SIZES = ((100, 500, 2000), ("small", "medium", "large", "huge"))
"""By lines: from 100 on it is medium, ..."""

NATURES = ((11, 21, 51), ("simple", "moderate", "complex", "tangled"))
"""By the complexity of its most complex function."""

DECISIONS = {ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler}
DECISIONS |= {ast.comprehension, ast.match_case}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

walker = file_walker(pattern="*.py", exclude=("site-packages", "dist-packages", "__pycache__"))


@agent(
    subscribe="files",
    publish="outlines",
    overflow="block",
    max_attempts=1,  # what does not parse now never will
    on_failure="continue",
)
def parse(payload: File) -> Outline:
    """Read and parse a file. A plain `def` runs in a thread, so that it blocks nobody.

    One at a time: CPython 3.11 counts the depth of what it parses for all threads together.
    """
    with open(payload["path"], "rb") as file:
        source = file.read()
    tree = ast.parse(source, payload["path"])
    module = os.path.relpath(payload["path"], payload["root"])
    decisions, classes, inside = survey(tree)
    functions = []
    for node in inside:  # which grows by the functions inside of functions
        own, more_classes, deeper = survey(node)
        last = node.end_lineno or node.lineno
        functions.append(Function(node.name, last - node.lineno + 1, own))
        classes += more_classes
        inside += deeper
    return Outline(module, len(source.splitlines()), classes, decisions, functions)


def survey(owner: ast.AST) -> tuple[int, int, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Decisions and classes of a module or function, and the functions right inside it."""
    decisions, classes, functions = 0, 0, []
    todo = list(ast.iter_child_nodes(owner))
    for node in todo:  # which grows: some files are nested deeper than Python may recurse
        if isinstance(node, FUNCTIONS):
            functions.append(node)
            continue
        if isinstance(node, ast.BoolOp):
            decisions += len(node.values) - 1
        elif type(node) in DECISIONS:
            decisions += 1
        elif isinstance(node, ast.ClassDef):
            classes += 1
        todo += ast.iter_child_nodes(node)
    return decisions, classes, functions


@agent(subscribe="outlines", publish="measures", overflow="block")
async def measure(payload: Outline) -> Measures:
    """Add up what parsing found."""
    nothing = Function("", 0, -1)
    hardest = max(payload.functions, key=lambda each: each.decisions, default=nothing)
    longest = max(payload.functions, key=lambda each: each.lines, default=nothing)
    return Measures(
        module=payload.module,
        lines=payload.lines,
        classes=payload.classes,
        functions=len(payload.functions),
        complexity=payload.decisions + sum(each.decisions + 1 for each in payload.functions),
        hardest=hardest.name,
        hardest_complexity=hardest.decisions + 1,
        longest=longest.name,
        longest_lines=longest.lines,
    )


@agent(subscribe="measures", publish="ratings", overflow="block")
async def classify(payload: Measures) -> Rated:
    """Say how big a module is, and how hard it is to follow."""
    (sizes, size_names), (natures, nature_names) = SIZES, NATURES
    return Rated(
        **asdict(payload),
        size=size_names[bisect(sizes, payload.lines)],
        nature=nature_names[bisect(natures, payload.hardest_complexity)],
    )


RANKINGS = {
    "largest modules (lines)": ("lines", None),
    "most complex modules (cyclomatic complexity)": ("complexity", None),
    "most complex functions (cyclomatic complexity)": ("hardest_complexity", "hardest"),
    "longest functions (lines)": ("longest_lines", "longest"),
}
"""By title: the field that modules are ranked by, and the field of the function to name."""

aggregate = collector(
    "ratings",
    name="aggregate",
    into="census",
    count=("size", "nature"),
    total=("lines", "functions", "classes"),
    top={field: 5 for field, _ in RANKINGS.values()},
)

agents = [walker, parse, measure, classify, aggregate]
channel = "folders"
payload = {"root": sysconfig.get_path("stdlib")}


def finish(run: LiveRun, report: Report) -> str:
    """What was found: `dagger run` prints it below the report."""
    census = collected(run, "census")
    skipped = run.cache.get("skipped", 0, namespace="walker")
    return "\n".join([*overview(census, skipped), *rankings(census), *unparsable(report)])


def overview(census: Collection, skipped: int) -> Iterator[str]:
    """How many modules there are, and of what kind."""
    yield in_words({"modules": census.messages} | census.totals)
    for field, (_, names) in {"size": SIZES, "nature": NATURES}.items():
        counts = census.counts.get(field, {})
        yield f"  by {field}: {in_words({name: counts.get(name, 0) for name in names})}"
    if skipped:
        yield f"  {skipped:,} files or folders could not be read"


def in_words(counts: Mapping[str, float]) -> str:
    """Names and numbers in a row."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def rankings(census: Collection) -> Iterator[str]:
    """The modules that stand out."""
    for title, (field, function) in RANKINGS.items():
        yield f"\n{title}"
        for each in census.tops.get(field, ()):
            name = f": {each[function]}" if function else ""
            if each[field]:
                yield f"  {each[field]:>7,}  {each['module']}{name}"


def unparsable(report: Report) -> Iterator[str]:
    """The modules that are not Python, at least not this one's."""
    letters = [letter for letter in report.dead_letters if letter.agent == parse.name]
    yield f"\nunparsable modules ({len(letters)})"
    for letter in sorted(letters, key=lambda letter: letter.payload["path"]):
        module = os.path.relpath(letter.payload["path"], letter.payload["root"])
        yield f"  {module}\n    {letter.failure.message}"


async def main(folder: str) -> bool:
    """Take the census of a folder, print what was found, and say whether that went well."""
    async with Executor(agents) as executor:
        run = await executor.start(channel, {"root": folder})
        report = await run.result()
        print(finish(run, report) if report.ok else report)
        return report.ok


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else payload["root"]
    sys.exit(not anyio.run(main, wanted))

# Output, for a folder of four modules:
# modules 3, lines 130, functions 2, classes 1
#   by size: small 2, medium 1, large 0, huge 0
#   by nature: simple 3, moderate 0, complex 0, tangled 0
#
# largest modules (lines)
#       122  prices.py
#         8  shop/cart.py
#
# most complex modules (cyclomatic complexity)
#         5  shop/cart.py
#
# most complex functions (cyclomatic complexity)
#         4  shop/cart.py: total
#
# longest functions (lines)
#         4  shop/cart.py: total
#
# unparsable modules (1)
#   shop/legacy.py
#     Missing parentheses in call to 'print'. Did you mean print(...)? (legacy.py, line 1)
