"""``tinygan check`` judges the whole package in seconds, a learner's file in sentences, and exercises.

Whatever is in the file, the answer is an exit code and words about that file: never a traceback.
"""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import planted_mistakes
import pytest
from solutions import MENDED, SOLVED

from tinygan import check, gradient_penalty, layers, losses, objectives

EXERCISES = Path(__file__).parent.parent / "lessons" / "exercises"

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
    assert time.thread_time() - start < 10
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].split() == ["what", "gradients", "entries", "largest", "error"]
    assert all(line.endswith("right") for line in lines[1:] if line)
    assert lines[-1] == f"{len(lines) - 3} of {len(lines) - 3} right"


def public(module, kind):
    return {k for k, thing in vars(module).items() if isinstance(thing, kind) and thing.__module__ == module.__name__}


def test_nothing_of_the_package_is_forgotten():
    things = set(check.own_things())
    wanted = public(layers, type) | public(objectives, type) | public(gradient_penalty, type) - {"Layer"}
    wanted |= {"bce", "bce_with_logits", "least_squares", "Network", "GAN"}
    assert wanted - {"Layer"} <= things
    helpers = {"sigmoid", "absolute"}
    assert {k for k, f in vars(losses).items() if callable(f)} - helpers <= things | {"annotations"}


def test_a_mistake_in_the_package_is_found_named_and_costs_the_exit_code(monkeypatch, capsys):
    backward = layers.Tanh.backward
    monkeypatch.setattr(layers.Tanh, "backward", lambda self, *args, **kwargs: -backward(self, *args, **kwargs))
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
    assert "bias averaged, in b (×0.2 = 1/N): " in out and "look at: " in out


def test_a_mistake_without_a_name_is_described(judge):
    code, out, _ = judge(ACTIVATION.format(forward="x ** 3", backward="dout * np.cosh(self.x)"))
    assert code == 1 and "no known mistake looks like this" in out and "35 of 35 entries are wrong" in out


def test_one_thing_of_a_file_can_be_asked_for(judge):
    broken = DENSE.replace("self.dW = self.x.T @ dout", "self.dW = 1 / 0") + SQUARES
    assert judge(broken)[0] == 1
    code, out, _ = judge(broken, "squares")
    assert code == 0 and out.endswith("1 of 1 right\n")


def test_dictionaries_will_do_for_parameters(judge):
    source = DENSE
    for name in ("W", "b"):
        source = source.replace(f"self.d{name}", f"self.grads['{name}']")
        source = source.replace(f"self.{name}", f"self.params['{name}']")
    source = source.replace("n_out):\n", "n_out):\n        self.params, self.grads = {}, {}\n")
    code, out, _ = judge(source)
    assert code == 0 and re.search(r"^  W +21 ", out, re.MULTILINE)


def test_arrays_that_were_not_looked_at_are_named(judge):
    source = DENSE.replace("self.W", "self.weights").replace("self.dW", "self.dweights").replace("zeros", "ones")
    code, out, _ = judge(source)
    assert code == 0 and "not checked: weights (parameters are W and b, " in out
    assert "not checked" not in judge(DENSE)[1]


def test_layers_that_build_on_ours_will_do(judge):
    source = "from tinygan.layers import Dense\nclass Mine(Dense):\n    def backward(self, dout):\n"
    code, out, _ = judge(source + "        return 2 * super().backward(dout)\n")
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
    assert code == 0 and re.search(r"^  logits +15 ", out, re.MULTILINE), out
    code, out, _ = judge(SOFTMAX.format("s.size"))
    assert code == 1 and re.search(r"^  logits +15 .* WRONG$", out, re.MULTILINE)


@pytest.mark.parametrize("module", ["layers", "network", "losses", "objectives", "gan", "gradient_penalty"])
def test_a_file_of_the_package_is_judged_like_the_package(module, capsys):
    assert check.main(str(Path(check.__file__).with_name(f"{module}.py"))) == 0
    assert "WRONG" not in capsys.readouterr().out


def test_a_copy_of_the_package_that_does_not_run_here_is_named_as_that(tmp_path, capsys):
    for name in ("gradcheck", "learner", "layers"):
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
    assert code == 1 and "loss, by definition" in out and "another loss: " in out


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
    assert judge(source + DEFINITION)[:2] == (0, judge(source, "mine")[1])
    if "tuple(" not in body:  # the one that nobody would see in the source
        assert judge(source)[0] == 0


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("np.mean(d * d), 2 * d / d.size", "None"),
        ("return", "None"),
        ("return np.mean(d * d)", "one number"),
        ("return float(np.mean(d * d))", "one number"),
        ("return d", "a ndarray"),
        ("return [np.mean(d * d)]", "a list of one"),
    ],
)
def test_a_loss_that_returns_something_else_is_told_what_to_return(judge, body, what):
    source = f"import numpy as np\ndef mine(out, target):\n    d = out - target\n    {body}\n"
    for code, out, err in (judge(source + DEFINITION), judge(source, "mine")):
        sentence = f"mine.py, line 2: mine returns {what}, and must return (loss, gradient), the loss as one number"
        assert code == 1 and err == "" and sentence in out, out


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
        ("here.py:np", "module is no layer"),
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
        (spoiled("def backward", "def back"), "mine.py, line 3: Dense has no method backward(self, dout)"),
        (spoiled("def forward", "def go"), "mine.py, line 3: Dense has no method forward(self, x)"),
        (spoiled("n_in, n_out):", "a, b, c):"), "mine.py, line 3: Dense needs the arguments a, b, c"),
        (spoiled("np.zeros(n_out)", "0.0"), "mine.py, line 3: Dense.b is a float, and must be a NumPy array"),
        (spoiled("np.zeros(n_out)", "np.zeros(-1)"), "mine.py, line 6, in __init__: ValueError: negative dim"),
        (spoiled("x @ self.W", "x @ self.V"), "mine.py, line 10, in forward, given an array of shape (5, 7): Attr"),
        (spoiled("return dout @ self.W.T", "dout @ self.W.T"), "mine.py, line 12: backward gives None where dx is"),
        (spoiled("self.dW =", "dW ="), "mine.py, line 12: backward does not set the gradient of W (self.dW)"),
        (spoiled("(self, dout)", "(self)"), "mine.py, line 12, backward, given an array of shape (5, 3): TypeError"),
        (spoiled("return x @ self.W + self.b", "return None"), "mine.py, line 8: forward gives None where out is"),
        (spoiled("return x @ self.W", "return 'out' #"), "mine.py, line 8: forward gives 'out' where out is"),
        (spoiled("dout @ self.W.T", "dout"), "its shape is (5, 3), and must be (5, 7)"),
        (spoiled("self.x.T @ dout", "dout"), "its shape is (5, 3), and must be (7, 3)"),
        (
            ACTIVATION.format(forward="np.log(x)", backward="dout / self.x"),
            "mine.py, line 4: forward gives out = nan at [0, ",
        ),
        (
            ACTIVATION.format(forward="x", backward="dout / (x := 0 * dout)"),
            "mine.py, line 8: backward gives dx = ",
        ),
        (
            ACTIVATION.format(forward="x", backward="dout / np.maximum(self.x, 0)"),
            r"mine.py, line 8: backward gives dx = \S+ at \[\d, \d\], where x is -",
        ),
        (
            spoiled("return dout @ self.W.T", "return self.dW, self.db, dout @ self.W.T"),
            "mine.py, line 12: backward returns a tuple of 3, and must return dx alone; dW and db are set on self",
        ),
        (
            "import numpy as np\ndef loss(logits, target):\n    p = 1 / (1 + np.exp(-logits))\n"
            "    return -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p)), (p - target) / p.size\n",
            r"mine.py, line 2: loss gives a loss = inf at \[\d, \d\], where logits is 8\d\d\.\d+ and target is 0\.\d",
        ),
        (
            "import numpy as np\ndef loss(logits, target):\n    e = np.exp(logits)\n"
            "    return np.mean(np.logaddexp(0, logits) - target * logits), (e / (1 + e) - target) / e.size\n",
            r"mine.py, line 2: loss gives d\(loss\)/d\(logits\) = nan at \[\d, \d\], where logits is 8\d\d",
        ),
        (
            "def loss(out, target):\n    return ((out - target) ** 2).mean(axis=1), out - target\n",
            "mine.py, line 1: loss returns a loss of shape (5,), and must return (loss, gradient)",
        ),
        (
            "class Game:\n    def discriminator(self, real_logits, fake_logits):\n"
            "        return real_logits.mean(), 1 / 5 + 0 * real_logits\n"
            "    def generator(self, fake_logits):\n        return fake_logits.mean(), 1 / 5 + 0 * fake_logits\n",
            "mine.py, line 2: must return (loss, gradient, ...), a gradient for real_logits and fake_logits",
        ),
        (
            "from tinygan.gan import GAN\nclass Mine(GAN):\n    def generator_step(self, x_fake):\n"
            "        super().generator_step(x_fake)\n",
            "mine.py, line 3: generator_step gives None where the loss is needed",
        ),
        (
            "class Game:\n    def discriminator(self, real_logits, fake_logits):\n        raise NotImplementedError\n",
            "mine.py, line 1: Game has no method generator(self, fake_logits)",
        ),
        (
            "class Game:\n    def generator(self, fake_logits):\n        return 1.0, fake_logits\n",
            "mine.py, line 1: Game has no method discriminator(self, real_logits, fake_logits)",
        ),
        (
            "class Mine:\n    def discriminator_step(self, x_real, x_fake):\n        pass\n",
            "mine.py, line 1: Mine has no method generator_step(self, x_fake)",
        ),
        (
            "class Mine:\n    generator = None\n    def discriminator_step(self, x_real, x_fake):\n        pass\n"
            "    def generator_step(self, x_fake):\n        pass\n",
            "mine.py, line 1: Mine.generator is missing, or not what it is in tinygan/gan.py",
        ),
        (
            "from tinygan.gan import GAN\nclass Mine(GAN):\n    def __init__(self, generator, discriminator):\n"
            "        self.generator, self.discriminator = generator, discriminator\n",
            "mine.py, line 2: Mine.objective is missing, or not what it is in tinygan/gan.py",
        ),
        (
            spoiled("n_out):", "n_out):\n        self.params, self.grads = {}, []")
            .replace("self.W", "self.params['W']")
            .replace("self.b", "self.params['b']"),
            "mine.py, line 13: backward does not set the gradient of W (self.grads['W'])",
        ),
        (
            spoiled("self.W", "self.V") + "    W = property(lambda self: self.V.astype('f'))\n",
            "mine.py, line 3: Dense.W cannot be set: ",
        ),
    ],
)
def test_broken_code_gets_a_sentence_with_file_and_line_and_one(judge, source, sentence):
    code, out, err = judge(source)
    assert code == 1 and err == "" and (sentence in out or re.search(sentence, out)), out


ODD = ["None", "'a'", "1j * y", "[[1], [1, 2]]", "y[:0]", "y > 0", "y.astype(object)", "(y, y)", "y[None]", "1.0"]


@pytest.mark.parametrize("odd", ODD)
def test_whatever_odd_thing_code_gives_it_is_judged_in_words(judge, odd):
    for forward, backward in itertools.product([odd.replace("y", "x"), "x"], [odd.replace("y", "dout"), "dout"]):
        code, out, err = judge(ACTIVATION.format(forward=forward, backward=backward))
        right = forward == "x" and backward == "dout"
        assert code == (not right) and err == "" and "mine.py" in out, (forward, backward)
    for loss, gradient in itertools.product([odd, "y.mean()"], [odd, "0 * y + 1 / y.size"]):
        for several in (gradient, f"{gradient}, {gradient}"):
            source = f"def loss(y):\n    return {loss}, {several}\n"
            code, out, err = judge(source)
            right = loss == "y.mean()" and several == "0 * y + 1 / y.size"
            assert code == (not right) and err == "" and "mine.py" in out, source


def test_a_product_that_does_not_fit_is_explained(judge):
    code, out, _ = judge(spoiled("dout @ self.W.T", "dout @ self.W"))
    assert code == 1 and "mine.py, line 15, in backward, given an array of shape (5, 3): ValueError: matmul" in out
    assert "transposed weight, in x: " in out


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
    assert check.main(str(path)) == 1
    out, err = capsys.readouterr()
    assert err == "" and "Traceback" not in out and ": not filled in yet" in out
    assert any(f"{exercise}.py, line {i + 1}, in " in out for i in places)


@pytest.mark.parametrize("exercise", SOLVED)
def test_the_reference_solution_passes(exercise, judge):
    code, out, _ = judge(filled(exercise))
    assert code == 0, out


def test_another_loss_than_the_one_asked_for_is_no_solution(judge, monkeypatch):
    monkeypatch.setitem(SOLVED, "bce_with_logits", ("bce_with_logits", planted_mistakes.mean_squares))
    code, out, _ = judge(filled("bce_with_logits"))
    assert code == 1 and "another loss: " in out


def test_a_solution_that_overflows_is_no_solution(judge, monkeypatch):
    monkeypatch.setitem(SOLVED, "bce_with_logits", ("bce_with_logits", planted_mistakes.overflowing))
    code, out, _ = judge(filled("bce_with_logits"))
    assert code == 1 and "overflow: " in out and "epsilon" not in out


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
        (GAIN.format("self.x * dout"), "not summed over the batch, in W (shape (N, I) where W has (I,)): "),
        (GAIN.format("self.x.T @ dout"), "(yours is xᵀ dout; right is Σ_n x · dout, entry by entry): "),
        (GAIN.format("self.x @ dout"), "(yours is x dout; right is Σ_n x · dout, entry by entry): "),
        (GAIN.format("(self.x * dout).sum()"), "summed over everything, in W (shape () where W has (I,)): "),
        (GAIN.format("(self.x * dout).sum(axis=1)"), "summed over the wrong axis, in W: "),
        (GAIN.format("np.outer(self.x, dout)"), "wrong shape, in W (shape (35, 35) where W has (I,)): "),
        (dense("self.dW = self.x @ dout"), "wrong product, in W (yours is x dout; right is xᵀ dout): "),
        (dense("self.dW = self.x @ dout"), "with x (N, I), W (I, O), dout (N, O): dW = xᵀ dout has shape (I, O), "),
        (dense("self.dW = dout.T @ self.x"), "transposed result, in W (yours is doutᵀ x; right is xᵀ dout): "),
        (dense("self.dW = self.x.T @ dout / len(dout)"), "1/N divided twice, in W (×0.2 = 1/N): "),
        (dense("self.dW = self.x.T @ dout / dout.size"), "1/N divided twice, in W (×0.0666667 = 1/(N·O)): "),
        (dense("self.dW = 0.5 * self.x.T @ dout"), "constant factor, in W (×0.5 = 1/2): "),
        (dense("self.dW = 3 * self.x.T @ dout"), "constant factor, in W (×3): "),
        (dense("self.dW = dout.shape[1] * self.x.T @ dout"), "constant factor, in W (×3 = O): "),
        (
            dense("for x, d in zip(self.x, dout):\n            self.dW = np.outer(x, d)"),
            "not every sample counted, in W (only the last): ",
        ),
        (dense("self.dW = self.x.T * dout"), "in W (yours is xᵀ · dout, entry by entry; right is xᵀ dout): "),
        (spoiled("sum(axis=0)", "sum(axis=0, keepdims=True)"), "keepdims, in b (shape (1, O) where b has (O,)): "),
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
            "constant factor, in logits, large logits (×3 = O)",
        ),
        (CROSS_ENTROPY.format("return loss, np.mean(p - target)"), "(shape () where logits has (N, O)): "),
        (CROSS_ENTROPY.format("return 3 * loss, (p - target) / p.size"), "  another loss: the loss itself, "),
        (
            CROSS_ENTROPY.format(f"return -np.mean({LOGS.format('p', 0)}), (p - target) / p.size"),
            "  overflow: right at ordinary numbers",
        ),
        *(
            (
                CROSS_ENTROPY.format(f"return -np.mean({LOGS.format('p', epsilon)}), (p - target) / p.size"),
                f"epsilon in the logarithm (it looks like log(p + {epsilon})): ",
            )
            for epsilon in ("1e-05", "1e-08", "1e-12", "1e-16")
        ),
        (
            CROSS_ENTROPY.format(
                f"p = np.clip(p, 1e-6, 1 - 1e-6)\n    return -np.mean({LOGS.format('p', 0)}), (p - target) / p.size"
            ),
            "saturated by clipping or epsilon (it looks like p clipped at 1e-06): ",
        ),
    ],
)
def test_what_readers_did_wrong_is_said_in_words_about_it(judge, source, words):
    code, out, _ = judge(source)
    assert code == 1 and words in out, out
    assert out.count("look at: ") == 1 and "on a kink" not in out, out
