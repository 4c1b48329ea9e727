"""The quotes of the lessons and of README.md: find them, check them, renew them, so that they show what is.

    python tests/update_lessons.py              renew every quote of every lesson: runs all scripts in full
    python tests/update_lessons.py 02 03        of these lessons only
    python tests/update_lessons.py --code       quoted code only: nothing runs

The scripts that run put their pictures into lessons/images (LESSON_IMAGES); run by hand, into runs/lessons.

A quote is a fenced block right under a comment that says where it comes from:

    <!-- code: tinygan/layers.py::Dense.backward -->    a class, function, method or constant
    <!-- code: lessons/one_page.py -->                  a whole file
    <!-- code: 02_dense.py ## one entry -->             the cell ``# %% one entry`` of a lesson's script
    <!-- output: 02_dense.py ## one entry -->           what that cell prints
    <!-- command: tinygan check lessons/... -->         what that command prints
    <!-- solution: lessons/exercises/F.py::place -->    what fills this place (lessons/solutions; judged, not renewed)

Text must agree up to the width of gaps, whole numbers exactly, other numbers to one unit of their
last printed digit. A number printed as ~12.3 is declared variable (a time, a rounding error), and
only has to be a number; so are all numbers of a line that has one below 1e-8, like the lines of
``tinygan check`` that report nothing but rounding.

``output (full)`` marks what the quick form, with its fewer steps, cannot print: then only the text
around the numbers is compared, and the numbers in a full run (``pytest -m long``). ``output
(mnist)`` marks what needs the real MNIST. Both: ``(full, mnist)``.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import processes

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "lessons"
QUICK_SECONDS, FULL_SECONDS = 60, 1800  # after which a script counts as failed

QUOTE = re.compile(
    r"^<!-- (?P<kind>code|output|command|solution)(?: \((?P<marks>[a-z, ]+)\))?: (?P<source>.+?) -->\n"
    r"```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NUMBER = re.compile(r"~?(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w])")
CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)
RAN = "\x1e"  # separates the outputs of the cells; no lesson prints it


class QuoteError(Exception):
    """A quote cannot be made; the message says which and why."""


class Quote(NamedTuple):
    kind: str  # code, output, command or solution
    marks: frozenset  # of "full", "mnist"
    source: str
    text: str


def quotes(markdown):
    """All quotes of a lesson, in order."""
    return [
        Quote(m["kind"], frozenset(re.findall(r"\w+", m["marks"] or "")), m["source"], m["text"])
        for m in QUOTE.finditer(markdown)
    ]


# ---- where quotes come from ------------------------------------------------------------------------


def definition(path, name):
    """The source of ``Class``, ``function``, ``Class.method`` or ``CONSTANT`` in a file, dedented."""
    source = path.read_text(encoding="utf-8") if path.is_file() else None
    if source is None:
        raise QuoteError(f"{path.name}: no such file")
    node = ast.parse(source)
    for part in name.split("."):
        found = [child for child in getattr(node, "body", []) if part in names_of(child)]
        if not found:
            raise QuoteError(f"{path.name} defines no {name}")
        node = found[0]
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return textwrap.dedent("\n".join(source.splitlines()[first - 1 : node.end_lineno])) + "\n"


def names_of(node):
    """What a statement defines."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


class Cell(NamedTuple):
    title: str
    line: int  # of its first line after the heading, counted from 0
    code: str


def cells(path):
    """The cells of a script; what stands before the first ``# %%`` is a cell without a title."""
    if not path.is_file():
        raise QuoteError(f"{path.name}: no such script")
    before, *parts = CELL.split(path.read_text(encoding="utf-8"))
    found, line = [Cell("", 0, before)], before.count("\n")
    for title, code in zip(parts[::2], parts[1::2], strict=True):
        found.append(Cell(title.strip(), line + 1, code.removeprefix("\n")))
        line += code.count("\n")
    return found


def run_cells(path):
    """Run a script as ``python path`` would, printing before each cell which one it is."""
    sys.path[0] = str(path.parent)
    scope = {"__name__": "__main__", "__file__": str(path)}
    for cell in cells(path):
        print(RAN + cell.title, flush=True)
        exec(compile("\n" * cell.line + cell.code, str(path), "exec", dont_inherit=True), scope)


def run_script(path, images, quick):
    """{cell title: what it printed}, from a process of its own that puts its pictures into ``images``."""
    environment = processes.environment(LESSON_IMAGES=str(images), LESSON_QUICK="1" if quick else "")
    command = ["-W", "error::RuntimeWarning", __file__, "--run", path]
    limit = QUICK_SECONDS if quick else FULL_SECONDS
    try:
        done = processes.run(*command, cwd=ROOT, env=environment, timeout=limit)
    except subprocess.TimeoutExpired:
        raise QuoteError(f"{path.name} had not finished after {limit} s") from None
    if done.returncode:
        raise QuoteError(f"{path.name} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
    printed = [part.partition("\n") for part in done.stdout.split(RAN)[1:]]
    return {title: text for title, _, text in printed}


def run_command(line):
    """What ``tinygan ...`` prints, started in the root of the repository."""
    program, *arguments = shlex.split(line)
    if program != "tinygan":
        raise QuoteError(f"only commands of tinygan can be quoted, not {line!r}")
    done = processes.run("-m", "tinygan", *arguments, cwd=ROOT, timeout=QUICK_SECONDS)
    return done.stdout + done.stderr


def current(quote, outputs):
    """What the quote should say; ``outputs(script name)`` gives {cell title: text}."""
    where, _, title = (part.strip() for part in quote.source.partition(" ## "))
    if quote.kind == "solution":
        return quote.text
    if quote.kind == "command":
        return run_command(quote.source)
    if quote.kind == "output":
        printed = outputs(where)
        if title not in printed:
            raise QuoteError(f"{where} has no cell '# %% {title}'")
        return printed[title].strip("\n") + "\n"
    if title:
        found = [cell.code for cell in cells(LESSONS / where) if cell.title == title]
        if not found:
            raise QuoteError(f"{where} has no cell '# %% {title}'")
        return found[0].strip("\n") + "\n"
    file, _, name = where.partition("::")
    path = (LESSONS if "/" not in file else ROOT) / file
    return definition(path, name) if name else path.read_text(encoding="utf-8")


# ---- comparing -------------------------------------------------------------------------------------


def difference(quoted, actual, numbers=True):
    """None, or a line that says where two outputs differ; without ``numbers`` only the text counts."""
    quoted, actual = quoted.rstrip("\n").split("\n"), actual.rstrip("\n").split("\n")
    for i, (q, a) in enumerate(zip(quoted, actual, strict=False), 1):
        same_text = [" ".join(part.split()) for part in NUMBER.split(q)] == [
            " ".join(part.split()) for part in NUMBER.split(a)
        ]
        pairs = list(zip(NUMBER.findall(q), NUMBER.findall(a), strict=False))
        exact = numbers and not any(dust(x) and dust(y) for x, y in pairs)
        if not same_text or (exact and not all(same_number(x, y) for x, y in pairs)):
            return f"line {i}: the lesson has {q!r}, the script prints {a!r}"
    if len(quoted) != len(actual):
        return f"the lesson has {len(quoted)} lines, the script prints {len(actual)}"
    return None


def same_number(a, b):
    """Whole numbers exactly, others to one unit of the last printed digit; ~ accepts any that has it too."""
    if a[0] == "~" or b[0] == "~":
        return a[0] == b[0]
    if all(re.fullmatch(r"[-+]?[\d,]+", text) for text in (a, b)):
        return a == b
    value = [float(text.replace(",", "")) for text in (a, b)]
    return abs(value[0] - value[1]) <= 1.001 * min(last_unit(a), last_unit(b))


def dust(text):
    return 0 < abs(float(text.replace(",", "").lstrip("~"))) < 1e-8


def last_unit(text):
    """One unit of the last digit: 0.01 of "3.14", 1e-7 of "3.14e-05"."""
    mantissa, _, exponent = text.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


# ---- renewing --------------------------------------------------------------------------------------


def renewed(markdown, outputs, renew):
    """The lesson's text with every quote that ``renew(quote)`` approves brought up to date."""

    def replace(match):
        (quote,) = quotes(match[0])
        if not renew(quote):
            return match[0]
        start, stop = (i - match.start() for i in match.span("text"))
        return match[0][:start] + current(quote, outputs) + match[0][stop:]

    return QUOTE.sub(replace, markdown)


def main(arguments):
    from tinygan.data import DataError, find_mnist

    try:
        mnist = find_mnist() is not None
    except DataError as error:
        sys.exit(f"update_lessons: {error}")
    code_only = "--code" in arguments
    numbers = [argument for argument in arguments if argument != "--code"]
    printed = {}

    def outputs(script):
        if script not in printed:
            print(f"running {script} ...", flush=True)
            printed[script] = run_script(LESSONS / script, LESSONS / "images", quick=False)
        return printed[script]

    def renew(quote):
        if quote.kind != "code" and code_only:
            return False
        if "mnist" in quote.marks and not mnist:
            print(f"left alone, as MNIST is not there: {quote.source}")
            return False
        return True

    for path in [*sorted(LESSONS.glob("[0-9][0-9]_*.md")), *sorted(LESSONS.glob("solutions/*.md")), ROOT / "README.md"]:
        if numbers and path.name[:2] not in numbers:
            continue
        old = path.read_text(encoding="utf-8")
        try:
            new = renewed(old, outputs, renew)
        except QuoteError as error:
            sys.exit(f"{path.name}: {error}")
        if new != old:
            path.write_text(new, encoding="utf-8")
        print(f"{path.name}: {'renewed' if new != old else 'unchanged'}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_cells(Path(sys.argv[2]))
    else:
        main(sys.argv[1:])
