"""The rules of the house, held by every file of the package, also by those that are not written yet.

Each rule reads a syntax tree and returns what breaks it, one line each; each is first shown to find
a breach.
"""

from __future__ import annotations

import ast
import graphlib
import re
import sys
from pathlib import Path

import processes
import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {path.stem: path for path in sorted((ROOT / "tinygan").glob("*.py"))}
SCRIPTS = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "lessons").rglob("*.py")])

GAME = {"layers", "network", "losses", "objectives", "optimizers", "gan"}
CORE = GAME | {"gradcheck", "evidence", "mistakes", "diagnosis", "cases", "learner"}  # and what measures it
FRONT_DOOR = {"cli", "__main__"}
TALKING = {*FRONT_DOOR, "check"}  # what talks to a person: ``tinygan check`` is a conversation of its own
PICTURES = "plots"


# ---- the rules -----------------------------------------------------------------------------------


def imports(tree):
    """Every module that is imported, anywhere in the file, with its line: "numpy", "tinygan.layers"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, ["tinygan" if node.level else "", node.module]))
            if module == "tinygan":  # "from tinygan import losses" imports tinygan.losses
                yield from ((node.lineno, f"tinygan.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def root(name):
    return name.split(".")[0]


def rooms_imported(tree):
    for line, name in imports(tree):
        package, _, room = name.partition(".")
        if package == "tinygan" and room in ROOMS:
            yield line, room


def foreign_imports(room, tree):
    """Nothing but NumPy and the standard library; matplotlib in one place."""
    allowed = {"numpy", "tinygan", *sys.stdlib_module_names} | ({"matplotlib"} if room == PICTURES else set())
    return [f"line {line}: imports {name}" for line, name in imports(tree) if root(name) not in allowed]


def imports_from_below(room, tree):
    """The core stands on itself alone, and nobody inside calls the front door or draws pictures."""
    below = GAME if room in GAME else CORE
    for line, name in rooms_imported(tree):
        if room in CORE and name not in below:
            yield f"line {line}: the core imports {name}"
        elif name == PICTURES and room not in FRONT_DOOR:
            yield f"line {line}: imports {PICTURES}, which is the command line's"
        elif name in FRONT_DOOR and room != "__main__":
            yield f"line {line}: imports {name}"


def hidden_randomness(room, tree):
    """Random numbers come from a Generator, passed in or made from a seed, never from a global one."""
    makers = {"default_rng", "Generator", "BitGenerator", "SeedSequence", "PCG64"}
    for line, name in imports(tree):
        if name == "random":
            yield f"line {line}: imports random, whose state is global"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "numpy.random":
            yield from (f"line {node.lineno}: imports {a.name}" for a in node.names if a.name not in makers)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
            if node.attr not in makers:
                yield f"line {node.lineno}: uses {ast.unparse(node)}, which is global"
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "default_rng":
            if not node.args and not node.keywords:
                yield f"line {node.lineno}: default_rng() without a seed cannot be repeated"


def hidden_state(room, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"line {node.lineno}: global {', '.join(node.names)}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.seterr", "np.set_printoptions"):
            yield f"line {node.lineno}: {ast.unparse(node.func)} changes a setting of everybody"


def prints(room, tree):
    for node in ast.walk(tree):
        name = ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
        if room not in TALKING and name in ("print", "sys.stdout", "sys.stderr"):
            yield f"line {node.lineno}: uses {name}"


def missing_docstrings(room, tree):
    """A file says why it exists; a public function or class says what it does, or its decorator is told."""
    if not ast.get_docstring(tree):
        yield "line 1: the file has no docstring"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            told = [call for call in node.decorator_list if isinstance(call, ast.Call) and has_text(call)]
            if not ast.get_docstring(node) and not told:
                yield f"line {node.lineno}: {node.name} has no docstring"


def has_text(call):
    return any(isinstance(arg, ast.Constant) and isinstance(arg.value, str) for arg in call.args)


def star_imports(room, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            yield f"line {node.lineno}: from {node.module} import *"


RULES = [
    foreign_imports,
    imports_from_below,
    hidden_randomness,
    hidden_state,
    prints,
    missing_docstrings,
    star_imports,
]


# ---- the rules are held --------------------------------------------------------------------------


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_room_keeps_the_rule(rule, room):
    breaches = list(rule(room, ast.parse(ROOMS[room].read_text(encoding="utf-8"))))
    assert not breaches, "\n".join(f"tinygan/{room}.py, {breach}" for breach in breaches)


def test_no_two_rooms_import_each_other_even_around_corners():
    graph = {
        room: {name for _, name in rooms_imported(ast.parse(path.read_text(encoding="utf-8")))}
        for room, path in ROOMS.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_a_trained_network_needs_no_matplotlib():
    """What the rules read in the files is so when they run: imports inside of imports count, too."""
    rooms = [room for room in ROOMS if room not in {*FRONT_DOOR, PICTURES, "__init__"}]
    code = f"import sys, {', '.join(f'tinygan.{room}' for room in rooms)}; print('matplotlib' in sys.modules)"
    done = processes.run("-c", code, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_tests_and_lessons_import_only_what_is_agreed(path):
    neighbours = {other.stem for other in SCRIPTS if other.parent == path.parent}
    neighbours |= {other.stem for other in SCRIPTS if other.parent == ROOT / "tests"}
    agreed = {"numpy", "matplotlib", "tinygan", *neighbours, *sys.stdlib_module_names}
    if ROOT / "tests" in path.parents:
        agreed |= {"pytest", "hypothesis"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if "benchmarks" in path.parts:  # inside its functions a benchmark may race others, where installed
        tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert not [f"line {line}: {name}" for line, name in imports(tree) if root(name) not in agreed]


# ---- the page at the front -----------------------------------------------------------------------

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_map_in_the_readme_shows_every_room():
    rooms = [room for room in ROOMS if not room.startswith("__")]
    absent = [room for room in rooms if f"[{room}](tinygan/{room}.py)" not in README]
    assert not absent, f"README.md does not show {absent}"


def test_the_snippet_in_the_readme_prints_what_stands_below_it():
    blocks = re.findall(r"```python\n(.*?)```\n\nwhich prints\n\n```\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == README.count("```python") == 1
    for code, printed in blocks:
        done = processes.run("-c", code, cwd=ROOT)
        assert (done.stdout, done.stderr) == (printed, "")


def test_the_page_of_the_package_leads_nowhere_that_is_not_there():
    """README.md's links and picture lead to files of a clone; where a package is shown there are none."""
    page = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split('text = """')[1].split('"""')[0]
    assert "tinygan train" in page and not re.search(r"\]\((?!https?://)|src=", page)


# ---- the rules find what they look for -----------------------------------------------------------

BREACHES = [
    (foreign_imports, "layers", "import scipy"),
    (foreign_imports, "layers", "def f():\n    from torch.nn import Linear"),
    (foreign_imports, "training", "import matplotlib.pyplot as plt"),
    (foreign_imports, "plots", "from PIL import Image"),
    (imports_from_below, "layers", "from tinygan.training import Training"),
    (imports_from_below, "gan", "from tinygan import gradient_penalty"),
    (imports_from_below, "losses", "from tinygan.gradcheck import compare"),
    (imports_from_below, "gradcheck", "from tinygan.recipes import Config"),
    (imports_from_below, "gan", "from . import data"),
    (imports_from_below, "network", "from .data import load"),
    (imports_from_below, "training", "from tinygan.plots import curves"),
    (imports_from_below, "plots", "import tinygan.cli"),
    (imports_from_below, "cli", "from tinygan import __main__"),
    (hidden_randomness, "layers", "np.random.seed(0)"),
    (hidden_randomness, "data", "x = numpy.random.randn(3)"),
    (hidden_randomness, "data", "from numpy.random import rand"),
    (hidden_randomness, "data", "import random"),
    (hidden_randomness, "data", "rng = np.random.default_rng()"),
    (hidden_state, "data", "def f():\n    global cache"),
    (hidden_state, "losses", "np.seterr(all='ignore')"),
    (prints, "losses", "print(loss)"),
    (prints, "training", "sys.stdout.write('step')"),
    (missing_docstrings, "losses", "x = 1"),
    (missing_docstrings, "losses", "'''Why.'''\ndef bce(p): return p"),
    (missing_docstrings, "losses", "'''Why.'''\nclass Loss: pass"),
    (star_imports, "gan", "from tinygan.layers import *"),
]
KEPT = [
    (foreign_imports, "plots", "import matplotlib.pyplot, json, numpy as np"),
    (imports_from_below, "gan", "from tinygan.network import Network"),
    (imports_from_below, "cli", "from tinygan import plots, training"),
    (imports_from_below, "__main__", "from tinygan.cli import main"),
    (hidden_randomness, "data", "rng = np.random.default_rng(seed)\nrng.random()"),
    (prints, "cli", "print(loss)"),
    (imports_from_below, "gradcheck", "from tinygan.gan import GAN"),
    (missing_docstrings, "losses", "'''Why.'''\ndef _helper(p): return p"),
    (missing_docstrings, "diagnosis", "'''Why.'''\n@mistake('wrong sign', 'look at -')\ndef f(): pass"),
]


@pytest.mark.parametrize("rule, room, source", BREACHES)
def test_the_rule_finds_a_breach(rule, room, source):
    assert len(list(rule(room, ast.parse(source)))) == 1


@pytest.mark.parametrize("rule, room, source", KEPT)
def test_the_rule_finds_nothing_where_nothing_is(rule, room, source):
    assert list(rule(room, ast.parse(source))) == []


def test_the_package_is_where_the_rules_look():
    assert set(ROOMS) >= {"layers", "network", "losses", "objectives", "optimizers", "gan", "cli"}
