"""``tinygan start``, ``check FOLDER``, ``hint``, ``race``: from blanks to 15 of 15, and nothing is overwritten."""

from __future__ import annotations

import ast
import json
import re
import threading

import commands
import numpy as np
import processes
import pytest

from tinygan import synthetic
from tinygan.app import workshop
from tinygan.app.cli import main
from tinygan.workshop import apart, asking, blanks
from tinygan.workshop.apart import verdicts
from tinygan.workshop.steps import STEPS, find


@pytest.fixture
def finished(tmp_path):
    """A folder with everything filled in."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in blanks.finished().items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def started(tmp_path):
    """A folder as ``tinygan start`` leaves it."""
    assert main(["start", str(tmp_path / "mine")]) == 0
    return tmp_path / "mine"


def edit(folder, file, old, new):
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


def fill(folder, index):
    """Write the solution of a step into its blanks."""
    step = STEPS[index]
    for place in step.places:
        text = (folder / step.file).read_text(encoding="utf-8")
        node = blanks.node_of(text, place)
        lines = text.splitlines()
        body = blanks.solution(step.file, place).splitlines()[1:]
        pad = " " * (node.col_offset)
        lines[node.body[-1].lineno - 1 : node.body[-1].end_lineno] = [pad + line if line else line for line in body]
        (folder / step.file).write_text("\n".join(lines) + "\n", encoding="utf-8")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def states(folder):
    return {step.name: verdict.state for step, verdict in verdicts(folder)}


# ---- start ---------------------------------------------------------------------------------------------------


def test_the_blanks_say_what_to_write_and_give_nothing_away(started):
    places = [(step.file, place) for step in STEPS for place in step.places]
    for file, place in places:
        text = (started / file).read_text(encoding="utf-8")
        node = blanks.node_of(text, place)
        assert [type(part) for part in node.body] == [ast.Expr, ast.Raise], place
        assert re.search(r"Lesson \d\d\.", ast.get_docstring(node)), place
        assert f"Lesson {next(step.lesson for step in STEPS if place in step.places)}." in ast.get_docstring(node)
    assert len(STEPS) == 15


def test_the_project_imports_nothing_of_ours(started):
    for path in started.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [name for name in names if name.startswith("tinygan")], path.name


def test_the_drawn_digits_are_those_of_the_package(started):
    code = "import numpy as np, digits; print(digits.digits(30, np.random.default_rng(3)).x.sum(axis=1).tolist())"
    done = processes.run("-c", code, cwd=started)
    assert json.loads(done.stdout) == synthetic.digits(30, np.random.default_rng(3)).x.sum(axis=1).tolist()


def test_start_overwrites_nothing(started, capsys):
    (started / "gan.py").unlink()
    edit(started, "layers.py", "import numpy as np", "import numpy as np  # mine")
    before = contents(started)
    assert "--missing" in commands.refusal(capsys, "start", started)
    assert contents(started) == before
    assert main(["start", str(started), "--missing"]) == 0
    after = contents(started)
    assert after.keys() - before.keys() == {"gan.py"} and {name: after[name] for name in before} == before


def test_a_file_is_no_folder(tmp_path, capsys):
    (tmp_path / "mine").write_text("kept")
    commands.refusal(capsys, "start", tmp_path / "mine")
    commands.refusal(capsys, "start", tmp_path / "mine", "--missing")
    assert (tmp_path / "mine").read_text() == "kept"


# ---- check ---------------------------------------------------------------------------------------------------


def test_of_the_blanks_none_is_right_and_the_first_is_next(started, capsys):
    code, out, _ = commands.answer(capsys, "check", started)
    assert code == 2 and out.endswith("0 of 15 · next: Dense.forward (lesson 02)\n")


def test_filled_in_one_after_the_other_all_become_right(started):
    assert set(states(started).values()) == {"blank", "waits"}
    for part in (range(4), range(4, 9), range(9, 15)):  # each while those behind it are blank
        for index in part:
            fill(started, index)
        found = apart.judged(started, tuple(part), {step.name for step in STEPS})
        assert {STEPS[index].name: verdict.state for index, verdict in found} == {STEPS[i].name: "right" for i in part}


def judge_alone(folder, index):
    """The Verdict on one step, from a process of its own."""
    names = {step.name for step in STEPS}
    ((_, verdict),) = apart.judged(folder, (index,), names)
    return verdict


def test_the_finished_project_is_right(finished, capsys):
    before = contents(finished)
    code, out, _ = commands.answer(capsys, "check", finished)
    assert code == 0 and "15 of 15" in out
    assert contents(finished) == before


def test_the_first_mistake_is_named_and_the_others_only_counted(finished, capsys):
    edit(finished, "layers.py", "self.dW[...] = self.x.T @ dout", "self.dW[...] = -self.x.T @ dout")
    edit(finished, "losses.py", "(p - t) / s.size", "p - t")
    code, out, _ = commands.answer(capsys, "check", finished)
    assert code == 1 and "wrong sign" in out and "missing 1/N" not in out
    assert out.endswith("8 of 15 · next: Dense.backward (lesson 02)\n")
    assert re.search(r"bce_with_logits +lesson 04  WRONG", out) and "waits for Network" in out


def test_the_doctor_is_asked_where_no_typical_mistake_fits(finished, capsys):
    edit(finished, "layers.py", "dout.sum(axis=0)", "-dout.mean(axis=0)")
    code, out, _ = commands.answer(capsys, "check", finished)
    assert code == 1 and "1/N divided twice, in b" in out


def test_what_is_wrong_is_told_also_behind_a_blank(finished, capsys):
    edit(finished, "layers.py", "return x @ self.W + self.b", "raise NotImplementedError")
    edit(finished, "losses.py", "(p - t) / s.size", "p - t")
    code, out, _ = commands.answer(capsys, "check", finished)
    assert code == 1 and "missing 1/N" in out and "next: Dense.forward (lesson 02)" in out


def test_what_is_next_is_the_blank_and_not_its_class(finished, capsys):
    edit(finished, "layers.py", "return np.where(self.x > 0, dout, self.alpha * dout)", "raise NotImplementedError")
    code, out, _ = commands.answer(capsys, "check", finished)
    assert code == 2 and "next: LeakyReLU.backward (lesson 03)" in out


FAULTS = {
    "an endless loop": ("        return dout * self.out", "        while True: pass\n        return dout * self.out"),
    "an exit": ("        return dout * self.out", "        import sys; sys.exit(0)\n        return dout * self.out"),
    "a hard exit": ("        return dout * self.out", "        import os; os._exit(0)\n        return dout * self.out"),
    "an error": ("        return dout * self.out", "        1 / 0\n        return dout * self.out"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_a_readers_code_does_is_a_sentence(finished, capsys, monkeypatch, fault):
    if fault == "an endless loop":
        monkeypatch.setattr(apart, "COMMAND", quick_command())
    edit(finished, "layers.py", *FAULTS[fault])
    code, out, err = commands.answer(capsys, "check", finished)
    assert code in (1, 2) and "14 of 15 · next: Sigmoid" in out and "Traceback" not in out + err


def quick_command():
    """The command of the process that judges, with little patience."""
    names = "apart, asking, projects"
    less = "asking.SECONDS = projects.SECONDS = 1"
    code = f"import sys; from tinygan.workshop import {names}; {less}; apart.main(*sys.argv[1:])"
    return ["-B", "-c", code]


def test_a_file_that_is_no_python_costs_only_what_is_in_it(finished):
    (finished / "gan.py").write_text("def f(:\n")
    found = states(finished)
    assert found["Network"] == "right" and found["GAN.generator_step"] == "stopped" and found["train"] == "waits"
    verdict = judge_alone(finished, find("GAN.generator_step"))
    assert "gan.py, line 1" in verdict.lines[0] and "not valid Python" in verdict.lines[0]


def test_a_file_of_layers_that_is_no_python_leaves_the_others_alone(finished):
    (finished / "layers.py").write_text("def f(:\n")
    found = states(finished)
    alone = ("bce_with_logits", "least_squares", "one_vector", "SGD.step", "Adam.step", "MovingAverage.update")
    assert {found[name] for name in alone} == {"right"} and found["Sigmoid"] == "stopped"


def test_float32_that_leaves_as_float64_is_right_and_told(finished, capsys):
    edit(finished, "layers.py", "self.x > 0, dout, self.alpha * dout)", "self.x > 0, 1.0, self.alpha) * dout")
    edit(finished, "losses.py", "difference / out.size", "difference / np.full(1, out.size)")
    code, out, _ = commands.answer(capsys, "check", finished)
    assert code == 0 and len(re.findall(r"(?:LeakyReLU|least_squares) .* right, but float32", out)) == 2
    assert out.count("float64") == 2


def test_a_loop_outside_of_all_functions_is_waited_for_once(finished, monkeypatch):
    (finished / "layers.py").write_text("while True: pass\n")
    monkeypatch.setattr(apart, "COMMAND", quick_command())
    found = list(apart.judged(finished, (0, 2, 3), set()))
    assert [verdict.state for _, verdict in found] == ["stopped"] * 3 and "no end" in found[2][1].lines[0]


def test_that_it_still_runs_is_said_while_it_runs(capsys, monkeypatch):
    monkeypatch.setattr(workshop, "SILENCE", 0.01)
    said = []
    monkeypatch.setattr(workshop, "say", said.append)
    ended = threading.Event()
    found = (ended.wait(0.3) or each for each in "ab")
    assert len(list(workshop.patiently(found))) == 2 and len(said) == 2 and "still running" in said[0]


def test_the_last_lines_that_a_wrong_step_prints_are_shown(finished):
    edit(finished, "layers.py", "x @ self.W + self.b", "[print('row', k) for k in range(99)] and x @ self.W")
    lines = judge_alone(finished, 0).lines
    assert lines[-1].strip() == "row 98" and "    row 90" not in lines


def test_a_project_on_dictionaries_comes_as_far_as_it_can(finished):
    text = (finished / "layers.py").read_text(encoding="utf-8")
    theirs = text[text.index("class Dense") : text.index("class LeakyReLU")]
    (finished / "layers.py").write_text(text.replace(theirs, DICTIONARIES + "\n\n"), encoding="utf-8")
    (finished / "optimizers.py").write_text(DICTIONARY_OPTIMIZERS)
    edit(finished, "network.py", "def one_vector", "def many_vectors")
    found = dict(verdicts(finished))
    by_name = {step.name: verdict for step, verdict in found.items()}
    right = ("Dense.forward", "Dense.backward", "LeakyReLU", "Sigmoid", "bce_with_logits", "least_squares", "Adam.step")
    assert {by_name[name].state for name in right} == {"right"}
    for name in ("one_vector", "SGD.step"):
        assert by_name[name].state == "stopped" and "another layout" in " ".join(by_name[name].lines)


def test_what_a_readers_code_prints_disturbs_nobody(finished, capsys):
    edit(finished, "layers.py", "import numpy as np\n", 'import numpy as np\nprint("[1, 2")\n')
    code, out, _ = commands.answer(capsys, "check", finished)
    assert code == 0 and "[1, 2" not in out


def test_random_answers_are_told(finished):
    edit(finished, "layers.py", "return x @ self.W + self.b", "return x @ self.W + self.b + next(DICE)")
    edit(finished, "layers.py", "class Dense:", "DICE = iter(np.random.default_rng(1).random(100))\n\n\nclass Dense:")
    assert "not deterministic" in judge_alone(finished, 0).lines[0]


def test_other_names_of_parameters_and_other_files_are_as_right(finished):
    for file in ("layers.py", "penalty.py"):
        text = (finished / file).read_text(encoding="utf-8")
        for old, new in (("W", "weights"), ("b", "bias")):
            text = re.sub(rf"\.(d?){old}\b", rf".\g<1>{new}", text).replace(f'"{old}":', f'"{new}":')
        (finished / file).write_text(text, encoding="utf-8")
    text = (finished / "optimizers.py").read_text(encoding="utf-8")
    sgd = text[text.index("class SGD") : text.index("class Adam")]
    (finished / "optimizers.py").write_text(text.replace(sgd, ""), encoding="utf-8")
    (finished / "descent.py").write_text(sgd, encoding="utf-8")
    assert set(states(finished).values()) == {"right"}


def test_a_function_that_is_gone_is_said(finished):
    edit(finished, "optimizers.py", "class MovingAverage", "class Average")
    edit(finished, "train.py", "MovingAverage", "Average")
    verdict = judge_alone(finished, find("MovingAverage.update"))
    assert verdict.state == "stopped" and "no MovingAverage.update" in verdict.lines[0]


def test_a_folder_of_another_layout_is_checked_file_by_file(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(
        "class Tanh:\n    def forward(self, x):\n        import numpy as np\n        self.out = np.tanh(x)\n"
        "        return self.out\n\n    def backward(self, dout):\n        return dout * (1 - self.out)\n"
    )
    code, out, _ = commands.answer(capsys, "check", tmp_path)
    assert code == 1 and "Tanh" in out and "0 of 1 files right" in out
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text().replace("1 - self.out)", "1 - self.out**2)"))
    (tmp_path / "train.py").write_text("from mine import Tanh\n\nfor step in range(3):\n    print(Tanh())\n\n1 / 0\n")
    code, out, _ = commands.answer(capsys, "check", tmp_path)
    assert code == 0 and "1 of 1 files right" in out
    (tmp_path / "broken.py").write_text("def f(:\n")
    assert workshop.gives_gradients(tmp_path / "broken.py", "")  # for all one knows
    (tmp_path / "empty").mkdir()
    commands.refusal(capsys, "check", tmp_path / "empty")
    assert "a folder" in commands.refusal(capsys, "check", tmp_path / "none")
    assert "exit code" in commands.answer(capsys, "check", "--help")[1]


def test_watch_judges_again_after_a_save_and_ends_with_ctrl_c(finished, capsys, monkeypatch):
    edit(finished, "losses.py", "(p - t) / s.size", "p - t")
    saves = iter([lambda: edit(finished, "losses.py", "p - t\n", "(p - t) / s.size\n"), lambda: None])

    def sleep(_):
        save = next(saves, None)
        if save is None:
            raise KeyboardInterrupt
        save()

    monkeypatch.setattr(workshop.time, "sleep", sleep)
    code, out, _ = commands.answer(capsys, "check", finished, "--watch")
    assert code == 0 and "11 of 15" in out
    assert out.index("next: bce_with_logits") < out.index("15 of 15")
    commands.refusal(capsys, "check", finished / "losses.py", "--watch")


# ---- hints ---------------------------------------------------------------------------------------------------


def test_hints_grow_stronger_end_in_the_solution_and_are_marked(started, capsys):
    said = [commands.answer(capsys, "hint", started)[1] for _ in range(3)]
    assert [f"hint {k} of 3" in text for k, text in enumerate(said, 1)] == [True] * 3
    assert "return x @ self.W + self.b" in said[2] and "Why:" in said[2]
    assert "self.x = x" not in said[0] and "return x @" not in said[0] + said[1]
    code, out, _ = commands.answer(capsys, "hint", started, "leakyrelu.backward")
    assert code == 0 and "hint 1 of 3" in out
    out = commands.answer(capsys, "check", started)[1]
    assert re.search(r"Dense.forward .*solution seen", out) and re.search(r"LeakyReLU .*1 of 3 hints", out)


def test_a_hint_for_what_is_not_there_is_refused(started, tmp_path, capsys):
    assert "did you mean Sigmoid" in commands.refusal(capsys, "hint", started, "Sigmoit")
    commands.refusal(capsys, "hint", started, "16")
    commands.refusal(capsys, "hint", tmp_path)
    (started / "hints.json").write_text("[1")
    assert "hints.json" in commands.refusal(capsys, "hint", started, "1")


def test_every_solution_is_the_finished_projects_own():
    for step in STEPS:
        for place in step.places:
            text = blanks.solution(step.file, place)
            assert "NotImplementedError" not in text and '"""' not in text
            ast.parse(text)
        assert len(step.hints) == 2 and step.reason


# ---- race ----------------------------------------------------------------------------------------------------


@pytest.mark.breadth
def test_the_finished_project_goes_the_packages_way(finished, capsys):
    code, out, _ = commands.answer(capsys, "race", finished)
    errors = [float(number) for number in re.findall(r"relative difference (\S+)", out)]
    assert code == 0 and len(errors) == 4 and max(errors) < 1e-12
    assert re.search(r"A step: [\d.]+ ms", out) and "Dense.backward" in out and "Lesson 15" in out


@pytest.mark.breadth
def test_a_training_that_goes_another_way_is_told(finished, capsys):
    edit(
        finished,
        "train.py",
        "return GAN(generator, discriminator, Adam(LR), Adam(LR)",
        "return GAN(generator, discriminator, Adam(LR), Adam(2 * LR)",
    )
    code, out, _ = commands.answer(capsys, "race", finished)
    assert code == 1 and "It goes another way" in out and "at step 1." in out


def test_there_is_no_race_before_all_is_right(started, capsys):
    assert "0 of 15" in commands.refusal(capsys, "race", started)


@pytest.mark.breadth
def test_their_training_runs_and_leaves_pictures(finished):
    done = processes.run("train.py", "--steps", "20", "--data", "digits", "--without-r1", cwd=finished)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (finished / "run").iterdir()} == {
        "samples.png",
        "curves.png",
        "film.gif",
        "generator.npz",
    }
    assert "step 20/20" in done.stdout and "loss D" in done.stdout


def test_steps_are_found_by_number_and_by_name():
    assert [find("1"), find("dense.backward"), find("Adam"), find("sigmoid.forward")] == [0, 1, 9, 3]
    assert asking.SECONDS < apart.PATIENCE


def test_what_makes_it_slow_is_said():
    found = {"times": (5.0, 12.0), "wide": ["LeakyReLU.backward"], "profile": [(0.5, "optimizers.py, Adam.step")]}
    text = " ".join(workshop.advice(found))
    assert "LeakyReLU.backward" in text and "float64" in text and "optimizer" in text and "Lesson 15" in text
    text = " ".join(workshop.advice({"times": (5.0, 5.5), "wide": [], "profile": []}))
    assert "As fast as the package" in text and "optimizer" not in text


DICTIONARY_OPTIMIZERS = """
import numpy as np


class SGD:
    def __init__(self, layers, lr):
        self.layers, self.lr = layers, lr

    def step(self):
        for layer in self.layers:
            for name in layer.params:
                layer.params[name] -= self.lr * layer.grads[name]


class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v, self.t = {}, {}, 0

    def step(self, params, grads):
        self.t += 1
        for k in params:
            self.m[k] = self.beta1 * self.m.get(k, 0) + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v.get(k, 0) + (1 - self.beta2) * grads[k] ** 2
            m, v = self.m[k] / (1 - self.beta1**self.t), self.v[k] / (1 - self.beta2**self.t)
            params[k] -= self.lr * m / (np.sqrt(v) + self.eps)
"""

DICTIONARIES = """
class Dense:
    def __init__(self, n_in, n_out):
        self.params = {"W": np.zeros((n_in, n_out)), "b": np.zeros(n_out)}
        self.grads = {}

    def forward(self, x):
        self.cache = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads = {"W": self.cache.T @ dout, "b": dout.sum(axis=0)}
        return dout @ self.params["W"].T
"""


def test_a_layer_with_dictionaries_is_judged_by_the_doctor(finished):
    text = (finished / "layers.py").read_text(encoding="utf-8")
    theirs = text[text.index("class Dense") : text.index("class LeakyReLU")]
    (finished / "layers.py").write_text(text.replace(theirs, DICTIONARIES + "\n\n"), encoding="utf-8")
    assert judge_alone(finished, 0).state == judge_alone(finished, 1).state == "right"
    edit(finished, "layers.py", "dout.sum(axis=0)", "dout.mean(axis=0)")
    verdict = judge_alone(finished, 1)
    assert verdict.state == "wrong" and "1/N divided twice" in "".join(verdict.lines)
    assert judge_alone(finished, find("Network")).state == "wrong"
