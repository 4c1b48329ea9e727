"""Lessons: the scripts run, the text quotes what is, references lead somewhere, nothing is left untaught.

Each script runs once here, in its quick form (LESSON_QUICK=1: same code, fewer steps), with its
pictures in a temporary folder. ``pytest -m long`` runs them in full and compares every number.
After a deliberate change, ``python tests/update_lessons.py`` renews the quotes.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from typing import NamedTuple

import processes
import pytest
from update_lessons import (
    LESSONS,
    ROOT,
    QuoteError,
    cells,
    current,
    definition,
    difference,
    quotes,
    renewed,
    run_script,
)

from tinygan.data import DataError, find_mnist

LINES = 220  # of a script
MEGABYTES = 2  # of one picture or film
MODULES_TO_TEACH = ["layers", "losses", "objectives", "optimizers", "gradient_penalty", "convolution", "normalization"]

TEXTS = sorted(LESSONS.glob("[0-9][0-9]_*.md"))
SCRIPTS = sorted(LESSONS.glob("[0-9][0-9]_*.py"))
SOLUTIONS = sorted(LESSONS.glob("solutions/*.md"))
PAGES = [*TEXTS, LESSONS / "README.md", *SOLUTIONS]

by_name = {"ids": lambda path: path.relative_to(LESSONS).with_suffix("").as_posix()}
each_text = pytest.mark.parametrize("path", TEXTS, **by_name)
each_page = pytest.mark.parametrize("path", PAGES, **by_name)
each_script = pytest.mark.parametrize("path", SCRIPTS, **by_name)


def assert_none(faults):
    assert not faults, "\n" + "\n".join(faults)


# ---- the scripts run -------------------------------------------------------------------------------


class Ran(NamedTuple):
    outputs: dict  # cell title -> what it printed
    images: set  # names of the files that it made


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """ran(path, quick) -> Ran; every script runs once in each form, whatever asks for it."""

    @cache
    def once(path, quick):
        folder = tmp_path_factory.mktemp(path.stem)
        try:
            outputs = run_script(path, folder, quick)
        except QuoteError as error:
            return error
        return Ran(outputs, {image.name for image in folder.iterdir()})

    def run(path, quick=True):
        result = once(path, quick)
        if isinstance(result, QuoteError):
            pytest.fail(str(result), pytrace=False)
        return result

    return run


@each_script
def test_the_script_runs_in_its_quick_form(path, ran):
    assert any(ran(path).outputs.values()), f"{path.name} prints nothing"


@each_script
def test_the_pictures_that_the_lesson_shows_are_those_that_the_script_makes(path, ran):
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    made = ran(path).images
    for name in made:
        assert name.startswith(path.name[:3]), f"{name}: a picture's name begins with its lesson's number"
    shown = set(re.findall(rf"\]\(images/({path.name[:3]}[^)#\s]+)\)", text))  # a text may show another's, too
    assert shown == made, "shown by the text and made by the script differ"


def test_a_script_leaves_the_pictures_of_the_lessons_alone(tmp_path):
    done = processes.run(LESSONS / "00_whole.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "runs" / "lessons").iterdir()} == {"00_line.png", "00_two_networks.png"}


def script_faults(source):
    """What is wrong with the form of a script."""
    tree, faults = ast.parse(source), []
    if not ast.get_docstring(tree):
        faults.append("it does not open with a docstring that says what it shows")
    if len(source.splitlines()) > LINES:
        faults.append(f"it has {len(source.splitlines())} lines, more than {LINES}")
    allowed = sys.stdlib_module_names | {"numpy", "matplotlib", "tinygan"}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
        faults += [f"line {node.lineno}: imports {n}" for n in names if n.partition(".")[0] not in allowed]
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            faults.append(f"line {node.lineno}: imports *, so that nobody sees what")
    if "__file__" in source:
        faults.append("it names its own folder: pictures go where LESSON_IMAGES says, or into runs/lessons")
    return faults


@each_script
def test_the_script_is_short_and_imports_only_what_everybody_has(path):
    assert_none(script_faults(path.read_text(encoding="utf-8")))
    titles = [cell.title for cell in cells(path)][1:]
    assert len(titles) >= 2 and len(set(titles)) == len(titles) and all(titles), f"its cells are {titles}"


# ---- the text quotes what is -----------------------------------------------------------------------


def quote_faults(text, outputs, wanted, quick=True):
    """What is wrong with the quotes ``wanted(quote)`` of a lesson's text."""
    faults = []
    for quote in filter(wanted, quotes(text)):
        full_only = quick and "full" in quote.marks
        if quote.kind == "command" and full_only:
            continue
        try:
            now = current(quote, outputs)
        except QuoteError as error:
            faults.append(f"{quote.source}: {error}")
            continue
        if quote.kind == "code":
            fault = None if now == quote.text else f"the source is now\n{now}"
        else:
            fault = difference(quote.text, now, numbers=not full_only)
        if fault:
            faults.append(f"{quote.source}: {fault}")
    return [f"{fault}\n  (renew: python tests/update_lessons.py)" for fault in faults]


def mnist_is_there():
    try:
        return find_mnist() is not None
    except DataError:
        return False


@each_page
def test_quoted_code_is_the_source(path):
    assert_none(quote_faults(path.read_text(encoding="utf-8"), None, lambda quote: quote.kind == "code"))


@each_page
def test_quoted_output_is_what_is_printed(path, ran):
    wanted = lambda quote: quote.kind != "code" and "mnist" not in quote.marks  # noqa: E731
    text = path.read_text(encoding="utf-8")
    assert_none(quote_faults(text, lambda script: ran(LESSONS / script).outputs, wanted))


@each_page
def test_quoted_output_from_mnist_is_what_is_printed(path, ran):
    text = path.read_text(encoding="utf-8")
    if not any("mnist" in quote.marks for quote in quotes(text)):
        return
    if not mnist_is_there():
        pytest.skip("needs MNIST: set TINYGAN_DATA to a folder with its four files")
    wanted = lambda quote: "mnist" in quote.marks  # noqa: E731
    assert_none(quote_faults(text, lambda script: ran(LESSONS / script).outputs, wanted))


@pytest.mark.long
@each_page
def test_every_number_is_what_a_full_run_prints(path, ran):
    wanted = lambda quote: mnist_is_there() or "mnist" not in quote.marks  # noqa: E731
    text = path.read_text(encoding="utf-8")
    assert_none(quote_faults(text, lambda script: ran(LESSONS / script, False).outputs, wanted, quick=False))


def unquoted_blocks(text):
    """Fenced blocks of code or output that stand in a lesson without saying where they come from."""
    fences = re.findall(r"(?:^(<!-- .+ -->)\n)?^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    quotable = [(comment, block) for comment, kind, block in fences if kind in ("", "python", "text")]
    free = [block.split("\n")[0] for comment, block in quotable if not comment]
    marked = len(re.findall(r"^<!-- \w+(?: \(.*?\))?: ", text, re.MULTILINE))
    if marked != len(quotes(text)):
        free.append(f"{marked} comments announce a quote, but {len(quotes(text))} blocks can be read as one")
    return free


@each_page
def test_every_block_says_where_it_comes_from(path):
    assert_none(unquoted_blocks(path.read_text(encoding="utf-8")))


# ---- every reference leads somewhere ---------------------------------------------------------------


def references(text, label):
    """[(file, name)] of the header's line ``- **label:** `file::name`, ...``"""
    line = re.search(rf"^- \*\*{label}:\*\*(.*(?:\n  .*)*)", text, re.MULTILINE)
    return [tuple(item.partition("::")[::2]) for item in re.findall(r"`([^`]+)`", line[1])] if line else []


def reference_faults(text):
    """Sources and tests that a header names and that do not exist, or are never quoted."""
    faults = []
    quoted = [quote.source for quote in quotes(text) if quote.kind == "code"]
    for label, folder in (("Source", "tinygan/"), ("Tests", "tests/")):
        named = references(text, label)
        if not named:
            faults.append(f"the header has no line '- **{label}:** `{folder}file.py::name`'")
        for file, name in named:
            try:
                if name:
                    definition(ROOT / file, name)
                elif not (ROOT / file).is_file():
                    raise QuoteError(f"{file}: no such file")
            except QuoteError as error:
                faults.append(f"{label}: {error}")
            reference = f"{file}::{name}" if name else file
            begins = tuple(reference + end for end in (".", "::"))
            if label == "Source" and not any(q == reference or q.startswith(begins) for q in quoted):
                faults.append(f"{label}: {reference} is named as what the lesson reads, but never quoted")
    return faults


@each_text
def test_every_source_and_test_of_the_header_exists_and_the_source_is_read(path):
    assert_none(reference_faults(path.read_text(encoding="utf-8")))


def anchors(path):
    """What a link to a heading of this page may say, as forges make it from the heading."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def link_faults(path, text):
    faults = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        to = path.parent / file if file else path
        if not to.exists():
            faults.append(f"{path.name}: the link to {target} leads nowhere")
        elif anchor and anchor not in anchors(to):
            faults.append(f"{path.name}: {to.name} has no heading for #{anchor}")
    return faults


@each_page
def test_every_link_and_picture_resolves(path):
    assert_none(link_faults(path, path.read_text(encoding="utf-8")))


def test_every_link_of_the_readme_resolves():
    assert_none(link_faults(ROOT / "README.md", (ROOT / "README.md").read_text(encoding="utf-8")))


def test_every_picture_is_shown_somewhere_and_small():
    pages = "".join(page.read_text(encoding="utf-8") for page in [*PAGES, ROOT / "README.md"])
    for image in (LESSONS / "images").iterdir():
        assert image.name in pages, f"{image.name} is shown by no lesson"
        assert image.stat().st_size < MEGABYTES * 2**20, f"{image.name} is larger than {MEGABYTES} MB"


def test_the_path_is_complete_and_the_readme_knows_every_lesson():
    for path in TEXTS:
        assert path.with_suffix(".py") in SCRIPTS, f"{path.name} has no script beside it"
    for path in SCRIPTS:
        assert path.with_suffix(".md") in TEXTS, f"{path.name} has no text beside it"
    readme = (LESSONS / "README.md").read_text(encoding="utf-8")
    numbers = [path.name[:2] for path in TEXTS]
    to_come = re.findall(r"^\| (\d\d) · .*\(to come\)", readme, re.MULTILINE)
    assert sorted(numbers + to_come) == [f"{i:02d}" for i in range(len(numbers + to_come))]
    for path in TEXTS:
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        assert f"[{title}]({path.name})" in readme, f"lessons/README.md has no link [{title}]({path.name})"


def test_every_exercise_is_posed_by_a_lesson():
    posed = "".join(path.read_text(encoding="utf-8") for path in TEXTS)
    files = sorted((LESSONS / "exercises").glob("*.py"))
    names = [file.name for file in files if f"lessons/exercises/{file.name}" not in posed]
    assert_none([f"{name} is posed by no lesson" for name in names])


@pytest.mark.parametrize("path", SOLUTIONS, **by_name)
def test_a_page_of_solutions_answers_every_exercise_of_its_lesson_which_links_it(path):
    lesson = (LESSONS / path.name).read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    exercises = re.split(r"^## ", lesson, flags=re.MULTILINE)[-1]
    assert f"(solutions/{path.name})" in exercises and f"(../{path.name})" in text
    numbers = re.findall(r"^(\d)\. ", exercises, re.MULTILINE)
    assert re.findall(r"^## (\d) · ", text, re.MULTILINE) == numbers
    posed = set(re.findall(r"lessons/exercises/\w+\.py", exercises))
    solved = {quote.source.partition("::")[0] for quote in quotes(text) if quote.kind == "solution"}
    assert solved == posed, "posed by the lesson and solved by the page differ"


# ---- nothing is left untaught ----------------------------------------------------------------------


def public_names(module):
    """The classes and functions that a module of the package offers."""
    tree = ast.parse((ROOT / "tinygan" / f"{module}.py").read_text(encoding="utf-8"))
    definitions = [node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    return [node.name for node in definitions if not node.name.startswith("_")]


def test_the_code_that_the_readme_quotes_is_the_source():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert any(quote.kind == "code" for quote in quotes(readme))
    assert_none(quote_faults(readme, None, lambda quote: quote.kind == "code"))


def test_every_layer_loss_objective_and_optimizer_is_taught():
    taught = {source for path in TEXTS for source in references(path.read_text(encoding="utf-8"), "Source")}
    names = [(f"tinygan/{module}.py", name) for module in MODULES_TO_TEACH for name in public_names(module)]
    untaught = [(file, name) for file, name in names if (file, name) not in taught]
    assert_none([f"{file}::{name} is the source of no lesson" for file, name in untaught])


# ---- the form of a lesson --------------------------------------------------------------------------


def form_faults(name, text):
    """What a lesson's opening and closing lack."""
    faults = []
    header, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    if not header.startswith(f"# {name[:2]} · "):
        faults.append(f"the title must be '# {name[:2]} · ...'")
    if not re.search(r"^\*\*You will understand\*\* ", header, re.MULTILINE):
        faults.append("the opening has no paragraph '**You will understand** ...'")
    if f"- **Run:** `python lessons/{name}.py`" not in header:
        faults.append(f"the header has no line '- **Run:** `python lessons/{name}.py` (time; needs)'")
    exercises = sections[-1] if sections else ""
    if not exercises.startswith("Exercises\n"):
        return [*faults, "the last section is not '## Exercises'"]
    items = re.split(r"^\d\. ", exercises, flags=re.MULTILINE)[1:]
    if len(items) not in (2, 3):
        faults.append(f"it has {len(items)} exercises, not two or three")
    for i, item in enumerate(items, 1):
        if not re.search(r"tinygan check|pytest tests/", item):
            faults.append(f"exercise {i} names no judge: `tinygan check FILE` or `pytest tests/...`")
    for file in re.findall(r"lessons/exercises/\w+\.py", text):
        if not (ROOT / file).is_file():
            faults.append(f"{file}: no such exercise")
    return faults


@each_text
def test_the_lesson_has_the_prescribed_form(path):
    assert_none(form_faults(path.stem, path.read_text(encoding="utf-8")))


def maths(text):
    """[formula] of a page: what stands between dollars, outside code."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`\n]*`", "`", text)
    display = re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL)
    inline = re.findall(r"\$(.+?)\$", re.sub(r"\$\$.+?\$\$", "", text, flags=re.DOTALL), re.DOTALL)
    return display + inline


FORBIDDEN = {
    r"\\[^A-Za-z]": r"a backslash before a sign, which Markdown takes away (\lbrace for \{, \enspace for \,)",
    r"\*": r"an asterisk, which Markdown reads as emphasis (write \cdot)",
    r"[^\w\s]_": "an underscore behind a sign, which Markdown may read as emphasis",
    r"<[A-Za-z/]": r"'<' before a letter, which looks like HTML (write \lt)",
}


def maths_faults(text):
    """Formulas that some forge would not show as they are meant."""
    faults = []
    for formula in maths(text):
        plain = re.sub(r"\\[A-Za-z]+", "", formula)
        if plain.count("{") != plain.count("}") or formula.count(r"\left") - formula.count(r"\leftarrow") != (
            formula.count(r"\right") - formula.count(r"\rightarrow")
        ):
            faults.append(f"${formula}$ has brackets that do not match")
        faults += [f"${formula}$ has {why}" for sign, why in FORBIDDEN.items() if re.search(sign, formula)]
    for line in re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        line = re.sub(r"`[^`]*`", "`", line).replace("$$", "")
        if line.count("$") % 2:
            faults.append(f"a formula in the text ends on another line than it began: {line}")
            continue
        for match in re.finditer(r"\$(.*?)\$", line):
            formula = match[1]
            if formula != formula.strip():
                faults.append(f"${formula}$ has a space beside a dollar")
            if line.startswith("|") and "|" in formula:
                faults.append(f"${formula}$ stands in a table, where | ends the cell (write \\vert)")
            if re.match(r"\w", line[match.end() :]) or re.search(r"\w$", line[: match.start()]):
                faults.append(f"${formula}$ touches a letter: {line}")
    return faults


@each_page
def test_formulas_are_written_so_that_every_forge_shows_them(path):
    assert_none(maths_faults(path.read_text(encoding="utf-8")))


# ---- the checks above can fail ---------------------------------------------------------------------

GOOD = """# 02 · Dense

**You will understand** it.

- **Source:** `tinygan/layers.py::Tanh`
- **Tests:** `tests/test_layers.py::test_forward_is_the_formula`
- **Run:** `python lessons/02_dense.py` (a second; nothing but the package)

## It

<!-- output: 02_dense.py ## errors -->
```text
step 1e-05   error 1.234e-03   after ~3.1 s
```

The slope is $f'(x)$, and

$$\\sum_i x_i$$

<!-- code: tinygan/layers.py::Tanh.forward -->
```python
CODE```

## Exercises

1. `tinygan check lessons/02_dense.py`
2. `pytest tests/test_layers.py`
""".replace("CODE", definition(ROOT / "tinygan/layers.py", "Tanh.forward"))
PRINTED = {"errors": "step 1e-05 error 1.235e-03 after ~250.0 s\n"}


def all_faults(text, printed=PRINTED):
    return [
        *quote_faults(text, lambda script: printed, lambda quote: True),
        *unquoted_blocks(text),
        *reference_faults(text),
        *link_faults(LESSONS / "02_dense.md", text),
        *form_faults("02_dense", text),
        *maths_faults(text),
    ]


def test_a_good_lesson_has_no_fault():
    assert_none(all_faults(GOOD))


@pytest.mark.parametrize("emptied", ["", "    def forward(self): pass\n"])
def test_renewing_fills_and_replaces_quotes_and_changes_nothing_else(emptied):
    old = GOOD.replace(definition(ROOT / "tinygan/layers.py", "Tanh.forward"), emptied)
    old = old.replace("step 1e-05   error 1.234e-03   after ~3.1 s\n", emptied)
    new = renewed(old, lambda script: PRINTED, lambda quote: True)
    assert new == GOOD.replace("step 1e-05   error 1.234e-03   after ~3.1 s\n", PRINTED["errors"])
    assert renewed(new, lambda script: PRINTED, lambda quote: True) == new


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("np.tanh(x", "np.tan(x", "the source is now"),
        ("Tanh.forward -->", "Tanh.foward -->", "defines no Tanh.foward"),
        ("error 1.234e-03", "error 1.237e-03", "the script prints"),
        ("step 1e-05", "step 1e-04", "the script prints"),
        ("after ~3.1 s", "after 3.1 s", "the script prints"),
        ("after", "for", "the script prints"),
        ("3.1 s\n", "3.1 s\n4\n", "2 lines"),
        ("## errors", "## faults", "no cell '# %% faults'"),
        ("<!-- code: tinygan/layers.py::Tanh.forward -->\n", "", "def forward"),
        ("<!-- code: ", "<!-- cod: ", "announce"),
        ("layers.py::Tanh`", "layers.py::Tan`", "defines no Tan"),
        ("layers.py::Tanh`", "layers.py::Sigmoid`", "never quoted"),
        ("test_forward_is", "test_forward_was", "defines no test_forward_was"),
        ("understand** it", "understand** [it](nowhere.md)", "leads nowhere"),
        ("understand** it", "understand** [it](#nowhere)", "no heading"),
        ("# 02 ·", "# 03 ·", "title"),
        ("**You will understand**", "You will understand", "opening"),
        ("2. `pytest", "`pytest", "1 exercises"),
        ("tinygan check", "look at", "names no judge"),
        ("check lessons/02_dense.py", "check lessons/exercises/none.py", "no such exercise"),
        ("## Exercises", "## More", "last section"),
        ("- **Run:**", "- Run:", "Run"),
        ("$f'(x)$", r"$\{f\}$", "backslash"),
        ("$f'(x)$", "$f'(x) $", "space beside a dollar"),
        ("$f'(x)$,", "$f'(x)$s,", "touches a letter"),
        ("$f'(x)$", "$f'(x)", "another line"),
        (r"\sum_i", r"\sum_{i", "do not match"),
    ],
)
def test_a_planted_fault_is_found(old, new, complaint):
    assert old in GOOD
    found = all_faults(GOOD.replace(old, new, 1))
    assert any(complaint in fault for fault in found), f"nothing about {complaint!r} in {found}"


def test_rounding_errors_may_differ_but_not_turn_into_errors():
    assert difference("dW 2.1e-11 at 2,1", "dW 3.2e-10 at 0,0") is None
    assert "dW" in difference("dW 2.1e-11 at 2,1", "dW 3.2e-01 at 2,1")
    assert "dW" in difference("dW 2.1e-11 at 2,1", "db 2.1e-11 at 2,1")


@pytest.mark.parametrize(
    "code, complaint",
    [
        ("print(1)", "docstring"),
        ('"""Says."""\n' + "x = 1\n" * LINES, "lines"),
        ('"""Says."""\nimport scipy.linalg', "imports scipy"),
        ('"""Says."""\nfrom numpy import *', "imports *"),
        ('"""Says."""\nprint(__file__)', "its own folder"),
    ],
)
def test_a_script_of_wrong_form_is_found(code, complaint):
    assert any(complaint in fault for fault in script_faults(code))


def test_a_script_that_fails_or_hangs_is_named(tmp_path, monkeypatch):
    broken, endless = tmp_path / "01_broken.py", tmp_path / "02_endless.py"
    broken.write_text("# %% one\nx = 1\n# %% two\nx / 0\n")
    endless.write_text("# %% one\nwhile True: pass\n")
    with pytest.raises(QuoteError, match=r"01_broken.py(?s:.)*line 4(?s:.)*ZeroDivisionError"):
        run_script(broken, tmp_path, quick=True)
    monkeypatch.setattr("update_lessons.QUICK_SECONDS", 1)
    with pytest.raises(QuoteError, match="02_endless.py had not finished after 1 s"):
        run_script(endless, tmp_path, quick=True)
