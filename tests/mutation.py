"""Changes the source in hundreds of small ways, one at a time, and requires the tests to notice each.

    python tests/mutation.py                    every file of the mathematics (minutes)
    python tests/mutation.py losses.py          some of them
    pytest -m mutation tests/mutation.py        all, as a test

A mutant is a module with one sign, operator, axis, transposition, constant, argument, comparison or
statement changed. It never reaches the disk: a fresh process imports it in the place of the module,
and runs the core's tests that enter its function, those of that file first, until one fails. A mutant that
no test minds has survived: either a test is missing, or the change changes nothing; those that
are known to be of the second kind are listed in EQUIVALENT, with the reason.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.util
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PROCESSES = 2
TESTS = {  # the tests of each file
    "layers.py": "test_layers.py",
    "convolution.py": "test_convolution.py",
    "normalization.py": "test_convolution.py",
    "network.py": "test_network.py",
    "losses.py": "test_losses.py",
    "objectives.py": "test_objectives.py",
    "optimizers.py": "test_optimizers.py",
    "gradient_penalty.py": "test_gradient_penalty.py",
    "gan.py": "test_gan.py",
}
ALSO = {"gradcheck.py": "test_gradcheck.py"}  # mutated only if asked for; its tests judge all
PATIENCE = 4  # times what the tests take without a mutant, since some mutants never end

ANY_NUMBER = "where the norm is 0, g is 0, and may be divided by any number"
ANY_NEGATIVE = "NumPy takes any negative length for the one that it has to find"
SAME_PRODUCT = "an outer product is what matmul computes as well, only more slowly"
ONE_FOR_EACH = "slopes has one entry for each layer: strict says so, and never speaks"
ANOTHER_ORDER = "the same sum in another order"
ONLY_MEMORY = "it says how much memory is used at once, or which; the numbers are the same"
EITHER_WAY = "columns are added together or one by one, which is the same where the kernel can be so divided"
FOR_READERS = "the Network sets them; the line is for readers and editors"

# lines of which there is more than one mutant
UNFOLDED = "patches.reshape(-1, h, w, K, K, C)[...] = windows.transpose(0, 1, 2, 4, 5, 3)"
FOLDED = "n, step, width = (len(patches), S // together, -(-(W + 2 * P) // together))"
TOGETHER = "together = S if C > 1 and K % S == 0 else 1"
BIAS_GRADS = "return dout.sum(axis=0).reshape(-1, len(self.b)).sum(axis=0)"
GROUPED = (
    "out, x_hat = (self.work_array(name, x.shape, x.dtype).reshape(-1, m, x.shape[1]) for name in ('out', 'x_hat'))"
)
CHANNEL_MEAN = "return x.mean(axis=1).reshape(len(x), -1, self.channels).mean(axis=1)"
CHANNEL_SUM = "return x.sum(axis=(0, 1)).reshape(-1, self.channels).sum(axis=0)"
VIEWS = "self.gain = self.b = self.dgain = self.db = self.mean = self.variance = None"

# (file, statement, what became of it): why it changes nothing
EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "layers.py",
        "product = np.multiply if dout.shape[1] == 1 else np.matmul",
        "product = np.multiply if dout.shape[1] == 0 else np.matmul",
    ): SAME_PRODUCT,
    (
        "layers.py",
        "product = np.multiply if dout.shape[1] == 1 else np.matmul",
        "product = np.multiply if dout.shape[1] == 1.001 else np.matmul",
    ): SAME_PRODUCT,
    **{
        ("layers.py", line, line.replace("-1", "-2")): ANY_NEGATIVE
        for line in (
            "return products.sum(axis=0).reshape(-1, self.channels).sum(axis=0)",
            "return x.reshape(len(x) // self.m, -1)",
            "return dout.reshape(len(dout) * self.m, -1)",
        )
    },
    (
        "layers.py",
        "return products.sum(axis=0).reshape(-1, self.channels).sum(axis=0)",
        "return products.reshape(-1, self.channels).sum(axis=0)",
    ): ANOTHER_ORDER,
    (
        "layers.py",
        "self.da += self.slope_grads(dout_v * self.kept('v') * (self.x.real <= 0))",
        "self.da += self.slope_grads(dout_v * self.kept('v') * (self.x.real < 0))",
    ): "at x = 0, the kink, either is as good",
    (
        "layers.py",
        "return np.multiply(v, self.slope(), out=self.work_array('out_v', v.shape, self.x.dtype))",
        "return np.multiply(v, self.slope())",
    ): ONLY_MEMORY,
    ("layers.py", "self.a = self.da = None", "pass"): FOR_READERS,
    **{("layers.py", "super().__init__()", other): "Pack has no work arrays" for other in ("pass", "super()")},
    **{
        (file, line, line.replace("-1", "-2")): ANY_NEGATIVE
        for file, line in (
            ("convolution.py", "padded[:, P:P + H, P:P + W] = x.reshape(-1, H, W, C)"),
            ("convolution.py", UNFOLDED),
            ("convolution.py", "patches = patches.reshape(-1, h, w, K, K // together, together * C)"),
            ("convolution.py", "x.reshape(n, H, W, C)[...] = padded.reshape(n, H + 2 * P, -1, C)[:, P:P + H, P:P + W]"),
            ("convolution.py", "return small.reshape(-1, self.small[2])"),
            ("convolution.py", BIAS_GRADS),
            ("normalization.py", GROUPED),
            ("normalization.py", "return x.reshape(-1, x.shape[2])"),
            ("normalization.py", "return np.tile(values, n_inputs // self.channels).reshape(-1, 1, n_inputs)"),
            ("normalization.py", CHANNEL_MEAN),
            ("normalization.py", CHANNEL_SUM),
        )
    },
    ("convolution.py", BIAS_GRADS, BIAS_GRADS.replace(".sum(axis=0)", "", 1)): ANOTHER_ORDER,
    ("normalization.py", CHANNEL_MEAN, CHANNEL_MEAN.replace(".mean(axis=1)", "", 1)): ANOTHER_ORDER,
    ("normalization.py", CHANNEL_SUM, CHANNEL_SUM.replace(".sum(axis=(0, 1))", "", 1)): ANOTHER_ORDER,
    **{("convolution.py", "CHUNK = 32", f"CHUNK = {other}"): ONLY_MEMORY for other in (31, 33)},
    **{
        ("convolution.py", FOLDED, FOLDED.replace("-(-(W + 2 * P) // together)", other)): ONLY_MEMORY
        for other in ("-(-(W + 2 * P) * together)", "--(W + 2 * P)", "-(-(W + 3 * P) // together)")
    },
    (
        "convolution.py",
        "self.dW += np.matmul(patches.T, self.places(small), out=product)",
        "self.dW += np.matmul(patches.T, self.places(small))",
    ): ONLY_MEMORY,
    **{
        ("convolution.py", TOGETHER, TOGETHER.replace("C > 1 and K % S == 0", other)): EITHER_WAY
        for other in (
            "K % S == 0",
            *(f"C {other} and K % S == 0" for other in ("<= 1", ">= 1", "> 2", "> 0", "> 1.001")),
            *(f"C > 1 and {other}" for other in ("K == 0", "S == 0", "K % S == -1")),
        )
    },
    (
        "convolution.py",
        "if min(*large, *small, kernel, stride, padding + 1) < 1:",
        "if min(*large, *small, kernel, stride, padding + 1.001) < 1:",
    ): "a padding is a whole number",
    ("normalization.py", VIEWS, VIEWS.replace("mean", "sum")): FOR_READERS,
    (
        "normalization.py",
        "np.subtract(x, self.spread(mean), out=x_hat)",
        "np.subtract(self.spread(mean), x, out=x_hat)",
    ): "the first of the two is only squared",
    (
        "normalization.py",
        "M = self.x_hat[0].size // self.channels",
        "M = self.x_hat[-1].size // self.channels",
    ): "all groups are of one size",
    (
        "network.py",
        "self.statistics = np.zeros(parameter_count(self.layers, 'statistics'), dtype)",
        "self.statistics = np.ones(parameter_count(self.layers, 'statistics'), dtype)",
    ): "every layer's initialize fills all of its statistics",
    **{
        (
            "network.py",
            "*hidden, (n_in, n_out) = zip(sizes[:-1], sizes[1:], strict=True)",
            f"*hidden, (n_in, n_out) = zip(sizes[:-1], sizes[1:]{strict})",
        ): "both have one entry less than sizes"
        for strict in ("", ", strict=False")
    },
    (
        "gradient_penalty.py",
        "e = self.rng.random((len(x_real), 1), dtype=np.float64).astype(x_real.dtype)",
        "e = self.rng.random((len(x_real), 1)).astype(x_real.dtype)",
    ): "float64 is what NumPy would choose",
    (
        "gradient_penalty.py",
        "direction = g / np.where(norm > 0, norm, 1)",
        "direction = g / np.where(norm > 0, norm, 2)",
    ): ANY_NUMBER,
    (
        "gradient_penalty.py",
        "direction = g / np.where(norm > 0, norm, 1)",
        "direction = g / np.where(norm > 0, norm, 1.001)",
    ): ANY_NUMBER,
    (
        "gradient_penalty.py",
        "for layer, dout_v in zip(reversed(network.layers), slopes, strict=True):",
        "for layer, dout_v in zip(reversed(network.layers), slopes):",
    ): ONE_FOR_EACH,
    (
        "gradient_penalty.py",
        "for layer, dout_v in zip(reversed(network.layers), slopes, strict=True):",
        "for layer, dout_v in zip(reversed(network.layers), slopes, strict=False):",
    ): ONE_FOR_EACH,
    **{
        ("losses.py", line, line.replace("s.real > 0", "s.real >= 0")): "at s = 0 both branches are equal"
        for line in (
            "return np.where(s.real > 0, 1, e) / (1 + e)",
            "return np.where(s.real > 0, s, -s)",
            "loss = np.mean(np.where(s.real > 0, s, 0) - t * s + np.log1p(np.exp(-absolute(s))))",
        )
    },
    ("losses.py", "p = np.where(p.real < tiny, tiny, p)", "p = np.where(p.real <= tiny, tiny, p)"): (
        "at p = tiny both branches give tiny"
    ),
    ("losses.py", "q = np.where(q.real < tiny, tiny, q)", "q = np.where(q.real <= tiny, tiny, q)"): (
        "at q = tiny both branches give tiny"
    ),
}


class Mutant(NamedTuple):
    file: str
    line: int
    before: str
    after: str
    code: object

    def __str__(self):
        return f"{self.file}:{self.line}: {self.before}  ->  {self.after}"


# ---- changes -------------------------------------------------------------------------------------

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
}
COMPARISONS = {
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
FUNCTIONS = {
    "add": "subtract",
    "subtract": "add",
    "multiply": "divide",
    "divide": "multiply",
    "mean": "sum",
    "sum": "mean",
    "sqrt": "square",
    "exp": "expm1",
    "log": "log1p",
    "log1p": "log",
    "tanh": "sin",
    "min": "max",
    "max": "min",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
    "zeros": "ones",
}


def changes(node):
    """What a node of the syntax tree could be replaced by; "pass" deletes a statement."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in OPERATORS:
            yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        if isinstance(node.op, ast.MatMult):
            yield ast.BinOp(node.right, node.op, node.left)
        yield node.left
        yield node.right
    elif isinstance(node, ast.AugAssign):
        if type(node.op) in OPERATORS:
            yield ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
        yield ast.Assign([node.target], node.value)
        yield ast.Pass()
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)
        yield from node.values
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in COMPARISONS[type(op)]:
                yield ast.Compare(node.left, [*node.ops[:i], other(), *node.ops[i + 1 :]], node.comparators)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.If):
        yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in other_constants(node.value))
    elif isinstance(node, ast.Attribute):
        if node.attr == "T":
            yield node.value
        if node.attr in FUNCTIONS:
            yield ast.Attribute(node.value, FUNCTIONS[node.attr], node.ctx)
    elif isinstance(node, ast.Slice):
        if (node.lower is None) != (node.upper is None):
            yield ast.Slice(node.upper, node.lower, node.step)
    elif isinstance(node, ast.Call):
        yield from other_calls(node)
    elif isinstance(node, ast.Return) and isinstance(node.value, (ast.BinOp, ast.Call, ast.Attribute)):
        yield ast.Return(ast.UnaryOp(ast.USub(), node.value))
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Attribute, ast.Subscript)):
        yield ast.Pass()
    elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield ast.Pass()


def other_constants(value):
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, value * 1.001] if value else [1, -1]
    if isinstance(value, float):
        return [value * 1.001, -value, 0.0] if value else [1.0]
    return []


COMMUTATIVE = {"add", "multiply", "maximum", "minimum", "max", "min"}  # their arguments may be swapped


def other_calls(node):
    args, keywords = node.args, node.keywords
    if len(args) > 1 and ast.unparse(node.func).split(".")[-1] not in COMMUTATIVE:
        yield ast.Call(node.func, [args[1], args[0], *args[2:]], keywords)
    for i in range(len(keywords)):
        yield ast.Call(node.func, args, keywords[:i] + keywords[i + 1 :])
    if len(args) == 1 and not keywords:
        yield args[0]
    if not args and isinstance(node.func, ast.Attribute):  # x.copy() -> x
        yield node.func.value


def mutants(file):
    """Every Mutant of a file of the package, each one change away from it."""
    path = ROOT / "tinygan" / file
    tree = ast.parse(path.read_text(encoding="utf-8"))
    seen = {ast.dump(tree)}
    for parent, field, index, statement in places(tree):
        node = getattr(parent, field) if index is None else getattr(parent, field)[index]
        before = brief(statement)
        for new in changes(node):
            if not hasattr(new, "lineno"):
                ast.copy_location(new, node)
            put(parent, field, index, new)
            key = ast.dump(tree)
            if key not in seen:
                seen.add(key)
                after = brief(new if node is statement else statement)
                code = compile(ast.fix_missing_locations(tree), str(path), "exec")
                yield Mutant(file, node.lineno, before, after, code)
            put(parent, field, index, node)


def places(tree):
    """(parent, field, index or None, statement) of every node that may be changed: text and types may not."""

    def walk(parent, statement):
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "decorator_list") or isinstance(parent, ast.JoinedStr):
                continue
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(node, ast.AST) and not skipped(node):
                    inside = node if isinstance(node, ast.stmt) else statement
                    yield parent, field, index, inside
                    yield from walk(node, inside)

    return list(walk(tree, tree))


def skipped(node):
    """What the mathematics has nothing to do with: the words of an error, a name for the eye."""
    words = isinstance(node, ast.Raise) or (isinstance(node, ast.FunctionDef) and node.name == "__repr__")
    return words or not hasattr(node, "lineno")


def put(parent, field, index, node):
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def brief(statement):
    """The statement, or the first line of it."""
    if not isinstance(statement, (ast.stmt, ast.expr)):
        return "module"
    return ast.unparse(ast.fix_missing_locations(statement)).partition("\n")[0]


# ---- running -------------------------------------------------------------------------------------


class InPlaceOf(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives out the mutant when its module is imported."""

    def __init__(self, mutant):
        self.mutant = mutant
        self.name = f"tinygan.{Path(mutant.file).stem}"

    def find_spec(self, name, path, target=None):
        if name == self.name:
            return importlib.util.spec_from_file_location(name, ROOT / "tinygan" / self.mutant.file, loader=self)
        return None

    def exec_module(self, module):
        exec(self.mutant.code, module.__dict__)


class Entered:
    """A pytest plugin: notes how long each test takes, and by their first lines which functions of a file it enters.

    What a file of tests enters as it is read, for a table of examples, is entered by each of its tests.
    """

    def __init__(self, file, notes):
        self.path, self.notes, self.tests, self.first = str(ROOT / "tinygan" / file), notes, {}, {}

    def note(self, entered):
        def called(frame, event, arg):
            if event == "call" and frame.f_code.co_filename == self.path:
                entered.add(frame.f_code.co_firstlineno)

        sys.setprofile(called)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector):
        self.note(self.first.setdefault(collector.nodeid, set()))
        yield
        sys.setprofile(None)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        entered, start = set(self.first[item.parent.nodeid]), time.process_time()
        self.note(entered)
        yield
        sys.setprofile(None)
        self.tests[item.nodeid] = time.process_time() - start, sorted(entered)

    def pytest_sessionfinish(self):
        self.notes.write_text(json.dumps(self.tests), encoding="utf-8")


def run_tests(tests, seconds, mutant=None, plugins=()):
    """Ends this process, with pytest's exit code on these tests; after so many seconds of computing in any case."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))  # some mutants never end
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    os.chdir(ROOT)
    code = 3
    try:
        if mutant is not None:
            sys.meta_path.insert(0, InPlaceOf(mutant))
        options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutation"]
        code = 0
        for _, together in itertools.groupby(tests, lambda name: name.partition("::")[0]):  # file by file
            code = code or int(pytest.main([*options, *together], plugins=list(plugins)))
    finally:
        os._exit(code)


def tests_that_enter(file):
    """{test: (seconds, first lines of the functions of the file that it enters)}: the file's own first."""
    own = {**TESTS, **ALSO}[file]
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder, "notes.json")
        child = os.fork()
        if child == 0:
            run_tests([f"tests/{name}" for name in {**TESTS, **ALSO}.values()], 1000, plugins=[Entered(file, notes)])
        if os.waitpid(child, 0)[1]:
            sys.exit("the tests fail without any mutant; mend that first")
        tests = json.loads(notes.read_text(encoding="utf-8"))
    return dict(sorted(tests.items(), key=lambda test: (f"/{own}" not in test[0], test[0])))


def tests_of(mutant, tests, functions):
    """Those of the tests that can notice it: all, or if it is in the body of a function those that enter it."""
    bodies = [f for f in functions if f.body[0].lineno <= mutant.line <= f.end_lineno]
    if not bodies:
        return tests
    start = min([bodies[-1].lineno, *(decorator.lineno for decorator in bodies[-1].decorator_list)])
    lines = range(start, bodies[-1].end_lineno + 1)
    return {name: test for name, test in tests.items() if any(line in lines for line in test[1])}


def survivors(mutants, tests_of_each):
    """Those of a list that their tests do not mind."""
    waiting, running, survived, done, start = list(mutants), {}, [], 0, time.monotonic()
    while waiting or running:
        while waiting and len(running) < PROCESSES:
            mutant = waiting.pop(0)
            tests = tests_of_each(mutant)
            child = os.fork()
            if child == 0:
                run_tests(tests, 2 + int(PATIENCE * sum(seconds for seconds, _ in tests.values())), mutant)
            running[child] = mutant
        child, status = os.wait()
        mutant = running.pop(child)
        if status == 0:
            survived.append(mutant)
        done += 1
        if sys.stderr.isatty():
            left = (time.monotonic() - start) / done * (len(mutants) - done)
            print(f"\r{done}/{len(mutants)}, {left:.0f} s left ", end="", file=sys.stderr)
    return sorted(survived, key=mutants.index)


def examine(file):
    """(number of mutants, those that survive, those of them that are known to change nothing)."""
    tree = ast.parse((ROOT / "tinygan" / file).read_text(encoding="utf-8"))
    functions = sorted((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)), key=lambda f: f.lineno)
    every, tests = list(mutants(file)), tests_that_enter(file)
    left = survivors(every, lambda mutant: tests_of(mutant, tests, functions))
    known = [mutant for mutant in left if (file, mutant.before, mutant.after) in EQUIVALENT]
    return len(every), [mutant for mutant in left if mutant not in known], known


def main(files):
    """Print the score and the survivors of each file; returns 0 where none is unexplained."""
    files = files or list(TESTS)
    unknown = [file for file in files if file not in {**TESTS, **ALSO}]
    if unknown:
        print(f"no such file to mutate: {', '.join(unknown)}; there are {', '.join({**TESTS, **ALSO})}")
        return 2
    alive = 0
    print(f"{'file':<22} mutants  killed  equivalent  survived")
    for file in files:
        total, left, known = examine(file)
        alive += len(left)
        killed = total - len(left) - len(known)
        print(f"{file:<22} {total:7d} {killed:7d} {len(known):11d} {len(left):9d}", flush=True)
        for mutant in left:
            print(f"    {mutant}", flush=True)
        excused = {(mutant.file, mutant.before, mutant.after) for mutant in known}
        for key in EQUIVALENT:
            if key[0] == file and key not in excused:
                print(f"    no longer needs an excuse: {key[1]}  ->  {key[2]}", flush=True)
    return int(alive > 0)


hypothesis.settings.register_profile(  # as conftest.py's, without the search for a simpler failure
    "mutation",
    deadline=None,
    derandomize=True,
    max_examples=25,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


@pytest.mark.mutation
def test_the_suite_kills_every_mutant():
    import subprocess

    run = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


if __name__ == "__main__":
    assert np  # imported once, before the forks
    sys.exit(main(sys.argv[1:]))
