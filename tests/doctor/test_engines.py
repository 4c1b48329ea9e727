"""The operations of an engine in which every number knows its gradient are checked one by one, and mended."""

from __future__ import annotations

import pytest
from planted_mistakes import HEAD, run

from tinygan.doctor import Verdict, examine, targets

NUMBERS = """
class Value:
    def __init__(self, data, _children=(), _op=""):
        self.data, self.grad = data, 0
        self._backward, self._prev = lambda: None, set(_children)

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), "+")

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), "*")

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def __pow__(self, other):
        out = Value(self.data**other, (self,), "**")

        def _backward():
            self.grad += other * self.data ** (other - 1) * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = np.tanh(self.data)
        out = Value(t, (self,), "tanh")

        def _backward():
            self.grad += (1 - t**2) * out.grad

        out._backward = _backward
        return out

    def backward(self):
        topo, visited = [], set()

        def build(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build(child)
                topo.append(v)

        build(self)
        self.grad = 1
        for v in reversed(topo):
            v._backward()
"""
TANH = NUMBERS[NUMBERS.index("    def tanh") : NUMBERS.index("    def backward")]
ARRAYS = """
class Tensor:
    def __init__(self, value, parents=()):
        self.value = np.asarray(value, dtype=float)
        self.grad, self.parents, self.pull = np.zeros_like(self.value), parents, None

    def __add__(self, other):
        out = Tensor(self.value + other.value, (self, other))

        def pull():
            self.grad = self.grad + out.grad
            other.grad = other.grad + out.grad

        out.pull = pull
        return out

    def __mul__(self, other):
        out = Tensor(self.value * other.value, (self, other))

        def pull():
            self.grad = self.grad + out.grad * other.value
            other.grad = other.grad + out.grad * self.value

        out.pull = pull
        return out

    def __matmul__(self, other):
        out = Tensor(self.value @ other.value, (self, other))

        def pull():
            self.grad = self.grad + out.grad @ other.value.T
            other.grad = other.grad + self.value.T @ out.grad

        out.pull = pull
        return out

    def exp(self):
        out = Tensor(np.exp(self.value), (self,))

        def pull():
            self.grad = self.grad + out.grad * out.value

        out.pull = pull
        return out

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = np.ones_like(self.value)
        for node in reversed(order):
            if node.pull is not None:
                node.pull()
"""
OPERATIONS = {
    NUMBERS: {"Value.__add__", "Value.__mul__", "Value.__pow__", "Value.tanh"},
    ARRAYS: {"Tensor.__add__", "Tensor.__mul__", "Tensor.__matmul__", "Tensor.exp"},
}
WRONG = [  # (source, the operation, what is replaced, by what, what mends it)
    (NUMBERS, "tanh", "+= (1 - t**2) * out.grad", "= (1 - t**2) * out.grad", "self.grad += (1 - t ** 2) * out.grad"),
    (NUMBERS, "tanh", "(1 - t**2)", "(1 - t)", "(1 - t ** 2) * out.grad` in place"),
    (NUMBERS, "__add__", "other.grad += out.grad", "other.grad = out.grad", "other.grad += out.grad` in place"),
    (NUMBERS, "__pow__", "(other - 1)", "other", "`self.grad += other * self.data ** (other - 1)"),
    (ARRAYS, "__matmul__", "other.grad + self.value.T @", "self.value.T @", "other.grad += self.value.T @ out.grad"),
    (ARRAYS, "__matmul__", "@ other.value.T", "@ other.value", "out.grad @ other.value.T` in place"),
    (ARRAYS, "exp", "out.grad * out.value", "out.grad * self.value", "out.grad * out.value` in place"),
]
WITHOUT = [  # (source, the operation, what is replaced, by what): what comes from above is forgotten
    (NUMBERS, "tanh", "(1 - t**2) * out.grad", "1 - t**2"),
    (NUMBERS, "__mul__", "self.grad += other.data * out.grad", "self.grad += other.data"),
    (ARRAYS, "exp", "out.grad * out.value", "out.value"),
]


def reports(source):
    """Return {name of an operation: Report} of the engine in a source."""
    return {name: examine(target) for name, target in targets(run("mine.py", HEAD + source)).items()}


def wrong(source, old, new):
    """Return {name: Report} of the operations that are wrong as soon as something is replaced."""
    assert source.count(old) == 1
    return {n: r for n, r in reports(source.replace(old, new)).items() if r.verdict is Verdict.WRONG}


@pytest.mark.parametrize("source", OPERATIONS, ids=["numbers", "arrays"])
def test_each_operation_of_a_right_engine_is_right(source):
    found = reports(source)
    assert found.keys() == OPERATIONS[source]
    assert all(report.verdict is Verdict.RIGHT and report.rows for report in found.values())


@pytest.mark.parametrize("source, operation, old, new, mended", WRONG)
def test_the_operation_that_is_wrong_is_found_alone_and_mended(source, operation, old, new, mended):
    ((name, report),) = wrong(source, old, new).items()
    assert name.endswith("." + operation) and mended in "".join(map(str, report.findings))


@pytest.mark.parametrize("source, operation, old, new", WITHOUT)
def test_an_operation_that_forgets_what_comes_from_above_is_wrong(source, operation, old, new):
    assert [name.split(".")[1] for name in wrong(source, old, new)] == [operation]


def test_a_class_of_numbers_without_gradients_is_no_engine():
    source = NUMBERS.replace("self.data, self.grad = data, 0", "self.data = data").replace(".grad", ".slope")
    assert not any("." in name for name in reports(source))


GRAPH = """
class Node:
    def __init__(self, value, parents=(), slopes=()):
        self.value, self.grad, self.parents, self.slopes = value, 0.0, parents, slopes

    def __add__(self, other):
        return Node(self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Node(self.value * other.value, (self, other), (other.value, self.value))


def sin(a):
    return Node(np.sin(a.value), (a,), (np.cos(a.value),))


def backward(root):
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(root)
    root.grad = 1.0
    for node in reversed(order):
        for parent, slope in zip(node.parents, node.slopes):
            parent.grad = parent.grad + slope * node.grad
"""


def test_an_engine_whose_backward_is_a_function_is_checked_with_its_functions():
    reports = {name: examine(target) for name, target in targets(run("mine.py", HEAD + GRAPH)).items()}
    assert set(reports) == {"sin", "Node.__add__", "Node.__mul__"}
    assert all(report.verdict is Verdict.RIGHT for report in reports.values())
    wrong = targets(run("mine.py", HEAD + GRAPH.replace("np.cos(a.value)", "np.sin(a.value)")))
    assert {name for name, target in wrong.items() if examine(target).verdict is Verdict.WRONG} == {"sin"}


def test_a_backward_function_from_the_leaves_is_turned_around():
    found = targets(run("mine.py", HEAD + GRAPH.replace("reversed(order)", "order")))
    assert "turned around" in str(examine(found["Node.__mul__"]).findings[0])


TENSOR = """
class Tensor:
    def __init__(self, data, parents=()):
        self.data, self.parents = np.array(data, dtype=float), parents
        self.grad, self._backward = np.zeros_like(self.data), lambda: None

    def __add__(self, other):  # a row is broadcast
        out = Tensor(self.data + other.data, (self, other))

        def _backward():
            self.grad = self.grad + out.grad
            rows = other.data.shape != out.grad.shape
            other.grad = other.grad + (out.grad.sum(axis=0, keepdims=True) if rows else out.grad)

        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()

        def build(v):
            if id(v) not in seen:
                seen.add(id(v))
                for parent in v.parents:
                    build(parent)
                order.append(v)

        build(self)
        self.grad = np.ones_like(self.data)
        for v in reversed(order):
            v._backward()
"""


@pytest.mark.parametrize("meant", [True, False])
def test_a_row_that_is_broadcast_is_summed_if_the_file_means_it_to_be(meant):
    wrong = TENSOR.replace("out.grad.sum(axis=0, keepdims=True) if rows else out.grad", "out.grad")
    for source, verdict in ((TENSOR, Verdict.RIGHT), (wrong, Verdict.WRONG)):
        source = source if meant else source.replace("  # a row is broadcast", "")
        reports = {name: examine(target) for name, target in targets(run("mine.py", HEAD + source)).items()}
        assert set(reports) == {"Tensor.__add__", *["Tensor.__add__ with a row"] * meant}
        assert reports["Tensor.__add__"].verdict is Verdict.RIGHT
        assert not meant or reports["Tensor.__add__ with a row"].verdict is verdict


BOOK = """
class Variable:
    def __init__(self, data):
        if not isinstance(data, np.ndarray):
            raise TypeError(f"{type(data)} is not supported")
        self.data, self.grad, self.creator = data, None, None

    def backward(self):
        f = self.creator
        if f is not None:
            f.input.grad = f.backward(self.grad)
            f.input.backward()


class Function:
    def __call__(self, input):
        self.input, self.output = input, Variable(np.asarray(self.forward(input.data)))
        self.output.creator = self
        return self.output

    def forward(self, x):
        raise NotImplementedError()

    def backward(self, gy):
        raise NotImplementedError()


class Square(Function):
    def forward(self, x):
        return x**2

    def backward(self, gy):
        return 2 * self.input.data * gy


class Exp(Function):
    def forward(self, x):
        return np.exp(x)

    def backward(self, gy):
        return np.exp(self.input.data) * gy


def square(x):
    return Square()(x)
"""
CHAIN = """
import weakref


class Variable:
    def __init__(self, data):
        self.data, self.grad, self.creator, self.generation = data, None, None, 0

    def cleargrad(self):
        self.grad = None

    def backward(self, retain_grad=False):
        if self.grad is None:
            self.grad = np.ones_like(self.data)
        waiting, seen = [self.creator], {self.creator}
        while waiting:
            waiting.sort(key=lambda f: f.generation)
            f = waiting.pop()
            gxs = f.backward(*[output().grad for output in f.outputs])
            for x, gx in zip(f.inputs, gxs if isinstance(gxs, tuple) else (gxs,)):
                x.grad = gx if x.grad is None else x.grad + gx
                if x.creator is not None and x.creator not in seen:
                    seen.add(x.creator)
                    waiting.append(x.creator)
            if not retain_grad:
                for y in f.outputs:
                    y().grad = None


class Function:
    def __call__(self, *inputs):
        ys = self.forward([x.data for x in inputs])
        outputs = [Variable(y) for y in ys]
        self.generation = max(x.generation for x in inputs)
        for output in outputs:
            output.creator, output.generation = self, self.generation + 1
        self.inputs, self.outputs = inputs, [weakref.ref(output) for output in outputs]
        return outputs

    def forward(self, xs):
        raise NotImplementedError()

    def backward(self, *gys):
        raise NotImplementedError()


class Add(Function):
    def forward(self, xs):
        return [xs[0] + xs[1]]

    def backward(self, gy):
        return gy, gy


class Mul(Function):
    def forward(self, xs):
        return [xs[0] * xs[1]]

    def backward(self, gy):
        x0, x1 = self.inputs
        return gy * x1.data, gy * x0.data


class MatMul(Function):
    def forward(self, xs):
        return [xs[0] @ xs[1]]

    def backward(self, gy):
        x, W = self.inputs
        return gy @ W.data.T, x.data.T @ gy


class Pow(Function):
    def __init__(self, c):
        self.c = c

    def forward(self, xs):
        return [xs[0] ** self.c]

    def backward(self, gy):
        return gy * self.c * self.inputs[0].data ** (self.c - 1)


def add(x0, x1):
    return Add()(x0, x1)[0]


def sphere(x, y):
    return x**2 + y**2


Variable.__add__ = add
Variable.__mul__ = lambda x0, x1: Mul()(x0, x1)[0]
Variable.__pow__ = lambda x, c: Pow(c)(x)[0]
"""
TAPE = """
tape = []


class Var:
    __slots__ = ("val", "adj")

    def __init__(self, val):
        self.val = np.asarray(val, dtype=float)
        self.adj = np.zeros_like(self.val)


def record(val, *pairs):
    out = Var(val)
    tape.append((out, pairs))
    return out


def add(a, b):
    return record(a.val + b.val, (a, 1.0), (b, 1.0))


def mul(a, b):
    return record(a.val * b.val, (a, b.val), (b, a.val))


def relu(a):
    return record(np.maximum(a.val, 0), (a, a.val > 0))


def power(a, n):
    return record(a.val**n, (a, n * a.val ** (n - 1)))


def grad(out, wrt, seed=1.0):
    out.adj = np.ones_like(out.val) * seed
    while tape:
        node, pairs = tape.pop()
        for parent, local in pairs:
            parent.adj = parent.adj + node.adj * local
    return [w.adj for w in wrt]
"""
LINKS = """
class Num:
    def __init__(self, v, links=()):
        self.v, self.links = v, links


def plus(a, b):
    return Num(a.v + b.v, [(a, 1.0), (b, 1.0)])


def tanh(a):
    t = np.tanh(a.v)
    return Num(t, [(a, 1 - t**2)])


def gradient(y, x):
    return 1.0 if y is x else sum(local * gradient(parent, x) for parent, local in y.links)
"""
CHECKED = {
    BOOK: ["Square", "Exp"],
    CHAIN: ["Add", "Mul", "MatMul", "Pow"],
    TAPE: ["add", "mul", "relu", "power"],
    LINKS: ["plus", "tanh"],
}
PLANTED = [  # (source, what is wrong, what is replaced, by what)
    (BOOK, ["Square"], "return 2 * self.input.data * gy", "return 2 * self.input.data"),
    (BOOK, ["Exp"], "np.exp(self.input.data) * gy", "self.input.data * gy"),
    (CHAIN, ["Add"], "return gy, gy\n", "return gy, -gy\n"),
    (CHAIN, ["Mul"], "gy * x1.data, gy * x0.data", "gy * x0.data, gy * x1.data"),
    (CHAIN, ["Mul"], "gy * x1.data, gy * x0.data", "gy * x1.data, x0.data"),
    (CHAIN, ["MatMul"], "gy @ W.data.T", "gy @ W.data"),
    (CHAIN, ["Pow"], "(self.c - 1)", "self.c"),
    (CHAIN, CHECKED[CHAIN], "gx if x.grad is None else x.grad + gx", "gx"),  # what is used twice is wrong everywhere
    (TAPE, ["add"], "(b, 1.0)", "(b, -1.0)"),
    (TAPE, ["mul"], "(b, a.val)", "(b, b.val)"),
    (TAPE, ["relu"], "(a, a.val > 0)", "(a, 1.0)"),
    (TAPE, ["power"], "(a, n * a.val ** (n - 1))", "(a, a.val ** (n - 1))"),
    (TAPE, CHECKED[TAPE], "parent.adj + node.adj * local", "node.adj * local"),
    (LINKS, ["tanh"], "1 - t**2", "1 - t"),
    (LINKS, ["tanh"], "local * gradient", "gradient"),
]


@pytest.mark.parametrize("source", CHECKED, ids=["book", "chain", "tape", "links"])
def test_each_class_or_function_of_a_right_engine_is_right(source):
    found = reports(source)
    assert list(found) == CHECKED[source]
    assert all(report.verdict is Verdict.RIGHT and report.rows for report in found.values())


@pytest.mark.parametrize("source, names, old, new", PLANTED)
def test_the_class_or_function_that_is_wrong_is_found(source, names, old, new):
    assert set(wrong(source, old, new)) == set(names)


def test_a_number_is_measured_on_both_sides_of_zero():
    relu = TANH.replace("tanh", "relu").replace("np.relu(self.data)", "max(self.data, 0)")
    right = relu.replace("(1 - t**2)", "(t > 0)")
    assert reports(NUMBERS.replace(TANH, right))["Value.relu"].verdict is Verdict.RIGHT
    assert list(wrong(NUMBERS.replace(TANH, right), "(t > 0) * ", "")) == ["Value.relu"]


def test_a_wrong_class_of_an_engine_is_mended():
    (report,) = wrong(CHAIN, "gy @ W.data.T", "gy @ W.data").values()
    assert "gy @ W.data.T, x.data.T @ gy)` in place" in str(report.findings)


def test_what_never_meets_another_slope_than_1_is_not_called_right():
    source = LINKS.replace("plus", "minus").replace("(b, 1.0)", "(b, -1.0)").replace("a.v + b.v", "a.v - b.v")
    assert {report.verdict for report in reports(source).values()} == {Verdict.UNCHECKED}


GIVEN = """
class Tensor:
    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = np.asarray(data, dtype=float), None, parents

    def backward(self, grad=None):
        grad = np.ones_like(self.data) if grad is None else grad
        if not self.parents:
            self.grad = grad if self.grad is None else self.grad + grad
        for parent, back in self.parents:
            parent.backward(back(grad))

    def __add__(self, other):
        return Tensor(self.data + other.data, [(self, lambda g: g), (other, lambda g: g)])

    def __mul__(self, other):
        return Tensor(self.data * other.data, [(self, lambda g: g * other.data), (other, lambda g: g * self.data)])

    def sum(self):
        return Tensor(self.data.sum(), [(self, lambda g: g * np.ones_like(self.data))])
"""


def test_an_engine_that_is_handed_the_first_gradient_does_not_begin_with_what_is_there():
    assert {report.verdict for report in reports(GIVEN).values()} == {Verdict.RIGHT}
    wrong = reports(GIVEN.replace("lambda g: g * np.ones_like", "lambda g: np.ones_like"))
    assert [name for name, report in wrong.items() if report.verdict is Verdict.WRONG] == ["Tensor.sum"]
