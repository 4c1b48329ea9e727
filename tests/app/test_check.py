"""``tinygan check`` judges the whole package in seconds, a learner's file in sentences, and exercises.

Whatever is in the file, the answer is an exit code and words about that file: never a traceback.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from solutions import MENDED, SOLVED, TEXTS

from tinygan import gradient_penalty, layers, losses, objectives
from tinygan.app import check
from tinygan.doctor import Verdict, planning, sandbox

EXERCISES = Path(__file__).parents[2] / "lessons" / "exercises"

DENSE = """\
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.zeros((n_in, n_out))
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T
"""
SQUARES = """
def squares(out, target):
    difference = out - target
    return np.mean(difference ** 2), 2 * difference / out.size
"""
ACTIVATION = """\
import numpy as np

class Square:
    def forward(self, x):
        self.x = x
        return {forward}

    def backward(self, dout):
        return {backward}
"""


@pytest.fixture
def judge(tmp_path, monkeypatch, capsys):
    """judge(source, name="", file="mine.py"): (exit code, what is printed, what is complained about)."""
    monkeypatch.chdir(tmp_path)

    def judge(source, name="", file="mine.py"):
        Path(file).write_bytes(source if isinstance(source, bytes) else source.encode())
        code = check.main(file + (f":{name}" if name else ""))
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return judge


# ---- the package ---------------------------------------------------------------------------------


def test_the_whole_package_is_right_and_judged_in_seconds(capsys):
    start = time.thread_time()
    assert check.main() == 0
    assert time.thread_time() - start < 20
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].split() == ["what", "gradients", "entries", "largest", "error"]
    assert all(line.endswith("right") for line in lines[1 : lines.index("")])
    n = lines.index("") - 1
    assert lines[-1] == f"{n} of {n} right" and "central differences" in lines[-2]


def public(module, kind):
    return {k for k, thing in vars(module).items() if isinstance(thing, kind) and thing.__module__ == module.__name__}


def test_nothing_of_the_package_is_forgotten():
    things = set(check.own_targets())
    wanted = public(layers, type) | public(objectives, type) | public(gradient_penalty, type) - {"Layer"}
    wanted |= {"bce", "bce_with_logits", "least_squares", "Network", "GAN"}
    assert wanted - {"Layer"} <= things
    helpers = {"sigmoid", "absolute", "softmax", "through_softmax"}
    assert {k for k, f in vars(losses).items() if callable(f)} - helpers <= things | {"annotations"}


def test_a_mistake_in_the_package_is_found_named_and_costs_the_exit_code(monkeypatch, capsys):
    backward = layers.Tanh.backward
    monkeypatch.setattr(layers.Tanh, "backward", lambda self, dout, **how: -backward(self, dout, **how))
    two = {name: thing for name, thing in check.own_targets().items() if name in ("Sigmoid", "Tanh")}  # all take long
    monkeypatch.setattr(check, "own_targets", lambda: two)
    assert check.main() == 1
    out = capsys.readouterr().out
    assert re.search(r"^Tanh .* WRONG$", out, re.MULTILINE) and "wrong sign, in x" in out


# ---- a learner's file ----------------------------------------------------------------------------


def test_right_code_gets_a_table_for_each_thing_and_zero(judge):
    code, out, _ = judge(DENSE + SQUARES)
    assert code == 0 and out.endswith("2 of 2 right\n")
    assert "Dense (mine.py, line 3): right" in out and "squares (mine.py, line 17): right" in out


def test_wrong_code_gets_a_table_and_a_diagnosis_and_one(judge):
    code, out, _ = judge(DENSE.replace("sum(axis=0)", "mean(axis=0)") + SQUARES)
    assert code == 1 and out.endswith("1 of 2 right\n")
    assert re.search(r"^  b +3 .* WRONG$", out, re.MULTILINE)
    assert "1/N divided twice, in b (×0.2 = 1/N): " in out and "look at: " in out


def test_a_mistake_without_a_name_is_described(judge):
    code, out, _ = judge(ACTIVATION.format(forward="x ** 3", backward="dout * np.cosh(self.x)"))
    assert code == 1 and "no known mistake looks like this" in out and "35 of 35 entries are wrong" in out


def test_one_thing_of_a_file_can_be_asked_for(judge):
    broken = DENSE.replace("self.dW = self.x.T @ dout", "self.dW = 1 / 0") + SQUARES
    assert judge(broken)[0] == 2
    code, out, _ = judge(broken, "squares")
    assert code == 0 and out.endswith("1 of 1 right\n")


@pytest.mark.parametrize("error", [ZeroDivisionError("float division"), AssertionError(), RecursionError("too deep")])
def test_whatever_our_own_code_trips_over_could_not_be_checked(judge, monkeypatch, error):
    honest = check.examine

    def examine(thing):
        if check.as_target(thing).name == "Dense":
            raise error
        return honest(thing)

    monkeypatch.setattr(check, "examine", examine)
    code, out, err = judge(DENSE + SQUARES)
    assert code == 2 and "the check itself failed" in out and type(error).__name__ in out + err
    assert "NOT CHECKED: Dense" in out and "squares (mine.py, line 17): right" in out and "WRONG\n" not in out
    assert out.endswith("1 of 2 right, 1 could not be checked\n")


def test_a_name_that_our_own_code_does_not_find_could_not_be_checked_either(judge, monkeypatch):
    def diagnose(report):
        if report.verdict is Verdict.WRONG:
            raise IndexError("where")
        return []

    monkeypatch.setattr("tinygan.doctor.diagnosis.diagnose", diagnose)
    code, out, _ = judge(DENSE.replace("sum(axis=0)", "mean(axis=0)"))
    assert code == 2 and "IndexError" in out and "NOT CHECKED: Dense" in out


def test_dictionaries_will_do_for_parameters(judge):
    source = DENSE
    for name in ("W", "b"):
        source = source.replace(f"self.d{name}", f"self.grads['{name}']")
        source = source.replace(f"self.{name}", f"self.params['{name}']")
    source = source.replace("n_out):\n", "n_out):\n        self.params, self.grads = {}, {}\n")
    code, out, _ = judge(source)
    assert code == 0 and re.search(r"^  W +21 ", out, re.MULTILINE)


def test_what_was_wrong_for_guessed_arguments_alone_costs_two_and_not_one(judge):
    source = "import numpy as np\n\ndef mix(p, q):\n    return (p * q).sum() + (q**3).sum()\n\n"
    source += (
        "def mix_backward(dout, p, q):\n    return (dout * q).mean(axis=0), (dout * (p + 3 * q**2)).mean(axis=0)\n"
    )
    code, out, _ = judge(source)
    assert code == 2 and "p (5, 7), q (5, 7)" in out and "NOT CHECKED: mix_backward" in out
    assert judge(source + "\nmix(np.ones((4, 3)), np.ones((4, 3)))\n")[0] == 1


def test_a_parameter_without_a_gradient_is_named_and_not_called_right(judge):
    code, out, _ = judge(DENSE.replace("self.dW", "self.something"))
    assert code == 2 and "right so far" in out and re.search(r"NOT CHECKED: W\b", out)
    assert "NOT CHECKED" not in judge(DENSE)[1]


def test_layers_that_build_on_ours_will_do(judge):
    source = "from tinygan.layers import Dense\nclass Mine(Dense):\n    def backward(self, dout, **how):\n"
    code, out, _ = judge(source + "        return 2 * super().backward(dout, **how)\n")
    assert code == 1 and "Mine" in out and "constant factor, in x" in out


SOFTMAX = """
import numpy as np

def softmax(logits, labels):
    s = logits - logits.max(axis=1, keepdims=True)
    rows, log_sum = np.arange(len(s)), np.log(np.exp(s).sum(axis=1, keepdims=True))
    gradient = np.exp(s - log_sum)
    gradient[rows, labels] -= 1
    return np.mean((log_sum - s)[rows, labels]), gradient / {}
"""


def test_a_loss_that_wants_a_class_for_each_row_gets_one(judge):
    code, out, _ = judge(SOFTMAX.format("len(s)"))
    assert code == 0 and re.search(r"^  logits +35 ", out, re.MULTILINE), out
    code, out, _ = judge(SOFTMAX.format("s.size"))
    assert code == 1 and re.search(r"^  logits +35 .* WRONG$", out, re.MULTILINE)


@pytest.mark.parametrize("module", ["layers", "network", "losses", "objectives", "gan", "gradient_penalty"])
def test_a_file_of_the_package_is_judged_like_the_package(module, capsys):
    assert check.main(str(Path(layers.__file__).with_name(f"{module}.py"))) == 0
    assert ": WRONG" not in capsys.readouterr().out


def test_a_copy_of_the_package_that_does_not_run_here_is_named_as_that(tmp_path, capsys):
    (tmp_path / "doctor").mkdir()
    for name in ("gradcheck", "layers"):
        (tmp_path / f"{name}.py").write_text("")
    assert check.main(str(tmp_path / "layers.py")) == 2
    err = capsys.readouterr().err
    assert f"{tmp_path / 'layers.py'} is not the tinygan that runs here" in err and "pip install -e" in err


def test_an_empty_file_has_nothing_to_check(judge):
    code, _, err = judge("")
    assert code == 2 and "has nothing to check" in err


def test_where_several_are_wrong_the_first_is_to_be_mended_first(judge):
    wrong = DENSE.replace("sum(axis=0)", "mean(axis=0)") + SQUARES
    assert judge(wrong)[1].endswith("1 of 2 right\n")
    several = judge(wrong + SQUARES.replace("squares", "again").replace("2 *", "3 *"))[1]
    assert several.endswith("1 of 3 right; begin with the first that is wrong: what is built on it fails with it\n")


def test_what_was_only_imported_and_empty_bases_and_helpers_are_passed_over(judge):
    source = (
        "import numpy as np\nfrom tinygan.layers import Tanh\n"
        "class Base:\n    def forward(self, x):\n        raise NotImplementedError\n"
        "class Square(Base):\n    def forward(self, x):\n        self.x = x\n        return x * x\n"
        "    def backward(self, dout):\n        return 2 * self.x * dout\n"
        "def _pair(x):\n    return x, x\n"
        "def number(x):\n    def inner():\n        return 1, 2\n    return x\n"
        "def three(a, b, c):\n    return a, b\n"
    )
    code, out, _ = judge(source)
    assert code == 0 and out.endswith("1 of 1 right\n")


def test_a_loss_is_held_against_its_definition(judge):
    definition = "\ndef squares_by_definition(out, target):\n    return {}np.mean((out - target) ** 2)\n"
    assert judge(DENSE + SQUARES + definition.format(""))[0] == 0
    code, out, _ = judge(DENSE + SQUARES + definition.format("0.5 * "))
    assert code == 1 and "value, by definition" in out and "another loss, in value, by definition" in out


def test_the_probabilities_of_a_loss_are_recognised(judge):
    source = (
        "import numpy as np\n"
        "def loss(guess, target):\n"
        "    value = -np.mean(target * np.log(guess) + (1 - target) * np.log(1 - guess))\n"
        "    return value, (guess - target) / (guess * (1 - guess)) / guess.size\n"
    )
    assert judge(source)[0] == 0


SQUARES_IN_OTHER_WORDS = [
    "loss, grad = np.mean(d * d), 2 * d / d.size\n    result = (loss, grad)\n    return result",
    "return [np.mean(d * d), 2 * d / d.size]",
    "result = [np.mean(d * d), 2 * d / d.size]\n    return result",
    "return tuple(part for part in (np.mean(d * d), 2 * d / d.size))",
]
DEFINITION = "\ndef mine_by_definition(out, target):\n    return np.mean((out - target) ** 2)\n"


@pytest.mark.parametrize("body", SQUARES_IN_OTHER_WORDS)
def test_a_loss_and_its_gradient_may_be_returned_in_any_words(judge, body):
    source = f"import numpy as np\ndef mine(out, target):\n    d = out - target\n    {body}\n"
    assert judge(source + DEFINITION)[0] == judge(source, "mine")[0] == 0
    if "tuple(" not in body:  # the one that nobody would see in the source
        assert judge(source)[0] == 0


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("np.mean(d * d), 2 * d / d.size", "None"),
        ("return", "None"),
        ("return np.mean(d * d)", "one number"),
        ("return float(np.mean(d * d))", "one number"),
        ("return d", "an array of shape"),
        ("return [np.mean(d * d)]", "one number"),
    ],
)
def test_a_loss_that_returns_something_else_is_told_what_to_return(judge, body, what):
    source = f"import numpy as np\ndef mine(out, target):\n    d = out - target\n    {body}\n"
    for code, out, err in (judge(source + DEFINITION), judge(source, "mine")):
        assert code == 2 and out == "" and f"mine.py, line 2: mine returns {what}" in err and "must return" in err


def test_a_class_whose_step_cannot_be_run_does_not_end_the_check(judge):
    source = "import numpy as np\nclass Net:\n    def __init__(self, n, m):\n        self.W = np.ones((n, m))\n"
    source += "    def update_weights(self, delta, n_records):\n        self.W += delta['W'].real / n_records\n"
    code, out, err = judge(source)
    assert code == 2 and "Net (mine.py, line 2): could not be checked" in out and "in update_weights" in out and not err


# ---- a learner's broken file ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def f(:\n", r"mine.py, line 1: this is not valid Python: invalid syntax"),
        ("x = 1\nimport not_there\n", r"mine.py, line 2: ModuleNotFoundError: No module named 'not_there'"),
        ("x = 1\ny = x / 0\n", r"mine.py, line 2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", r"mine.py, line 2: SystemExit: 3"),
        ("x = 1\n", r"mine.py has nothing to check: no class with forward\(x\) and backward\(dout\), and no fun"),
        (b"\x00\x01", r"mine.py: this is not (valid Python|Python source)"),  # up to Python 3.11.3: ValueError
        (b'x = "\xff"\n', r"mine.py: this is not valid Python"),
        ("x = " + "1 + " * 100_000 + "1\n", r"mine.py: this is not Python source that can be read: "),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_line_and_two(judge, source, complaint):
    code, out, err = judge(source)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert re.match("tinygan check: " + complaint, err), err


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("nowhere.py", "nowhere.py: No such file or directory"),
        ("nowhere.py:Dense", "nowhere.py: No such file or directory"),
        (".", ".: Is a directory"),
        ("here.py:Dens", "here.py has no Dens; what could be checked there: Dense"),
        ("here.py:np", "module: there is no gradient in it that could be checked"),
    ],
)
def test_a_target_that_is_not_there_gets_one_line_and_two(tmp_path, monkeypatch, capsys, target, complaint):
    monkeypatch.chdir(tmp_path)
    Path("here.py").write_text(DENSE)
    assert check.main(target) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"tinygan check: {complaint}") and err.count("\n") == 1


def spoiled(old, new):
    assert old in DENSE
    return DENSE.replace(old, new)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (spoiled("n_in, n_out):", "a, b, c):"), "mine.py, line 5, in __init__: NameError: name 'n_in'"),
        (spoiled("np.zeros(n_out)", "np.zeros(-1)"), "mine.py, line 6, in __init__: ValueError: negative dim"),
        (spoiled("x @ self.W", "x @ self.V"), "mine.py, line 10, in forward: AttributeError"),
        (spoiled("self.dW =", "dW ="), "NOT CHECKED: W"),
        (spoiled("(self, dout)", "(self)"), "mine.py, line 13, in backward: NameError: name 'dout'"),
        (spoiled("return x @ self.W + self.b", "return None"), "mine.py, line 8: forward returns None, and must"),
        (spoiled("return x @ self.W", "return 'out' #"), "mine.py, line 8: forward returns a str, and must"),
        (ACTIVATION.format(forward="x", backward="None"), "mine.py, line 8: backward gives no gradient"),
        ("def loss(y):\n    return y.mean(), None\n", "mine.py, line 1: loss gives no gradient"),
        ("def loss(y):\n    while True:\n        y = y + 0\n    return y, y\n", "no end within"),
        (
            "from tinygan.gan import GAN\nclass Mine(GAN):\n    def generator_step(self, x_fake):\n"
            "        super().generator_step(x_fake)\n",
            "mine.py, line 3: generator_step returns no loss",
        ),
    ],
)
def test_what_cannot_be_run_is_not_called_wrong_but_said_with_file_and_line(judge, monkeypatch, source, sentence):
    monkeypatch.setattr(sandbox.call, "__kwdefaults__", {"seconds": 0.2})
    monkeypatch.setattr(planning, "SECONDS", 2)
    code, out, err = judge(source)
    assert code == 2 and err == "" and sentence in out, out


ODD = ["None", "'a'", "1j * {}", "[[1], [1, 2]]", "{}[:0]", "{} > 0", "{}[None].repeat(2, 0)", "1.0"]


@pytest.mark.parametrize("odd", ODD)
def test_whatever_odd_thing_code_gives_it_is_judged_in_words(judge, odd):
    for forward, backward in ((odd.format("x"), "dout"), ("x", odd.format("dout"))):
        code, out, err = judge(ACTIVATION.format(forward=forward, backward=backward))
        assert code in (1, 2) and err == "" and "mine.py" in out, (forward, backward)
    for loss, gradient in ((odd.format("y"), "0 * y + 1 / y.size"), ("y.mean()", odd.format("y"))):
        code, out, err = judge(f"def loss(y):\n    return {loss}, {gradient}\n")
        assert code in (1, 2) and err == "" and "mine.py" in out, (loss, gradient)


def test_a_product_that_does_not_fit_is_explained(judge):
    code, out, _ = judge(spoiled("dout @ self.W.T", "dout @ self.W"))
    assert code == 1 and "transposed matrix, in x: " in out and "dout @ self.W.T` in place of" in out


def test_the_learners_warnings_are_silent(judge, recwarn):
    judge(ACTIVATION.format(forward="np.exp(1e4 * x)", backward="dout"))
    assert not recwarn.list


def test_the_learners_files_can_be_imported_from_each_other(judge):
    judge("def double(x):\n    return 2 * x\n", file="other_file_of_mine.py")
    code, _, _ = judge(
        "from other_file_of_mine import double\n" + ACTIVATION.format(forward="double(x)", backward="double(dout)")
    )
    assert code == 0


# ---- exercises -----------------------------------------------------------------------------------

ALL = sorted(path.stem for path in EXERCISES.glob("*.py"))


def filled(exercise):
    """The exercise's file with the solution in the place of what is to be filled in."""
    text = (EXERCISES / f"{exercise}.py").read_text(encoding="utf-8")
    return f"{text}\n\nfrom solutions import SOLVED\n{SOLVED[exercise][0]} = SOLVED[{exercise!r}][1]\n"


def test_every_exercise_has_a_solution():
    assert {"dense_backward", "leaky_relu_backward", "bce_with_logits"} <= set(SOLVED)
    assert set(ALL) == {*SOLVED, *MENDED}


@pytest.mark.parametrize("exercise", ALL)
def test_an_exercise_says_what_to_do_and_how_it_is_judged(exercise):
    text = (EXERCISES / f"{exercise}.py").read_text(encoding="utf-8")
    assert text.startswith('"""Exercise: ') and f"tinygan check lessons/exercises/{exercise}.py" in text


@pytest.mark.parametrize("exercise", SOLVED)
def test_a_stub_says_in_one_line_what_to_write_and_fails_politely(exercise, capsys):
    path = EXERCISES / f"{exercise}.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    places = [i for i, line in enumerate(lines) if line.strip() == 'raise NotImplementedError("fill in")']
    assert places and all(re.fullmatch(r' +"""[^"]+"""', lines[i - 1]) for i in places)
    assert check.main(str(path)) == 2
    out, err = capsys.readouterr()
    assert err == "" and "Traceback" not in out and ": not filled in yet" in out
    assert any(f"{exercise}.py, line {i + 1}, in " in out for i in places)


@pytest.mark.parametrize("exercise", SOLVED)
def test_the_reference_solution_passes(exercise, judge):
    code, out, _ = judge(filled(exercise))
    assert code == 0, out


def squares(logits, target):
    return np.mean((logits - target) ** 2), 2 * (logits - target) / logits.size


def overflowing(logits, target):
    e = np.exp(logits)
    return np.mean(np.log(1 + e) - target * logits), (e / (1 + e) - target) / e.size


@pytest.mark.parametrize("wrong, name", [(squares, "another loss: "), (overflowing, "overflow, in ")])
def test_another_loss_than_the_one_asked_for_or_one_that_overflows_is_no_solution(judge, monkeypatch, wrong, name):
    monkeypatch.setitem(SOLVED, "bce_with_logits", ("bce_with_logits", wrong))
    code, out, _ = judge(filled("bce_with_logits"))
    assert code == 1 and name.split(",")[0].rstrip(": ") in out and "epsilon" not in out


TASKS = {  # exercise: (an edit that changes value and gradient alike, so that only the task is missed)
    "both_sides": [("0.5 * self.gamma *", "self.gamma *"), ("self.gamma * g /", "2 * self.gamma * g /")],
    "one_sided_penalty": [("norm - self.bound", "norm - 0.5 * self.bound")],
    "penalty_by_difference": [("v = self.gamma", "v = 2 * self.gamma"), ("return 0.5", "return 1.0")],
    "least_squares_game": [("fake_logits - self.c", "fake_logits - self.b")],
}
MISSED = {  # exercise: half of the solution
    "radius": [("dout[:, :-1] + 2 *", "2 *")],
    "variety": [("dout[:, :-1] + 2 *", "2 *")],
}


def spoiled_solution(exercise, edits):
    """Return the exercise's file with a solution in it that has these edits."""
    place, solution = SOLVED[exercise]
    source = TEXTS[exercise, place]
    for old, new in edits:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    text = (EXERCISES / f"{exercise}.py").read_text(encoding="utf-8")
    text += "\n\nimport numpy as np\nfrom tinygan.gradient_penalty import add_gradient_penalty\n\n\n"
    if "." in place:
        return f"{text}{source}\n\n{place} = {solution.__name__}\n"
    keep = "    {k: f for k, f in vars(task).items() if k.endswith('_by_definition')}.items()"
    return f"{text}task = {place}\n\n\n{source}\n\nfor name, f in \\\n{keep}:\n    setattr({place}, name, f)\n"


@pytest.mark.parametrize("exercise", TASKS)
def test_a_right_gradient_of_something_else_than_the_task_is_no_solution(exercise, judge):
    assert judge(spoiled_solution(exercise, []))[0] == 0
    code, out, _ = judge(spoiled_solution(exercise, TASKS[exercise]))
    assert code == 1 and "by definition" in out, out
    assert "another loss" in out or "targets a, b, c swapped" in out


@pytest.mark.parametrize("exercise", MISSED)
def test_no_corner_is_told_of_where_there_is_none(exercise, judge):
    code, out, _ = judge(spoiled_solution(exercise, MISSED[exercise]))
    assert code == 1 and not re.search("corner|mask|flat|cut off", out), out


@pytest.mark.parametrize("exercise", MENDED)
def test_an_exercise_that_comes_wrong_is_named_and_can_be_mended(exercise, judge):
    text = (EXERCISES / f"{exercise}.py").read_text(encoding="utf-8")
    code, out, _ = judge(text)
    assert code == 1
    for place, (name, _) in MENDED[exercise].items():
        told = out[out.index(f"{place.split('.')[0]} (mine.py, line") :]
        assert re.search(r"^  ([\w /]+)(, in [^:]*)?: .*\n    look at: ", told, re.MULTILINE)[1] == name, out
        text += f"\n\nfrom solutions import MENDED\n{place} = MENDED[{exercise!r}][{place!r}][1]\n"
    code, out, _ = judge(text)
    assert code == 0, out


# ---- what the doctor says of mistakes that readers really made -----------------------------------


def dense(line):
    """Dense with this line in the place of its dW."""
    return spoiled("self.dW = self.x.T @ dout", line)


GAIN = """\
import numpy as np

class Gain:
    def __init__(self, n_in):
        self.W = np.ones(n_in)

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dout):
        self.dW = {}
        return dout * self.W
"""
CROSS_ENTROPY = """\
import numpy as np

def bce_by_definition(logits, target):
    p = 1 / (1 + np.exp(-logits))
    return -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))

def bce(logits, target):
    p = 1 / (1 + np.exp(-logits))
    loss = np.mean(np.logaddexp(0, logits) - target * logits)
    {}
"""
SIGMOID = ACTIVATION.format(forward="1 / (1 + np.exp(-x))", backward="{}").replace("Square", "Logistic")
P = "1 / (1 + np.exp(-self.x))"
LOGS = "target * np.log({0} + {1}) + (1 - target) * np.log(1 - {0} + {1})"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (GAIN.format("self.x * dout"), "not summed over the batch, in W (shape (5, 7) where W has (7,)): "),
        (GAIN.format("self.x.T @ dout"), "wrong shape, in W (shape (7, 7) where W has (7,)): "),
        (GAIN.format("(self.x * dout).sum()"), "summed over everything, in W (shape () where W has (7,)): "),
        (GAIN.format("(self.x * dout).sum(axis=1)"), "summed over the wrong axis, in W "),
        (GAIN.format("np.outer(self.x, dout)"), "wrong shape, in W (shape (35, 35) where W has (7,)): "),
        (dense("self.dW = self.x @ dout"), "transposed matrix, in W: "),
        (dense("self.dW = self.x @ dout"), "`self.dW = self.x.T @ dout` in place of `self.dW = self.x @ dout`"),
        (dense("self.dW = dout.T @ self.x"), "transposed result, in W: "),
        (dense("self.dW = self.x.T @ dout / len(dout)"), "1/N divided twice, in W (×0.2 = 1/N): "),
        (dense("self.dW = self.x.T @ dout / dout.size"), "1/N divided twice, in W (×0.0666667 = 1/(N·O)): "),
        (dense("self.dW = 0.5 * self.x.T @ dout"), "constant factor, in W (×0.5 = 1/2): "),
        (dense("self.dW = 3 * self.x.T @ dout"), "constant factor, in W (×3): "),
        (dense("self.dW = dout.shape[1] * self.x.T @ dout"), "constant factor, in W (×3 = O): "),
        (
            dense("for x, d in zip(self.x, dout):\n            self.dW = np.outer(x, d)"),
            "not every sample counted, in W (only the last sample): ",
        ),
        (
            dense("self.dW = self.x.T * dout"),
            "wrong product, in W (yours is dout * self.x.T; right is self.x.T @ dout): ",
        ),
        (
            spoiled("sum(axis=0)", "sum(axis=0)[:, None]"),
            "keepdims, in b (shape (3, 1) where b has (3,); without keepdims=True or [:, None]): ",
        ),
        (SIGMOID.format("1 * dout"), "derivative missing, in x: "),
        (SIGMOID.format(f"dout * ({P} * (1 - {P}))**2"), "derivative twice, in x: "),
        (SIGMOID.format(f"dout * {P}"), "wrong slope, in x (it looks like y, and must be y(1 - y); y is out): "),
        (
            ACTIVATION.format(forward="np.tanh(x)", backward="dout * (1 - np.tanh(self.x))"),
            "wrong slope, in x (it looks like 1 - y, and must be 1 - y²; y is out): ",
        ),
        (
            ACTIVATION.format(forward="np.sin(x)", backward="dout * self.x"),
            "wrong slope, in x (it looks like x): ",
        ),
        (
            CROSS_ENTROPY.format("return loss, (p - target) / len(logits)"),
            "constant factor, in logits (×7 = I)",
        ),
        (CROSS_ENTROPY.format("return loss, np.mean(p - target)"), "(shape () where logits has (5, 7)): "),
        (
            CROSS_ENTROPY.format("return 3 * loss, (p - target) / p.size"),
            "  another loss, in value, by definition, far value, by definition: ",
        ),
        (
            CROSS_ENTROPY.format(f"return -np.mean({LOGS.format('p', 0)}), (p - target) / p.size"),
            "right at ordinary numbers; at large ones",
        ),
        *(
            (
                CROSS_ENTROPY.format(f"return -np.mean({LOGS.format('p', epsilon)}), (p - target) / p.size"),
                name,
            )
            for epsilon, name in (
                ("1e-05", "epsilon in the logarithm, in "),
                ("1e-08", "epsilon in the logarithm, in "),
                ("1e-12", "saturated by clipping or epsilon, in large logits: "),
            )
        ),
        (
            CROSS_ENTROPY.format(
                f"p = np.clip(p, 1e-6, 1 - 1e-6)\n    return -np.mean({LOGS.format('p', 0)}), (p - target) / p.size"
            ),
            "saturated by clipping or epsilon, in large logits: ",
        ),
    ],
)
def test_what_readers_did_wrong_is_said_in_words_about_it(judge, source, words):
    code, out, _ = judge(source)
    assert code == 1 and words in out, out
    assert out.count("look at: ") == 1 and "on a kink" not in out, out


# ---- what others use -----------------------------------------------------------------------------

POLICY = """
import numpy as np

W = np.random.RandomState(0).randn(7)


def policy(x):
    return 1 / (1 + np.exp(-(x @ W)))


def policy_backward(episode, back):
    return {"W": np.vstack(episode).T @ np.array(back).reshape(len(episode))}


def objective(xs, actions):
    return sum(np.log(policy(x) if a == 1 else 1 - policy(x)) for x, a in zip(xs, actions))


def objective_gradient(xs, actions):
    return policy_backward(list(xs), [a - policy(x) for x, a in zip(xs, actions)])
"""


def test_a_helper_that_cannot_be_run_alone_is_measured_in_what_uses_it_if_that_is_right(judge):
    code, out, _ = judge(POLICY)
    assert code == 0 and "policy_backward: measured as a part of objective_gradient, which is right" in out
    code, out, _ = judge(POLICY.replace("a - policy(x) for", "policy(x) for"))
    assert code == 1 and "measured as a part" not in out


CONTROL = """
import numpy as np

A = np.random.randn(2, 2)


class Controller:
    def __init__(self):
        self.K = np.random.randn(2, 2)

    def act(self, x):
        return np.tanh(x @ self.K)

    def act_back(self, x, u, du, grads):
        dz = du * (1 - u**2)
        grads["K"] += x.T @ dz
        return dz @ self.K.T


def simulate(control, x0, steps):
    xs, us = [x0], []
    for _ in range(steps):
        us.append(control.act(xs[-1]))
        xs.append(xs[-1] @ A.T + us[-1])
    return xs, us


def total_cost(xs):
    return sum(np.sum(x**2) for x in xs[1:]) / len(xs[0])


def cost_gradient(control, xs, us):
    grads, dx = {"K": np.zeros_like(control.K)}, 0
    for t in reversed(range(len(us))):
        dx = dx + 2 * xs[t + 1] / len(xs[0])
        back = control.act_back(xs[t], us[t], dx, grads)
        dx = dx @ A + back
    return grads


control = Controller()
cost_gradient(control, *simulate(control, np.random.randn(6, 2), 3))
"""


def test_a_method_that_cannot_be_run_alone_is_measured_in_what_calls_it(judge):
    """Of a simulation: the states and the outputs come in lists, from step to step."""
    code, out, _ = judge(CONTROL)
    assert code == 0 and "Controller: measured as a part of cost_gradient, which is right" in out
    code, out, _ = judge(CONTROL.replace("dx @ A + back", "dx @ A"))
    assert code == 1 and "measured as a part" not in out


def test_a_helper_with_one_wrong_gradient_stays_wrong_though_what_uses_it_is_right(judge):
    source = """
import numpy as np


def affine(x, W):
    return x @ W


def affine_backward(dout, x, W):
    return 2 * dout @ W.T, x.T @ dout


def loss(W, x, target):
    return 0.5 * np.sum((affine(x, W) - target) ** 2)


def loss_gradient(W, x, target):
    return affine_backward(affine(x, W) - target, x, W)[1]
"""
    code, out, _ = judge(source)
    assert code == 1 and "affine_backward (mine.py, line 9): WRONG" in out


def test_overwriting_dout_is_said_and_costs_nothing(judge):
    source = """
import numpy as np


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        return np.where(self.mask, 0, x)

    def backward(self, dout):
        dout[self.mask] = 0
        return dout
"""
    code, out, _ = judge(source)
    assert code == 0 and "note: backward overwrites dout" in out
