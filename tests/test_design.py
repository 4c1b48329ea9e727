"""The rules of the house that no linter knows: which room may import from which, and what the front page shows."""

from __future__ import annotations

import ast
import graphlib
import re
import sys
from pathlib import Path

import processes
import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    ".".join(path.relative_to(ROOT / "tinygan").with_suffix("").parts): path
    for path in sorted((ROOT / "tinygan").rglob("*.py"))
    if "project" not in path.parts  # what ``tinygan start`` writes: it stands on its own
}
SCRIPTS = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "lessons").rglob("*.py")])
CORE = ["layers", "network", "losses", "objectives", "optimizers", "gan", "gradient_penalty"]
CORE += ["codes", "conditions", "distortion"]


# ---- who imports whom ----------------------------------------------------------------------------


def imports(tree):
    """Every module that is imported, anywhere in the file, with its line: "numpy", "tinygan.layers"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: write the whole name of the module"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            rooms = [name for name in inside if name.removeprefix("tinygan.") in ROOMS]
            yield from ((node.lineno, name) for name in rooms or [node.module])


def rooms_imported(tree):
    """The rooms of the package that a file imports, with the line."""
    for line, name in imports(tree):
        if name.split(".")[0] == "tinygan":
            room = name.removeprefix("tinygan.")
            yield line, room if room in ROOMS else f"{room}.__init__"


def folder(room):
    return room.split(".")[0] if "." in room else ""


def foreign_imports(room, tree):
    """Nothing but NumPy and the standard library; matplotlib in one place."""
    allowed = {"numpy", "tinygan", *sys.stdlib_module_names} | ({"matplotlib"} if room == "plots" else set())
    for line, name in imports(tree):
        if name.split(".")[0] not in allowed:
            yield f"line {line}: imports {name}"


def imports_from_above(room, tree):
    """The core needs the core, nothing above a folder imports from it, and nobody imports the command line."""
    for line, name in rooms_imported(tree):
        if room in CORE and name not in CORE:
            yield f"line {line}: the core imports {name}"
        elif room == "gradcheck":
            yield f"line {line}: the ruler imports {name}, which it measures"
        elif (folder(room), folder(name)) == ("workshop", "doctor"):
            continue  # who judges asks the doctor
        elif folder(name) and folder(name) != folder(room) and (folder(room) != "app" and room != "__main__"):
            yield f"line {line}: imports {name}, of another folder"
        elif name == "plots" and folder(room) != "app":
            yield f"line {line}: imports plots, which needs matplotlib"


@pytest.mark.parametrize("rule", [foreign_imports, imports_from_above], ids=lambda rule: rule.__name__)
def test_every_room_keeps_the_rule(rule):
    breaches = [
        f"{path.relative_to(ROOT)}, {breach}"
        for room, path in ROOMS.items()
        for breach in rule(room, ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize(
    "rule, room, code",
    [
        (foreign_imports, "layers", "import scipy"),
        (foreign_imports, "layers", "def f():\n    from torch.nn import Linear"),
        (foreign_imports, "training", "import matplotlib.pyplot as plt"),
        (foreign_imports, "plots", "from PIL import Image"),
        (imports_from_above, "layers", "from tinygan.training import Training"),
        (imports_from_above, "losses", "from tinygan.gradcheck import compare"),
        (imports_from_above, "gradcheck", "from tinygan.layers import Dense"),
        (imports_from_above, "training", "from tinygan.plots import save_curves"),
        (imports_from_above, "training", "from tinygan.scoring import scores"),
        (imports_from_above, "plots", "import tinygan.app.cli"),
        (imports_from_above, "scoring.scores", "from tinygan.app import checkpoint"),
    ],
)
def test_the_rule_finds_a_breach(rule, room, code):
    assert len(list(rule(room, ast.parse(code)))) == 1


def test_no_two_rooms_import_each_other_even_around_corners():
    graph = {
        room: {name for _, name in rooms_imported(ast.parse(path.read_text(encoding="utf-8")))}
        for room, path in ROOMS.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_a_trained_network_needs_no_matplotlib():
    """What the rules read in the files is so when they run: imports inside of imports count, too."""
    rooms = [room for room in ROOMS if room != "plots" and not room.endswith(("__main__", "__init__"))]
    code = f"import sys, {', '.join(f'tinygan.{room}' for room in rooms)}; print('matplotlib' in sys.modules)"
    done = processes.run("-c", code, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


@pytest.mark.parametrize("folder", ["tests", "lessons"])
def test_tests_and_lessons_import_only_what_is_agreed(folder):
    neighbors = {path.stem for path in SCRIPTS}
    agreed = {"numpy", "matplotlib", "tinygan", *neighbors, *sys.stdlib_module_names}
    agreed |= {"pytest", "hypothesis"} if folder == "tests" else set()
    for path in SCRIPTS:
        if ROOT / folder not in path.parents:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if "benchmarks" in path.parts:  # inside its functions a benchmark may race others, where installed
            tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        foreign = [f"line {line}: {name}" for line, name in imports(tree) if name.split(".")[0] not in agreed]
        assert not foreign, f"{path.relative_to(ROOT)}, {foreign}"


# ---- the page at the front -----------------------------------------------------------------------

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_map_in_the_readme_shows_every_room():
    rooms = {room for room in ROOMS if not folder(room) and not room.startswith("__")}
    absent = [room for room in sorted(rooms) if f"[{room}](tinygan/{room}.py)" not in README]
    absent += [name for name in sorted({folder(room) for room in ROOMS} - {""}) if f"(tinygan/{name}/)" not in README]
    assert not absent, f"README.md does not show {absent}"


def test_the_snippet_in_the_readme_prints_what_stands_below_it():
    blocks = re.findall(r"```python\n([^`]*?)```\n\nwhich prints\n\n```\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 1
    for code, printed in blocks:
        done = processes.run("-c", code, cwd=ROOT)
        assert (done.stdout, done.stderr) == (printed, "")


def test_the_page_of_the_package_leads_nowhere_that_is_not_there():
    """README.md's links and picture lead to files of a clone; where a package is shown there are none."""
    page = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split('text = """')[1].split('"""')[0]
    assert "tinygan train" in page and not re.search(r"\]\((?!https?://)|src=", page)
